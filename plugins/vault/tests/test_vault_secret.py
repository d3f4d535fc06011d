"""Secrets of Vault's key/value store of version 2, against a small Vault on loopback."""

import subprocess
import sys
import traceback

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.current import use_library
from blocks_core.errors import CredentialsRefused, SecretUnresolved
from blocks_core.secret import SecretRef
from blocks_core.testing import memory_library
from blocks_core.testing.secret_source_suite import SecretSourceSuite
from blocks_vault import VaultSecret

VALUES = {
    "plain": {"value": "canary-4711-plain"},
    "prod/database": {"user": "etl", "password": "canary-4713-database", "port": 5432, "none": None},
}


@pytest.fixture
def reader(vault, admin):
    """A token that may read the two secrets, and what is not there."""
    for path, value in VALUES.items():
        admin.secrets.kv.v2.create_or_update_secret(path=path, secret=value)
    return vault.make_token(**{"secret/data/*": ("read",)})


@pytest.fixture
def block(vault, reader):
    return VaultSecret(url=vault.url, token=SecretStr(reader))


class TestVaultSecret(SecretSourceSuite):
    stored = {"plain#value": b"canary-4711-plain", "prod/database#password": b"canary-4713-database"}

    @pytest.fixture
    def source(self, block):
        return block

    @pytest.fixture
    def refused_source(self, block):
        return block.model_copy(update={"token": SecretStr("hvs.canary-of-a-wrong-token")})


def test_a_member_that_is_no_text_is_its_json_and_null_is_none(block):
    assert block.read_secret("prod/database#port").get_secret_value() == b"5432"
    with pytest.raises(SecretUnresolved, match="'none', or null in it"):
        block.read_secret("prod/database#none")


def test_prefix_and_mount_stand_before_the_path(vault, admin, block):
    vault.mounts["team/kv"] = "kv"
    admin.secrets.kv.v2.create_or_update_secret("a/b", {"x": "y"}, mount_point="team/kv")
    token = SecretStr(vault.make_token(**{"team/kv/data/a/*": ("read",)}))
    other = block.model_copy(update={"mount": "team/kv", "prefix": "a/", "token": token})
    assert other.read_secret("b#x").get_secret_value() == b"y"
    assert other.check().results[0].detail == "Secrets below team/kv/a may be read."
    assert (
        block.model_copy(update={"prefix": "prod/"}).read_secret("database#user").get_secret_value() == b"etl"
    )


def test_a_namespace_is_asked(vault, block):
    vault.namespaces.add("team")
    inside = block.model_copy(update={"namespace": "team"})
    with pytest.raises(SecretUnresolved, match="no such secret"):
        inside.read_secret("plain#value")
    with pytest.raises(SecretUnresolved, match=r"no handler for route.*Check mount, and the namespace"):
        block.model_copy(update={"namespace": "nobody"}).read_secret("plain#value")


def test_a_new_version_is_seen_at_once_and_a_deleted_one_says_how_to_have_it_back(admin, block):
    admin.secrets.kv.v2.create_or_update_secret("plain", {"value": "second"})
    assert block.read_secret("plain#value").get_secret_value() == b"second"
    admin.secrets.kv.v2.delete_latest_version_of_secret("plain")
    with pytest.raises(SecretUnresolved, match=r"newest version is deleted.*vault kv undelete"):
        block.read_secret("plain#value")
    admin.secrets.kv.v2.create_or_update_secret("plain", {"value": "third"})
    admin.secrets.kv.v2.destroy_secret_versions("plain", [3])
    with pytest.raises(SecretUnresolved, match="newest version is deleted"):
        block.read_secret("plain#value")


def test_a_token_that_may_not_read_is_told_which_policy_it_needs(vault, block):
    narrow = vault.make_token(**{"secret/data/other/*": ("read",)})
    denied = block.model_copy(update={"token": SecretStr(narrow)})
    with pytest.raises(
        CredentialsRefused, match=r'HTTP 403.*path "secret/data/plain" \{ capabilities = \["read"\]'
    ):
        denied.read_secret("plain#value")
    assert not denied.check().ok
    assert denied.model_copy(update={"prefix": "other/"}).check().ok


def test_the_check_reads_the_key_that_it_is_given(block):
    assert block.check().results[0].detail == "Secrets below secret may be read."
    there = block.model_copy(update={"check_key": "prod/database#password"}).check()
    assert there.ok
    assert "canary" not in repr(there)
    assert not block.model_copy(update={"check_key": "no-such"}).check().ok


def test_what_is_not_given_is_taken_from_the_environment_and_from_vaults_login(
    vault, block, reader, monkeypatch, tmp_path
):
    for found in (lambda: VaultSecret(), lambda: VaultSecret(url=vault.url)):
        with pytest.raises(CredentialsRefused, match=r"VAULT_ADDR|vault login"):
            found().read_secret("plain#value")
    monkeypatch.setenv("VAULT_ADDR", f"{vault.url}/")
    (tmp_path / ".vault-token").write_text(f"{reader}\n")
    assert VaultSecret().read_secret("plain#value").get_secret_value() == b"canary-4711-plain"
    monkeypatch.setenv("VAULT_TOKEN", "hvs.wrong")
    with pytest.raises(CredentialsRefused, match="403"):
        VaultSecret().read_secret("plain#value")
    monkeypatch.setenv("VAULT_TOKEN", reader)
    monkeypatch.setenv("VAULT_NAMESPACE", "nobody")
    with pytest.raises(SecretUnresolved, match="no handler"):
        VaultSecret().read_secret("plain#value")


