"""The program git, run without surprises: none of the user's or the machine's settings, no questions, one protocol.

Passwords go to it through its environment, which only the same user can read, and not as arguments; it asks for them
with a helper that is bound to the remote's own address, so that no other host, such as one that the remote leads on
to, gets them. A key lies in a file for the time of one call.

Source:  https://git-scm.com/docs/git#_environment_variables, https://git-scm.com/docs/gitcredentials,
         https://man.openbsd.org/ssh_config
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks_core.errors import PackageMissing, StorageFailed
from blocks_git.addresses import origin_of, scheme_of

PIECE_BYTES = 1 << 20

_FROM_OUTSIDE = (
    "PATH",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_EXEC_PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
)
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$BLOCKS_GIT_NAME" "$BLOCKS_GIT_WORD"; }; '
    "f"
)
_SETTINGS = {
    "credential.helper": "",
    "core.askPass": "",
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.bundleURI": "false",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True)
class Login:
    """What a remote may ask for."""

    url: str
    username: str
    password: str | None = field(default=None, repr=False)
    ssh_private_key: str | None = field(default=None, repr=False)
    known_hosts: str | None = None


class GitFailed(Exception):
    """Git did not do what was asked; `said` is what it wrote."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class GitTimedOut(Exception):
    """Git did not end in time."""


def run(arguments: Sequence[str], home: Path, timeout_seconds: float, login: Login | None = None) -> bytes:
    """Run git and return what it writes.

    Args:    home: folder without settings. login: for calls that reach a remote.
    Raises:  GitFailed, GitTimedOut, PackageMissing.
    """
    with (
        _environment(home, timeout_seconds, login) as environment,
        _started(arguments, environment) as process,
    ):
        try:
            found, said = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise GitTimedOut from error
        if process.returncode:
            raise GitFailed(said.decode("utf-8", "replace"))
        return found


def stream(arguments: Sequence[str], home: Path) -> Generator[bytes]:
    """Run git on what is here already, and yield what it writes.

    Raises:  GitFailed, PackageMissing.
    """
    with _environment(home, 0, None) as environment, _started(arguments, environment) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(PIECE_BYTES):
            yield piece
        _, said = process.communicate()
        if process.returncode:
            raise GitFailed(said.decode("utf-8", "replace"))


@contextmanager
def _started(arguments: Sequence[str], environment: Mapping[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """Start git; whatever comes, it and what it started is gone in the end."""
    try:
        process = subprocess.Popen(
            ["git", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PackageMissing(
            "The program git is needed, and is not on the PATH: apt-get install git"
        ) from error
    except OSError as error:
        raise StorageFailed(f"The program git could not be started ({error}). Try again.") from error
    try:
        yield process
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def _environment(home: Path, timeout_seconds: float, login: Login | None) -> Generator[dict[str, str]]:
    environment = {name: os.environ[name] for name in _FROM_OUTSIDE if name in os.environ}
    environment |= {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": scheme_of(login.url) if login else "none",
    }
    settings = dict(_SETTINGS)
    if login is None:
        yield environment | _as_variables(settings)
        return
    settings["http.lowSpeedLimit"], settings["http.lowSpeedTime"] = "1", str(max(1, int(timeout_seconds)))
    if scheme_of(login.url) == "file":
        path = login.url.removeprefix("file://").rstrip("/")
        environment |= _as_variables(settings, ("safe.directory", path), ("safe.directory", f"{path}/.git"))
    else:
        environment |= _as_variables(settings)
    if login.password is not None:
        environment |= {"BLOCKS_GIT_NAME": login.username, "BLOCKS_GIT_WORD": login.password}
        environment |= _as_variables(settings, (f"credential.{origin_of(login.url)}.helper", _HELPER))
    if scheme_of(login.url) != "ssh":
        yield environment
        return
    with TemporaryDirectory(prefix="blocks-git-") as folder:
        environment["GIT_SSH_COMMAND"] = _ssh_command(login, Path(folder), timeout_seconds)
        environment["GIT_SSH_VARIANT"] = "ssh"
        yield environment


def _as_variables(settings: Mapping[str, str], *more: tuple[str, str]) -> dict[str, str]:
    """Return settings of git as variables, which are no arguments that others see."""
    listed = [*settings.items(), *more]
    found = {"GIT_CONFIG_COUNT": str(len(listed))}
    for index, (name, value) in enumerate(listed):
        found[f"GIT_CONFIG_KEY_{index}"], found[f"GIT_CONFIG_VALUE_{index}"] = name, value
    return found


def _ssh_command(login: Login, folder: Path, timeout_seconds: float) -> str:
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={max(1, int(timeout_seconds))}"]
    command = ["ssh"]
    if login.ssh_private_key is not None:
        command += ["-F", os.devnull, "-i", str(_private_file(folder / "key", login.ssh_private_key))]
        options.append("IdentitiesOnly=yes")
    if login.known_hosts is not None:
        known = _private_file(folder / "known_hosts", login.known_hosts)
        options += [f"UserKnownHostsFile={known}", f"GlobalKnownHostsFile={os.devnull}"]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


def _private_file(path: Path, content: str) -> Path:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(
            content.replace("\r\n", "\n").rstrip("\n") + "\n"
        )  # ssh takes no key without its last line end
    return path
