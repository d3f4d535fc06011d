"""The pages of the block types say what there is, and their examples run, against servers on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen

import boto3
import pytest
from fake_google import FakeGoogle
from fake_vault import FakeVault
from moto.server import ThreadedMotoServer

from blocks_core.block import Block
from blocks_core.catalog import Catalog
from blocks_core.testing.notifier_suite import Answer, Received, Receiver

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "blocks").glob("*.md"))
PLUGIN_READMES = sorted((ROOT / "plugins").glob("*/README.md"))
BIN = Path(sys.executable).parent

SECRET = "hunter2"
"""The secret of the pages' examples, and what is typed where a command line asks for one."""


class Service(Receiver):
    """Takes messages as Slack does: one with an empty text is refused."""

    def answer(self, handler, received: Received) -> None:
        empty = b'{"text": ""}' in received.body
        self.play(Answer(400, "no_text") if empty else Answer())
        super().answer(handler, received)


@pytest.fixture(scope="module")
def servers() -> Iterator[SimpleNamespace]:
    aws = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    aws.start()
    host, port = aws.get_host_and_port()
    for bucket in ("raw-data", "results"):
        urlopen(Request(f"http://{host}:{port}/{bucket}", method="PUT"), timeout=10).close()
    database = json.dumps({"user": "etl", "password": SECRET})
    keys = {"aws_access_key_id": "AK", "aws_secret_access_key": "of-the-server", "region_name": "us-east-1"}
    manager = boto3.client("secretsmanager", endpoint_url=f"http://{host}:{port}", **keys)
    manager.create_secret(Name="prod/database", SecretString=database)
    service = Service(Answer())
    google, vault = FakeGoogle(), FakeVault()
    google.add_version("projects/test-project/secrets/prod-database", database.encode())
    vault.tokens[SECRET] = {"secret/data/prod/*": {"read"}}
    vault.put("prod/database", json.loads(database))
    yield SimpleNamespace(aws=f"http://{host}:{port}", hooks=service.url, google=google, vault=vault.url)
    service.close()
    google.close()
    vault.close()
    aws.stop()


class Reader:
    """Someone who tries the examples of a page, each in a home of its own, with addresses that exist here."""

    def __init__(self, servers: SimpleNamespace, folder: Path) -> None:
        self.folder = folder
        self.addresses = {
            "https://minio.example.com": servers.aws,
            "https://hooks.slack.com/services/T000/B000/XXXX": servers.hooks,
            "https://hooks.example.com/in/8f0c": servers.hooks,
            "https://vault.example.com:8200": servers.vault,
            "/srv/results": str(folder / "results"),
            "sftp://files.example.com/outgoing": "memory://outgoing",  # SFTP has no server that comes with Python
        }
        self.typed = {"url": servers.hooks, "headers.Authorization": f"Bearer {SECRET}"}
        self.env = {
            "HOME": str(folder),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "AWS_ACCESS_KEY_ID": "AKREADER",
            "AWS_SECRET_ACCESS_KEY": "of-the-reader",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": servers.aws,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        (folder / "password.txt").write_text(SECRET)
        (folder / "etl-key.json").write_text(servers.google.make_account())
        self.env["GOOGLE_APPLICATION_CREDENTIALS"] = str(folder / "etl-key.json")
        self.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"] = servers.google.url

    def run_python(self, code: str) -> str:
        return self._run([sys.executable, "-W", "error", "-c", self._here(code)], home="python")

    def run_command(self, line: str, *, home: str = "command") -> str:
        secrets = re.findall(r"--secret (\S+)", line)
        typed = "".join(f"{self.typed.get(name, SECRET)}\n" for name in secrets)
        return self._run(["bash", "-c", self._here(line)], home=home, typed=typed)

    def _here(self, text: str) -> str:
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text

    def _run(self, command: list[str], *, home: str, typed: str = "") -> str:
        done = subprocess.run(
            command,
            env=self.env | {"BLOCKS_HOME": str(self.folder / home)},
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == 0, f"{command[-1]}\n{shown}"
        assert SECRET not in shown
        return shown


@pytest.fixture
def reader(servers, tmp_path) -> Reader:
    return Reader(servers, tmp_path)


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the command lines of a page; one that goes on in the next line ends in a backslash."""
    joined = "".join(fences(text, "console")).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize(
    "page", [*PAGES, *PLUGIN_READMES], ids=lambda page: f"{page.parent.name}-{page.stem}"
)
def test_the_python_examples_of_a_page_run(page: Path, reader: Reader) -> None:
    shown = "".join(reader.run_python(code) for code in fences(page.read_text(), "python"))
    for expected in fences(page.read_text(), "text"):
        assert expected in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_command_lines_of_a_page_run(page: Path, reader: Reader) -> None:
    found = commands(page.read_text())
    if page.stem == "s3":
        reader.run_command(
            "block create aws-credentials minio --set access_key_id=AK --secret secret_access_key"
            " --set endpoint_url=https://minio.example.com"
        )
    for line in found:
        if not line.startswith("pip install"):
            reader.run_command(line)
    assert any(line.startswith(f"block create {page.stem} ") for line in found)


def test_the_examples_in_the_docstrings_of_the_types_run(reader: Reader) -> None:
    found = [
        code for block_type in types().values() for code in fences(block_type.type_info.description, "python")
    ]
    assert len(found) >= 5
    for code in found:
        reader.run_python(code)


def types() -> Mapping[str, type[Block]]:
    catalog = Catalog()
    ours = [entry.offer for entry in catalog.entries() if entry.offer.package.startswith("blocks_")]
    return {offer.name: catalog.find(offer.name) for offer in ours}


def rows(text: str) -> dict[str, list[str]]:
    """Return the lines of a page's table of fields: name -> type, default, what it is."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in found}


@pytest.mark.parametrize("slug", sorted(types()))
def test_a_page_has_every_field_in_order_and_says_which_are_required_and_secret(slug: str) -> None:
    block_type = types()[slug]
    found = rows((ROOT / "docs" / "blocks" / f"{slug}.md").read_text())
    assert list(found) == list(block_type.model_fields)
    for name, field in block_type.model_fields.items():
        kind, default, what = found[name]
        assert (default == "required") == field.is_required(), name
        assert ("secret" in kind) == ("Secret" in str(field.annotation)), name
        assert what.endswith("."), name


@pytest.mark.parametrize("slug", sorted(types()))
def test_a_page_names_title_distribution_and_capabilities(slug: str) -> None:
    text = (ROOT / "docs" / "blocks" / f"{slug}.md").read_text()
    info = types()[slug].type_info
    assert text.startswith(f"# {info.title}\n")
    distribution = next(entry.offer.distribution for entry in Catalog().entries() if entry.offer.name == slug)
    line = f"Slug `{slug}`, from `{distribution}`."
    capabilities = list(info.capabilities)
    assert (f"{line} Capability: {', '.join(capabilities)}." if capabilities else f"{line}\n") in text


def test_every_page_is_of_a_block_type() -> None:
    assert {page.stem for page in PAGES} == set(types())
