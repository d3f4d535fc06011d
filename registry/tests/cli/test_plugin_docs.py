"""`block plugin docs`: heads of pages from classes, what the author wrote kept byte for byte, and the catalog."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks_registry.authoring.pages import FIRST_LINE, MARKER

CODE = '''
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from blocks_core import Block, Credentials, Storage


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Server(BaseModel):
    host: str = Field(description="Where.")
    token: SecretStr | None = Field(None, description="Who.")


class Login(Credentials, slug="paper-login"):
    """Who one is to the printer."""

    def identity(self):
        return "me"


class Paper(Block, slug="paper", title="Paper & Ink"):
    """Sheets, of any colour. And more.

    What `sheets` are is
    told here.

    ```python
    from paper_blocks import Paper

    Paper(name="a").save("a")
    ```

    After the example.
    """

    name: str = Field(description="What it is | was called.")
    colour: Colour = Field(Colour.RED, description="Its\\n  colour.")
    size: Literal["a4", "a5", 3] = Field("a4", description="Its size.")
    weight: float = Field(80.0, ge=0, le=300, description="In grams.")
    sheets: int = Field(500, description="How many.")
    ream: int = Field(1, gt=0, lt=10, description="Which.")
    ruled: bool = Field(False, description="Whether.")
    made_at: datetime | None = Field(None, description="When. Default: not known.")
    maker: str | None = Field(None, description="Who.")
    note: str = Field("", description="More.")
    pin: SecretStr = Field(SecretStr("0000"), description="To unlock it.")
    key: SecretBytes | None = Field(None, description="To unlock it.")
    code: Secret[int] | None = Field(None, description="To unlock it.")
    tags: list[str] = Field(default_factory=list, description="Words.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Secret words.")
    login: Login | None = Field(None, description="Whose.")
    anyone: Credentials | None = Field(None, description="Whose.")
    stores: list[Storage] = Field(default_factory=list, description="Where.")
    anything: Any = Field(None, description="What.")
    server: Server | None = Field(None, description="Which.")
    raw: bytes | None = Field(None, description="As it is.")
'''

TABLE = """\
| field | type | default | what |
|---|---|---|---|
| `name` | text | required | What it is \\| was called. |
| `colour` | `red`, `blue` | `red` | Its colour. |
| `size` | `a4`, `a5`, `3` | `a4` | Its size. |
| `weight` | number, 0 to 300 | `80` | In grams. |
| `sheets` | whole number | `500` | How many. |
| `ream` | 0 to 10 | `1` | Which. |
| `ruled` | true or false | `false` | Whether. |
| `made_at` | date and time | as described | When. Default: not known. |
| `maker` | text | none | Who. |
| `note` | text | empty | More. |
| `pin` | secret text | none | To unlock it. |
| `key` | secret bytes | none | To unlock it. |
| `code` | secret value | none | To unlock it. |
| `tags` | list of text | empty | Words. |
| `headers` | names to secret text | empty | Secret words. |
| `login` | `paper-login` block | none | Whose. |
| `anyone` | block with the capability credentials | none | Whose. |
| `stores` | list of block with the capability storage | empty | Where. |
| `anything` | any JSON | none | What. |
| `server` | Server, as below | none | Which. |
| `server.host` | text | required | Where. |
| `server.token` | secret text | none | Who. |
| `raw` | bytes | none | As it is. |
"""

Docs = Callable[..., Any]


@pytest.fixture
def site(plant: Any) -> Path:
    """A folder with an installed plugin of two types."""
    points = "[blocks.types]\npaper = paper_blocks:Paper\npaper-login = paper_blocks:Login\n"
    site = plant("paper-plugin", points, {"paper_blocks/__init__.py": CODE})
    logos = site / "paper_blocks" / "logos"
    logos.mkdir()
    (logos / "paper.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"/>')
    return site


@pytest.fixture
def docs(process: Any, site: Path) -> Docs:
    """Runs `block plugin docs` on that plugin, in its folder."""

    def run(*words: str, code: int = 0) -> Any:
        return process("plugin", "docs", "paper_blocks", *words, path=site, cwd=site, code=code)

    return run


def test_a_page_has_title_docstring_slug_fields_and_the_example(docs: Docs, site: Path) -> None:
    assert "Wrote docs/paper.md.\nWrote docs/paper-login.md.\n" in docs().stdout
    head, _, own = (site / "docs" / "paper.md").read_text().partition(MARKER)
    assert own == "\n"
    assert head == (
        f"{FIRST_LINE}\n# Paper & Ink\n\nSheets, of any colour. And more.\n\nWhat `sheets` are is\ntold here.\n\n"
        f"After the example.\n\nSlug `paper`, from `paper-plugin`.\n\n{TABLE}\n## Use\n\n"
        '```python\nfrom paper_blocks import Paper\n\nPaper(name="a").save("a")\n```\n\n'
    )
    login = (site / "docs" / "paper-login.md").read_text()
    assert "Slug `paper-login`, from `paper-plugin`. Capability: credentials.\n\nIt has no fields.\n" in login
    assert "0000" not in head


def test_what_the_author_wrote_is_kept_byte_for_byte(docs: Docs, site: Path) -> None:
    page = site / "docs" / "paper.md"
    page.parent.mkdir()
    own = b"\r\n## When it fails\r\n\n- \xf0\x9f\xa6\x89 never\t \n" + MARKER.encode() + b"\nno end"
    page.write_bytes(b"an old head\n" + MARKER.encode() + own)
    page.chmod(0o640)
    docs()
    assert page.read_bytes().partition(MARKER.encode())[2] == own
    assert page.read_text().startswith(FIRST_LINE)
    assert page.stat().st_mode & 0o777 == 0o640
    assert "2 pages are up to date in docs" in docs().stdout


def test_a_page_that_was_written_by_hand_is_not_replaced(docs: Docs, site: Path) -> None:
    page = site / "docs" / "paper.md"
    page.parent.mkdir()
    page.write_text("# All mine\n")
    done = docs(code=1)
    assert f"it has no line {MARKER}" in done.stderr
    assert [path.name for path in page.parent.iterdir()] == ["paper.md"]
    assert page.read_text() == "# All mine\n"
    page.write_bytes(b"\xff\xfe")
    assert "cannot be read" in docs(code=1).stderr


def test_a_check_shows_the_difference_and_changes_nothing(docs: Docs, site: Path) -> None:
    docs()
    assert "2 pages are up to date" in docs("--check").stdout
    page = site / "docs" / "paper.md"
    old = page.read_text().replace("How many.", "How much.")
    page.write_text(old)
    done = docs("--check", code=1)
    assert "-| `sheets` | whole number | `500` | How much. |" in done.stdout
    assert "+| `sheets` | whole number | `500` | How many. |" in done.stdout
    assert "Out of date: paper.md" in done.stderr
    assert page.read_text() == old
    page.unlink()
    assert "Out of date: paper.md" in docs("--check", code=1).stderr
    assert not page.exists()


def test_the_catalog_lists_types_by_capability_with_logo_and_tier(docs: Docs, site: Path) -> None:
    docs("--catalog")
    text = (site / "docs" / "README.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Credentials: who one is to a service",
        "Other blocks",
    ]
    assert (
        '| <img src="../paper_blocks/logos/paper.svg" width="24" height="24" alt=""> | [Paper & Ink](paper.md) | '
        "`paper` | Sheets, of any colour. | `paper-plugin` |  |\n"
    ) in text
    assert (
        "|  | [Login](paper-login.md) | `paper-login` | Who one is to the printer. | `paper-plugin` |  |"
        in text
    )
    assert "3 pages are up to date" in docs("--catalog", "--check").stdout


def test_a_page_of_somebody_is_not_replaced_by_the_catalog(docs: Docs, site: Path) -> None:
    readme = site / "docs" / "README.md"
    readme.parent.mkdir()
    readme.write_text("# Mine\n")
    assert "was not written by" in docs("--catalog", code=1).stderr
    assert [path.name for path in readme.parent.iterdir()] == ["README.md"]


def test_several_packages_are_written_at_once_and_a_package_without_types_is_refused(
    docs: Docs, process: Any, site: Path
) -> None:
    docs("blocks_standard", "--to", "pages")
    assert {"paper.md", "secret.md"} <= {path.name for path in (site / "pages").iterdir()}
    assert "pip install -e ." in process("plugin", "docs", "json", cwd=site, code=1).stderr


def test_a_folder_that_cannot_be_had_is_told(docs: Docs, site: Path) -> None:
    (site / "file").touch()
    assert "Not a directory" in docs("--to", "file/below", code=1).stderr
