"""The providers of the core do what every provider must do, and a setting chooses one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from secret_service import SecretService

import blocks_core
from blocks_core.errors import KeysInvalid, KeysReadOnly, PluginBroken
from blocks_core.key_providers import open_key_provider
from blocks_core.testing import KeyProviderSuite
from blocks_core.testing.key_provider_suite import KeptText


class TestKeyFile(KeyProviderSuite):
    @pytest.fixture
    def setting(self) -> str:
        return "file"


class TestKeyFileElsewhere(KeyProviderSuite):
    @pytest.fixture
    def setting(self, tmp_path: Path) -> str:
        return f"file:{tmp_path / 'elsewhere' / 'my-keys.json'}"

    @pytest.fixture
    def text(self, tmp_path: Path) -> KeptText:
        return KeptText(tmp_path / "elsewhere" / "my-keys.json")


class VariableText(KeptText):
    """The text in an environment variable."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._name = name
        self._monkeypatch = monkeypatch

    def get(self) -> str | None:
        return os.environ.get(self._name)

    def put(self, text: str | None) -> None:
        self._monkeypatch.delenv(self._name, raising=False)
        if text is not None:
            self._monkeypatch.setenv(self._name, text)


class TestKeyVariable(KeyProviderSuite):
    is_read_only = True

    @pytest.fixture
    def setting(self) -> str:
        return "env:MY_KEYS"

    @pytest.fixture
    def text(self, monkeypatch: pytest.MonkeyPatch) -> KeptText:
        monkeypatch.delenv("MY_KEYS", raising=False)
        return VariableText("MY_KEYS", monkeypatch)


class EntryText(KeptText):
    """The text in an entry of the system's keyring."""

    def __init__(self, service: str) -> None:
        self._service = service

    def get(self) -> str | None:
        return keyring.get_password(self._service, "keys")

    def put(self, text: str | None) -> None:
        if self.get() is not None:
            keyring.delete_password(self._service, "keys")
        if text is not None:
            keyring.set_password(self._service, "keys", text)


def use_backend(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the keyring of this process and those that it starts."""
    from keyring import core

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    monkeypatch.setattr(core, "_keyring_backend", None)  # what the package remembers of this process
    assert type(keyring.get_keyring()).__module__ == name.rpartition(".")[0]


class TestSystemKeyringInAFile(KeyProviderSuite):
    """The backend of `keyrings.alt` that keeps a file: a real one that needs no desktop."""

    @pytest.fixture
    def setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        use_backend("keyrings.alt.file.PlaintextKeyring", monkeypatch)
        return "keyring"

    @pytest.fixture
    def text(self, setting: str) -> KeptText:
        return EntryText("blocks")


class TestSecretService(KeyProviderSuite):
    """The keyring of a Linux desktop."""

    @pytest.fixture
    def setting(self, secret_service: SecretService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        for name, value in secret_service.environment().items():
            monkeypatch.setenv(name, value)
        use_backend("keyring.backends.SecretService.Keyring", monkeypatch)
        return f"keyring:{tmp_path.name}"

    @pytest.fixture
    def text(self, setting: str) -> KeptText:
        return EntryText(setting.partition(":")[2])


@pytest.mark.parametrize("backend", ["keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"])
def test_a_system_without_a_keyring_is_an_error_that_says_what_to_do(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_backend(backend, monkeypatch)
    provider = open_key_provider("keyring", tmp_path)
    for act in (provider.load, provider.create, provider.add):
        with pytest.raises(KeysInvalid, match=r"no keyring .*gnome-keyring.*BLOCKS_KEYS=file"):
            act()


def test_a_keyring_that_cannot_be_reached_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'nobody-listens'}")
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null/no-folder")
    use_backend("keyrings.alt.file.PlaintextKeyring", monkeypatch)
    with pytest.raises(KeysInvalid, match=r"did not take the keys \(NotADirectoryError\)"):
        open_key_provider("keyring", tmp_path).create()


def test_without_the_package_for_keyrings_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['keyring'] = None  # how Python marks a package that cannot be imported\n"
        "from pathlib import Path\n"
        "from blocks_core.key_providers import open_key_provider\n"
        "open_key_provider('keyring', Path(sys.argv[1])).load()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "pip install 'blocks-core[keyring]'" in done.stderr.splitlines()[-1]


def test_keys_in_a_variable_say_exactly_what_to_do_to_change_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLOCKS_KEYRING", raising=False)
    with pytest.raises(KeysReadOnly, match=r"--to FILE.*Set BLOCKS_KEYRING to that text.*delete the file"):
        open_key_provider("env", tmp_path).add()


def test_an_unknown_provider_is_an_error_that_lists_those_installed(tmp_path: Path) -> None:
    with pytest.raises(
        KeysInvalid, match=r"'fiel' is installed \(did you mean 'file'\?\): there are .*env, file"
    ):
        open_key_provider("fiel:x", tmp_path)


def test_a_known_provider_that_is_not_installed_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    installed = Path(keyring.__file__).parents[1]
    for package in installed.iterdir():  # all that is installed but what says which distribution offers what
        if package.suffix not in (".dist-info", ".pth", ".egg-link"):
            (tmp_path / package.name).symlink_to(package)
    code = (
        "from pathlib import Path\n"
        "from blocks_core.key_providers import open_key_provider\n"
        "open_key_provider('aws-kms:alias/x', Path())"
    )
    source = Path(blocks_core.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": f"{source}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pip install blocks-aws" in done.stderr.splitlines()[-1]


def plant(site: Path, distribution: str, target: str) -> None:
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text(f"[blocks.key_providers]\nplanted = {target}\n")


def test_a_provider_that_two_distributions_claim_is_given_to_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one-keys", "two-keys"):
        plant(tmp_path / "site", name, "blocks_core.key_file:open_key_file")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(KeysInvalid, match=r"claimed by one-keys 1.0 and two-keys 1.0"):
        open_key_provider("planted", tmp_path)


def test_a_provider_that_is_no_function_is_an_error_that_names_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "site", "odd-keys", "blocks_core.keyring:KEY_BYTES")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(PluginBroken, match=r"'planted' of odd-keys 1.0 .*Upgrade or remove odd-keys"):
        open_key_provider("planted", tmp_path)
