"""Which service a client talks to, and as whom: arguments, then the environment, then the user's file."""

import json
import os
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

DEFAULT_URL = "http://127.0.0.1:8100"


class Settings(Struct, frozen=True, kw_only=True):
    """`ca` is a file of certificates to trust instead of the system's."""

    url: str = DEFAULT_URL
    token: str | None = None
    ca: str | None = None


def settings_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "hostler" / "config.json"


def load(*, url: str | None = None, token: str | None = None, ca: str | None = None) -> Settings:
    """The settings in force. A stored token is used only with the address it was stored for."""
    stored = _stored()
    chosen_url = (url or os.environ.get("HOSTLER_URL") or stored.url).rstrip("/")
    own = stored if chosen_url == stored.url else Settings()
    return Settings(
        url=chosen_url,
        token=token or os.environ.get("HOSTLER_TOKEN") or own.token,
        ca=ca or os.environ.get("HOSTLER_CA") or own.ca,
    )


def save(settings: Settings) -> Path:
    """Keep the settings in a file that only its owner can read; where it is."""
    path = settings_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(structs.asdict(settings), file, indent=2)
    new.replace(path)
    return path


def forget_token() -> bool:
    """Remove the stored token; whether there was one."""
    stored = _stored()
    if stored.token is None:
        return False
    save(structs.replace(stored, token=None))
    return True


def _stored() -> Settings:
    path = settings_file()
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}. Mend or delete it, then sign in again.") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a JSON object. Delete it, then sign in again.")
    known = {name: document[name] for name in Settings.__struct_fields__ if isinstance(document.get(name), str)}
    return Settings(**known)
