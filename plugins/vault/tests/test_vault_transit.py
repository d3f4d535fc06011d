"""Keys wrapped by transit, against a small Vault on loopback that really encrypts, with versions."""

import base64
import json
import logging
import os
import subprocess
import sys
import traceback

import pytest

from blocks_core.errors import KeysInvalid
from blocks_core.keyring import KEY_BYTES
from blocks_core.testing.key_provider_suite import KeyProviderSuite
from blocks_vault.transit import VaultTransit, vault_transit

KEY = bytes(range(100, 100 + KEY_BYTES))
POLICY = {"transit/encrypt/blocks": ("update",), "transit/decrypt/blocks": ("update",)}


@pytest.fixture
def token(vault, admin):
    """A token that may do what the page says, and no more."""
    admin.secrets.transit.create_key("blocks")
    return vault.make_token(**POLICY)


@pytest.fixture
def settings(vault, token, monkeypatch):
    found = {"VAULT_ADDR": vault.url, "VAULT_TOKEN": token}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def wrapper(settings):
    return VaultTransit("blocks")


class TestVaultTransit(KeyProviderSuite):
    is_wrapped = True

    @pytest.fixture
    def setting(self, settings):
        return "vault-transit:blocks"


def test_a_key_is_wrapped_and_unwrapped_by_one_request_each(vault, wrapper):
    vault.requests.clear()
    wrapped = wrapper.wrap("k1", KEY)
    assert wrapped.startswith(b"vault:v1:")
    assert wrapper.unwrap("k1", wrapped) == KEY
    assert vault.requests == ["POST /v1/transit/encrypt/blocks", "POST /v1/transit/decrypt/blocks"]
    assert wrapper.name == "vault-transit:transit/blocks"


def test_transit_may_be_mounted_elsewhere(vault, admin, settings, monkeypatch):
    vault.mounts["team/a/transit"] = "transit"
    admin.secrets.transit.create_key("blocks", mount_point="team/a/transit")
    policy = {f"team/a/{path}": capabilities for path, capabilities in POLICY.items()}
    monkeypatch.setenv("VAULT_TOKEN", vault.make_token(**policy))
    wrapper = VaultTransit("team/a/transit/blocks")
    assert wrapper.unwrap("k1", wrapper.wrap("k1", KEY)) == KEY
    assert wrapper.name == "vault-transit:team/a/transit/blocks"


def test_what_was_wrapped_before_the_key_was_rotated_still_opens(admin, wrapper):
    old = wrapper.wrap("k1", KEY)
    admin.secrets.transit.rotate_key("blocks")
    new = wrapper.wrap("k1", KEY)
    assert new.startswith(b"vault:v2:")
    assert wrapper.unwrap("k1", old) == wrapper.unwrap("k1", new) == KEY
    admin.secrets.transit.update_key_configuration("blocks", min_decryption_version=2)
    assert wrapper.unwrap("k1", new) == KEY
    with pytest.raises(KeysInvalid, match=r"too old.*Lower min_decryption_version of transit/keys/blocks"):
        wrapper.unwrap("k1", old)


def test_what_was_wrapped_for_another_id_or_was_altered_does_not_open(wrapper):
    wrapped = wrapper.wrap("k1", KEY)
    altered = wrapped[:20] + (b"A" if wrapped[20:21] != b"A" else b"B") + wrapped[21:]
    for key_id, found in (
        ("k2", wrapped),
        ("k1", altered),
        ("k1", b"vault:v1:?"),
        ("k1", b"\xff"),
        ("k1", b"x"),
    ):
        with pytest.raises(KeysInvalid, match=rf"unwrap the key '{key_id}'.*belongs to another key id"):
            wrapper.unwrap(key_id, found)


def test_what_another_transit_key_wrapped_does_not_open(vault, admin, wrapper, monkeypatch):
    admin.secrets.transit.create_key("other")
    wrapped = wrapper.wrap("k1", KEY)
    monkeypatch.setenv("VAULT_TOKEN", vault.make_token(**{"transit/*": ("update",)}))
    with pytest.raises(KeysInvalid, match="another key has wrapped it"):
        VaultTransit("other").unwrap("k1", wrapped)


