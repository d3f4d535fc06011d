"""What commands print."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import pytest

from blocks_registry.output import emit_record, emit_rows, emit_text, printable

COLUMNS = (("name", "Name"), ("note", "Note"))


def test_piped_rows_are_aligned_without_tabs_and_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    emit_rows("table", [{"name": "a", "note": "n" * 300}, {"name": "longer", "note": "b"}], COLUMNS)
    printed = capsys.readouterr().out
    assert printed.splitlines() == ["Name    Note", "a       " + "n" * 300, "longer  b"]
    assert "\t" not in printed


def test_wide_characters_keep_the_columns_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    emit_rows("table", [{"name": "한국어", "note": "x"}, {"name": "abcdef", "note": "y"}], COLUMNS)
    assert capsys.readouterr().out.splitlines()[1:] == ["한국어  x", "abcdef  y"]


def test_json_has_the_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    emit_rows("json", [{"name": "a", "at": moment, "id": UUID(int=1), "words": ("x",)}], COLUMNS)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "a", "at": "2026-01-02T03:04:05+00:00", "id": str(UUID(int=1)), "words": ["x"]}
    ]


def test_nothing_is_a_note_for_people_and_an_empty_array_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit_rows("table", [], COLUMNS, empty="Make one.")
    assert tuple(capsys.readouterr()) == ("", "Make one.\n")
    emit_rows("json", [], COLUMNS, empty="Make one.")
    assert tuple(capsys.readouterr()) == ("[]\n", "")


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\n", "\r", "\t", "\x7f", "\x9b", "\u202e", "\u2028"])
def test_no_control_character_of_data_is_printed(char: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": f"a{char}b", "note": [f"{char}"], char: {char: char}}]
    emit_rows("table", rows, COLUMNS)
    emit_record("table", rows[0])
    emit_text(f"a{char}")
    shown = capsys.readouterr().out
    assert char == "\n" or char not in shown
    emit_rows("json", rows, COLUMNS)
    text = capsys.readouterr().out
    assert json.loads(text) == rows
    assert char == "\n" or char not in text


def test_printable_text_stays_as_it_is() -> None:
    assert printable("[red]한국어[/red] é\\") == "[red]한국어[/red] é\\"
    assert printable("a\n\x1b[2J") == "a\\n\\x1b[2J"


def test_a_record_shows_what_lies_inside_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    emit_record(
        "table",
        {
            "saved_as": "x",
            "none": None,
            "on": True,
            "text": "one\ntwo",
            "fields": {"bucket": "raw", "servers": [{"host": "a"}], "tags": ["x", "y"], "empty": []},
        },
    )
    assert capsys.readouterr().out.splitlines() == [
        "saved as  x",
        "none      -",
        "on        yes",
        "text",
        "  one",
        "  two",
        "fields",
        "  bucket   raw",
        "  servers",
        "    0",
        "      host  a",
        "  tags     x, y",
        "  empty    -",
    ]


def test_a_terminal_gets_a_table_in_which_markup_is_text() -> None:
    code = (
        "from blocks_registry.output import emit_rows;"
        "emit_rows('table', [{'name': '[red]a[/red]:smile:', 'note': 'x\\x1b[2J'}], [('name', 'Name'), ('note', '[b]')])"
    )
    main_end, other_end = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", code], stdout=other_end, check=True, env=os.environ | {"COLUMNS": "80"}
        )
        shown = os.read(main_end, 100_000).decode()
    finally:
        os.close(main_end)
        os.close(other_end)
    assert "[red]a[/red]:smile:" in shown
    assert "[b]" in shown
    assert "x\\x1b[2J" in shown
    assert "\x1b[2J" not in shown
