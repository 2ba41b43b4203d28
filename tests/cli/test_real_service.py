"""The command as a process, against the service as a process: sign in, act, and run the scripts of the job."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOSTLER = str(Path(sys.executable).with_name("hostler"))
NAME = 'it\'s $(id) "q" ’ 日本 🚀'
DESCRIPTION = "-\n`id`\x1b[31m\r\t--help"


class User:
    """A user of the service, with a home and the command line."""

    def __init__(self, url: str, folder: Path) -> None:
        self.environment = {
            "PATH": f"{Path(HOSTLER).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "HOSTLER_URL": url,
            "LC_ALL": "C.UTF-8",
            "no_proxy": "*",
        }
        self.folder = folder

    def run(self, *command: str, expect: int = 0) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    def hostler(self, *arguments: str, expect: int = 0) -> str:
        return self.run(HOSTLER, *arguments, expect=expect)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    folder = tmp_path_factory.mktemp("service")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = User(f"http://127.0.0.1:{port}", folder)
    command = [HOSTLER, "serve", "--data", str(folder / "data"), "--port", str(port)]
    with subprocess.Popen(command, env=user.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as service:
        assert service.stderr is not None
        told = []
        for line in service.stderr:
            told.append(line.decode())
            if "running on" in told[-1]:
                break
        else:
            raise AssertionError("".join(told))
        user.hostler("vm", "list", expect=5)
        link = user.hostler("sign-in-link", "--data", str(folder / "data"), "--url", user.environment["HOSTLER_URL"])
        user.hostler("login", "--link", link.strip())
        yield user
        service.terminate()
        service.stderr.read()


def test_the_link_works_once_and_the_token_is_kept(user: User) -> None:
    config = user.folder / ".config" / "hostler" / "config.json"
    assert config.stat().st_mode & 0o777 == 0o600
    assert user.environment["HOSTLER_URL"] in user.hostler("whoami")


def test_each_script_of_a_job_makes_the_same_object_again(user: User) -> None:
    made = user.hostler(
        "hardware-profile", "create", f"--name={NAME}", f"--description={DESCRIPTION}", "--cpu-count=3", "-o", "json"
    )
    job_id = json.loads(made)["id"]
    config = json.loads((user.folder / ".config" / "hostler" / "config.json").read_text())
    user.environment["HOSTLER_TOKEN"] = config["token"]
    for language, interpreter in (("python", sys.executable), ("shell", "sh"), ("shell", "bash"), ("curl", "sh")):
        script = user.hostler("job", "script", job_id, "--as", language)
        user.hostler("hardware-profile", "delete", NAME)
        (user.folder / "script").write_bytes(script.encode())
        user.run(interpreter, str(user.folder / "script"))
        newest = json.loads(user.hostler("job", "list", "--limit=1", "--output=json"))[0]["id"]
        user.hostler("job", "follow", newest)
        (profile,) = json.loads(user.hostler("hardware-profile", "list", "-o", "json"))
        assert (profile["name"], profile["description"]) == (NAME, DESCRIPTION), language
        assert profile["hardware"]["cpu_count"] == 3


def test_a_dry_run_changes_nothing(user: User) -> None:
    told = user.hostler("hardware-profile", "create", "--name=another", "--dry-run")
    assert "nothing was changed" in told
    assert "hostler hardware-profile create --name=another" in told
    user.hostler("hardware-profile", "show", "another", expect=4)


def test_a_name_that_is_taken_is_refused(user: User) -> None:
    user.hostler("hardware-profile", "create", "--name=taken")
    user.hostler("hardware-profile", "create", "--name=taken", expect=3)
    user.hostler("hardware-profile", "show", "taken")