def test_a_key_that_is_not_there_is_named_and_not_made(vault, wrapper, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", vault.make_token(**{"transit/*": ("update",)}))
    with pytest.raises(KeysInvalid, match=r"encryption key not found.*vault write -f transit/keys/missing"):
        VaultTransit("missing").wrap("k1", KEY)
    assert len(vault.keys) == 1


def test_a_key_of_a_type_that_does_not_serve_is_refused(admin, vault, wrapper, monkeypatch):
    admin.secrets.transit.create_key("rsa", key_type="rsa-4096")
    monkeypatch.setenv("VAULT_TOKEN", vault.make_token(**{"transit/*": ("update",)}))
    with pytest.raises(KeysInvalid, match=r"non-AEAD cipher suite rsa-4096.*aes256-gcm96"):
        VaultTransit("rsa").wrap("k1", KEY)


@pytest.mark.parametrize("other", ["hvs.unknown", None])
def test_a_token_that_is_refused_is_told_which_policy_it_needs(vault, wrapper, other, monkeypatch):
    wrapped = wrapper.wrap("k1", KEY)
    monkeypatch.setenv("VAULT_TOKEN", other or vault.make_token())
    with pytest.raises(
        KeysInvalid,
        match=r'permission denied.*path "transit/decrypt/blocks" \{ capabilities = \["update"\]',
    ):
        wrapper.unwrap("k1", wrapped)


def test_a_mount_that_is_not_there_is_named(admin, settings, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", admin.token)
    with pytest.raises(
        KeysInvalid, match=r"no handler for route.*vault secrets enable -path=elsewhere transit"
    ):
        VaultTransit("elsewhere/blocks").wrap("k1", KEY)


def test_a_sealed_vault_says_so(vault, wrapper):
    vault.is_sealed = True
    with pytest.raises(KeysInvalid, match=r"Vault is sealed.*vault operator unseal"):
        wrapper.wrap("k1", KEY)


@pytest.mark.parametrize("name", ["VAULT_ADDR", "VAULT_TOKEN"])
def test_a_setting_that_is_not_there_is_named(wrapper, name, monkeypatch):
    monkeypatch.delenv(name)
    with pytest.raises(KeysInvalid, match=rf"did not wrap the key 'k1'.*{name}"):
        wrapper.wrap("k1", KEY)


def test_a_vault_that_is_down_is_named(wrapper, monkeypatch, nobody_listens):
    monkeypatch.setenv("VAULT_ADDR", nobody_listens)
    with pytest.raises(KeysInvalid, match="cannot be reached"):
        wrapper.wrap("k1", KEY)


@pytest.mark.parametrize(
    "argument", ["", "/", "a b", "../sys/x", "transit/../x", "transit//x", "/x", "x/", "x\n"]
)
def test_a_setting_that_is_no_key_says_how_to_write_one(argument, tmp_path):
    with pytest.raises(KeysInvalid, match="BLOCKS_KEYS=vault-transit:KEY"):
        vault_transit(argument, tmp_path)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": {}}', b'{"data": {"ciphertext": 7, "plaintext": "?"}}']
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_is_no_vault_is_a_typed_error(status, body, vault, wrapper):
    for call in (wrapper.wrap, wrapper.unwrap):
        vault.faults = [(status, body)]
        with pytest.raises(KeysInvalid):
            call("k1", KEY)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_a_server_repeats_is_not_shown(status, vault, wrapper, token):
    said = f"you sent {base64.b64encode(KEY).decode()} with {token}"
    for body in ({"errors": [said]}, {"data": {"said": said}}, said.encode()):
        vault.faults = [(status, body)]
        with pytest.raises(KeysInvalid) as caught:
            wrapper.wrap("k1", KEY)
        shown = "".join(traceback.format_exception(caught.value))
        for form in (*forms_of(KEY), token):
            assert form not in shown


def test_no_key_and_no_token_is_in_the_log_even_where_everything_is(wrapper, token, caplog):
    wrapped = wrapper.wrap("k0", KEY)
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            assert wrapper.unwrap("k0", wrapped) == KEY
            wrapper.wrap("k1", KEY)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    carried = "".join(repr(record.__dict__) for record in caplog.records)
    for form in (*forms_of(KEY), token):
        assert form not in caplog.text + carried


def test_the_key_file_holds_no_key_in_clear_and_another_provider_opens_it(settings, tmp_path):
    provider = vault_transit("blocks", tmp_path)
    first = provider.create()
    provider.promote(provider.add())
    text = (tmp_path / "keys.json").read_text()
    assert json.loads(text)["wrapped_by"] == "vault-transit:transit/blocks"
    opened = vault_transit("transit/blocks", tmp_path).load()
    assert opened.keys[first.primary] == first.keys[first.primary]
    for key in opened.keys.values():
        assert base64.b64encode(key).decode() not in text


def test_the_setting_chooses_transit_for_the_whole_command(vault, settings, tmp_path):
    path = os.environ["PATH"]
    env = {**settings, "HOME": str(tmp_path), "PATH": path, "BLOCKS_KEYS": "vault-transit:blocks"}

    def python(code):
        command = [sys.executable, "-c", f"from blocks_vault import VaultSecret as V\n{code}"]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    saved = python("V(token='sealed-by-transit').save('v')")
    assert saved.returncode == 0, saved.stderr
    loaded = python("print(V.load('v').token.get_secret_value())")
    assert loaded.stdout == "sealed-by-transit\n", loaded.stderr
    vault.is_sealed = True
    assert "Vault did not unwrap the key" in python("V.load('v')").stderr


def forms_of(key):
    return base64.b64encode(key).decode()[:-1], key.hex(), repr(key)[2:-1]