@pytest.mark.parametrize("name", ["VAULT_ADDR", "VAULT_TOKEN"])
def test_a_setting_that_cannot_be_one_is_not_repeated(name, vault, monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv(name, "https://user:canary-4711@vault bad")
    with pytest.raises(CredentialsRefused) as caught:
        VaultSecret().read_secret("x")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_token_that_is_a_secret_reference_is_read_when_it_is_needed(block, reader, monkeypatch):
    referring = block.model_copy(update={"token": SecretRef("env:TOKEN_OF_ETL")})
    monkeypatch.setenv("TOKEN_OF_ETL", "two words")
    with pytest.raises(CredentialsRefused, match="cannot be one"):
        referring.read_secret("plain#value")
    monkeypatch.setenv("TOKEN_OF_ETL", reader)
    assert referring.read_secret("plain#value").get_secret_value() == b"canary-4711-plain"
    assert VaultSecret(token=SecretRef("env:NO_SUCH_VARIABLE")).token.reference == "env:NO_SUCH_VARIABLE"


@pytest.mark.parametrize(("cache_seconds", "asked"), [(300, 1), (0, 3)])
def test_a_saved_source_answers_references_and_is_asked_as_often_as_it_says(
    vault, block, cache_seconds, asked
):
    vault.put("team", {"token": "hvs.canary-of-a-team"})
    with use_library(memory_library()):
        block.model_copy(update={"cache_seconds": cache_seconds}).save("there")
        VaultSecret(token=SecretRef("vault-secret/there/team#token")).save("of-team")
        vault.requests.clear()
        for _ in range(3):
            team = VaultSecret.load("of-team")
        assert vault.requests == ["GET /v1/secret/data/team"] * asked
        assert team.token.get_secret_value() == "hvs.canary-of-a-team"


ANSWERS = {
    429: "Try again later",
    500: "See its log",
    501: "vault operator init",
    502: "Try again later",
    503: "vault operator unseal",
}


@pytest.mark.parametrize("status", ANSWERS)
def test_each_status_of_vault_says_what_to_do(status, vault, block):
    vault.faults = [(status, {"errors": ["that is why"]})] * 3
    with pytest.raises(SecretUnresolved, match=rf"HTTP {status}: that is why\): .*{ANSWERS[status]}"):
        block.read_secret("plain#value")


def test_a_sealed_vault_says_so(vault, block):
    vault.is_sealed = True
    with pytest.raises(SecretUnresolved, match=r"HTTP 503: Vault is sealed.*Unseal it"):
        block.read_secret("plain#value")


def test_a_vault_that_is_busy_is_asked_again(vault, block):
    vault.faults = [(429, {"errors": ["request path was rate limited"]}), (412, {"errors": []})]
    assert block.read_secret("plain#value").get_secret_value() == b"canary-4711-plain"


def test_a_vault_that_is_down_is_no_refusal(block, nobody_listens):
    with pytest.raises(SecretUnresolved, match=r"ConnectionError.*cannot be reached"):
        block.model_copy(update={"url": nobody_listens}).read_secret("plain#value")


def test_a_standby_leads_to_its_leader(vault, block):
    vault.faults = [(307, b"", {"Location": f"{vault.url}/v1/secret/data/plain"})]
    assert block.read_secret("plain#value").get_secret_value() == b"canary-4711-plain"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"null", b"7", b'{"data": 7}', b'{"data": {"data": null}}', b'{"errors": [1]}']
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_is_no_vault_is_a_typed_error(status, body, vault, block):
    vault.faults = [(status, body)]
    with pytest.raises(SecretUnresolved):
        block.read_secret("plain#value")


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_what_a_server_repeats_is_not_shown(status, vault, block, reader):
    for body in ({"errors": [f"you sent {reader}"]}, f"you sent {reader}".encode()):
        vault.faults = [(status, body)]
        with pytest.raises(SecretUnresolved) as caught:
            block.read_secret("plain#value")
        assert reader not in "".join(traceback.format_exception(caught.value))
        assert reader not in repr(vars(caught.value))


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "vault:8200"},
        {"url": "https://user:word@vault"},
        {"url": "https://vault/?x=1"},
        {"url": "https://[oops"},
        {"token": "two words"},
        {"token": "line\n"},
        {"token": ""},
        {"mount": "/secret"},
        {"mount": "a b"},
        {"namespace": "a?b"},
        {"cache_seconds": -1},
    ],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        VaultSecret(**fields)


@pytest.mark.parametrize("mount", ["a//b", "a/../sys", "a/.", "a/"])
def test_a_mount_leads_to_no_other_path(mount, block):
    with pytest.raises((ValidationError, SecretUnresolved)):
        VaultSecret(url=block.url, token=block.token, mount=mount).read_secret("plain")


def test_the_first_call_of_a_process_is_not_logged(vault, reader):
    code = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "from blocks_vault import VaultSecret\n"
        f"s = VaultSecret(url='{vault.url}', token=sys.stdin.read())\n"
        "print(len(s.read_secret('plain#value').get_secret_value()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=reader, capture_output=True, text=True, check=True)
    assert done.stdout == "17\n"
    assert "withheld" in done.stderr
    assert "canary" not in done.stderr
    assert reader not in done.stderr
