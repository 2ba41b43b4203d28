"""Where a client's address and token come from, and how they are kept."""

from pathlib import Path

import pytest

from hostler.sdk import settings
from hostler.sdk.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOSTLER_URL", "HOSTLER_TOKEN", "HOSTLER_CA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_the_stored_token_goes_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.save(Settings(url="https://one", token="secret"))
    assert settings.load() == Settings(url="https://one", token="secret")
    assert settings.load(url="https://two").token is None
    monkeypatch.setenv("HOSTLER_URL", "https://two/")
    assert settings.load() == Settings(url="https://two")
    monkeypatch.setenv("HOSTLER_TOKEN", "other")
    assert settings.load(token="given").token == "given"
    assert settings.load().token == "other"


def test_only_the_owner_can_read_the_file(home: Path) -> None:
    path = settings.save(Settings(token="secret"))
    assert path == home / "hostler" / "config.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["config.json"]


def test_a_token_is_forgotten_once() -> None:
    settings.save(Settings(token="secret"))
    assert settings.forget_token()
    assert not settings.forget_token()


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_broken_file_is_named(text: str) -> None:
    path = settings.save(Settings())
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        settings.load()
