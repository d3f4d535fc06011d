"""A remote of Git, and the commits of it that are kept here.

Each commit is a bare repository of its own in the cache, without history: it is fetched beside its place and renamed,
so that no process sees half of one, none has to wait for another, and one that is killed leaves nothing that
disturbs. What was not used for a week goes when something is fetched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from uuid import uuid4

from pydantic import SecretStr

from blocks_core.errors import StorageFailed
from blocks_git.addresses import is_commit
from blocks_git.git_program import GitFailed, GitTimedOut, Login, run, stream
from blocks_git.git_reasons import why_failed
from blocks_git.trees import Tree, TreeEntry

KEPT_SECONDS = 7 * 24 * 3600
"""A commit that was not used for so long is removed; what is used is fetched again."""

_OURS = "refs/blocks/commit"


@dataclass(frozen=True)
class Wanted:
    """What is asked of a remote, and how; the fields of `Git`."""

    url: str
    reference: str | None
    username: str
    password: SecretStr | None = field(repr=False)
    ssh_private_key: SecretStr | None = field(repr=False)
    known_hosts: str | None
    refresh_seconds: float
    timeout_seconds: float
    cache_folder: str | None


class Remote:
    """Gives the tree of a reference, and the contents of its files."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._lock = Lock()
        self._tree: Tree | None = None
        self._asked_at = 0.0

    def tree(self) -> Tree:
        """Return the tree: as the remote has it now, or some seconds ago.

        Raises:  StorageFailed, PackageMissing.
        """
        with self._lock:
            if self._tree is None or self._is_old() or not self._folder_of(self._tree.commit).is_dir():
                self._renew()
            assert self._tree is not None
            return self._tree

    def refresh(self) -> str:
        """Ask the remote now, and return the commit that the reference leads to.

        Raises:  StorageFailed, PackageMissing.
        """
        with self._lock:
            self._renew()
            assert self._tree is not None
            return self._tree.commit

    def ask(self) -> str:
        """Ask the remote what it has, and return where it is.

        Raises:  StorageFailed, PackageMissing.
        """
        self._references()
        return self._wanted.url

    def pieces(self, tree: Tree, file: TreeEntry, location: str) -> Generator[bytes]:
        """Yield the content of a file of a tree.

        Raises:  StorageFailed, PackageMissing.
        """
        folder = self._folder_of(tree.commit)
        try:
            yield from stream([f"--git-dir={folder}", "cat-file", "blob", file.id], self._cache())
        except GitFailed as error:
            with self._lock:
                self._forget(tree.commit)
            raise StorageFailed(
                f"{location} is not in the cache any more, or is damaged there ({error.said.strip()}). Try again: it "
                f"is fetched anew."
            ) from error

    def _is_old(self) -> bool:
        if is_commit(self._wanted.reference or ""):
            return False
        return time.monotonic() - self._asked_at >= self._wanted.refresh_seconds

    def _renew(self) -> None:
        name, commit = self._resolved()
        if self._tree is None or self._tree.commit != commit or not self._folder_of(commit).is_dir():
            if not self._folder_of(commit).is_dir():
                commit = self._fetch(name, commit)
            try:
                self._tree = Tree(commit, self._entries(commit))
            except StorageFailed:
                self._forget(commit)
                raise
        self._asked_at = time.monotonic()

    def _forget(self, commit: str) -> None:
        """Let the next call fetch a commit anew."""
        self._tree = None
        shutil.rmtree(self._folder_of(commit), ignore_errors=True)

    def _resolved(self) -> tuple[str, str]:
        """Return the whole name of the reference, and the commit that it leads to."""
        found, wanted = self._references(), self._wanted.reference
        if wanted is not None and is_commit(wanted):
            return wanted, wanted
        names = ["HEAD"] if wanted is None else [f"refs/heads/{wanted}", f"refs/tags/{wanted}", wanted]
        for name in names:
            if name in found:
                return name, found.get(f"{name}^{{}}", found[name])
        if wanted is None:
            raise StorageFailed(
                f"{self._wanted.url} is empty, or has no branch of its own (HEAD). Give reference."
            )
        raise StorageFailed(
            f"{self._wanted.url} has no branch or tag '{wanted}'. Check reference; a commit goes by its whole hash."
        )

    def _references(self) -> dict[str, str]:
        wanted = self._wanted.reference
        patterns = ["HEAD"] if wanted is None or is_commit(wanted) else [wanted, f"{wanted}^{{}}"]
        said = self._run(["ls-remote", "--quiet", "--", self._wanted.url, *patterns], remote=True)
        lines = (line.partition("\t") for line in said.decode("utf-8", "replace").splitlines())
        return {name: commit for commit, _, name in lines if is_commit(commit)}

    def _fetch(self, name: str, commit: str) -> str:
        """Bring a commit into the cache; return it, or the one that the reference leads to by now."""
        part = self._place() / f".{uuid4().hex}.part"
        try:
            made = [
                "init",
                "--quiet",
                "--bare",
                "--template=",
                f"--object-format={_hash_of(commit)}",
                str(part),
            ]
            self._run(made)
            self._fetch_into(part, name)
            commit = self._run([f"--git-dir={part}", "rev-parse", f"{_OURS}^{{commit}}"]).decode().strip()
            with suppress(OSError):  # another process was first
                part.rename(self._folder_of(commit))
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._remove_unused()
        return commit

    def _fetch_into(self, part: Path, name: str) -> None:
        fetch = [f"--git-dir={part}", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
        source = ["--", self._wanted.url, f"+{name}:{_OURS}"]
        try:
            run([*fetch, "--depth=1", *source], self._cache(), self._wanted.timeout_seconds, self._login())
        except GitFailed as error:
            if "dumb http" in error.said:  # it cannot leave out the history
                self._run([*fetch, *source], remote=True)
            elif is_commit(name) and ("not our ref" in error.said or "unadvertised" in error.said):
                everything = ["--", self._wanted.url, "+refs/*:refs/all/*"]
                self._run([*fetch, *everything], remote=True)
                self._run([f"--git-dir={part}", "update-ref", _OURS, name])
            else:
                raise self._failure(error) from None
        except GitTimedOut:
            raise self._too_slow() from None

    def _entries(self, commit: str) -> Iterator[TreeEntry]:
        folder = self._folder_of(commit)
        with suppress(OSError):
            os.utime(folder)
        listed = self._run([f"--git-dir={folder}", "ls-tree", "-r", "-l", "-z", "--full-tree", commit])
        for line in listed.split(b"\0"):
            described, tab, path = line.partition(b"\t")
            if tab:
                mode, _, name, size = described.decode().split()
                yield TreeEntry(
                    path.decode("utf-8", "surrogateescape"), mode, name, int(size) if size != "-" else 0
                )

    def _run(self, arguments: list[str], *, remote: bool = False) -> bytes:
        try:
            login = self._login() if remote else None
            return run(arguments, self._cache(), self._wanted.timeout_seconds, login)
        except GitFailed as error:
            raise self._failure(error) from None
        except GitTimedOut:
            raise self._too_slow() from None

    def _login(self) -> Login:
        wanted = self._wanted
        password = wanted.password.get_secret_value() if wanted.password else None
        if password is not None and not password.isprintable():
            raise StorageFailed(
                f"{wanted.url} was not asked: the password has a line end or a control character. Give it again."
            )
        key = wanted.ssh_private_key.get_secret_value() if wanted.ssh_private_key else None
        return Login(wanted.url, wanted.username, password, key, wanted.known_hosts)

    def _failure(self, error: GitFailed) -> StorageFailed:
        """Return our error; git's own is not its cause, as it may repeat what a remote sent back."""
        login = self._login()
        secrets = [secret for secret in (login.password, login.ssh_private_key) if secret]
        if login.password:
            secrets.append(b64encode(f"{login.username}:{login.password}".encode()).decode())
        return StorageFailed(why_failed(self._wanted.url, error.said, secrets))

    def _too_slow(self) -> StorageFailed:
        return StorageFailed(
            f"{self._wanted.url} gave no answer in {self._wanted.timeout_seconds:g} seconds. Check url and the "
            f"network, or raise timeout_seconds."
        )

    def _cache(self) -> Path:
        """Return the folder of the cache, for nobody else to read."""
        home = Path(os.environ.get("BLOCKS_HOME") or "~/.blocks")
        found = (
            Path(self._wanted.cache_folder) if self._wanted.cache_folder else home / "cache/git"
        ).expanduser()
        try:
            found.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageFailed(f"The cache {found} cannot be made ({error}). Set cache_folder.") from error
        return found

    def _place(self) -> Path:
        found = self._cache() / hashlib.sha256(self._wanted.url.encode()).hexdigest()[:32]
        found.mkdir(exist_ok=True, mode=0o700)
        return found

    def _folder_of(self, commit: str) -> Path:
        return self._place() / f"{commit}.git"

    def _remove_unused(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for found in self._place().iterdir():
            with suppress(OSError):
                if found.stat().st_mtime < oldest:
                    shutil.rmtree(found, ignore_errors=True)


def _hash_of(commit: str) -> str:
    return "sha1" if len(commit) == 40 else "sha256"
