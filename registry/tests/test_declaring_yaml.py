"""The YAML of declarations: a strict subset is read, hostile input is refused, and what is written reads the same anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blocks_registry.declaring.declarations import to_json
from blocks_registry.declaring.yaml_reader import MAX_BYTES, MAX_DEPTH, PARSER, Budget, read_documents
from blocks_registry.declaring.yaml_writer import Inline, write_document

ODD = [
    *(
        "no",
        "on",
        "y",
        "1e3",
        "0o7",
        "007",
        "+1",
        "1_000",
        "0x1F",
        ".5",
        "12:30:45",
        "2020-01-01",
        "~",
        "",
        " ",
        "null",
    ),
    *(
        "true",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "---",
        "...",
        "|",
        ">",
        "=",
        "<<",
        "&a",
        "*a",
        "!x",
        "%x",
        "@x",
        "`",
        "?",
    ),
    *(
        "a\nb",
        "a\nb\n",
        " a\nb",
        "a\n b",
        "a \nb",
        "\n",
        "a\n\n",
        "a\n\nb\n",
        "a\tb\nc",
        "\ta",
        "a\rb",
        "a\r\nb",
        "a ",
    ),
    *(
        "\x00",
        "\x07",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "a\u2028b",
        "\ufeff",
        "\uffff",
        "\u200b",
        "é",
        "\U0001f600",
        "\ue000",
    ),
    *(
        "{}",
        "[",
        "a, b",
        "a:b",
        "a :b",
        ":",
        "a:",
        ".inf",
        ".nan",
        "https://a.b/c?d=e#f",
        '"',
        "'",
        "\\",
        '\\"',
        "\\u0041",
    ),
]

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(ODD)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts.filter(bool), inner, max_size=4),
    max_leaves=12,
)


def read(raw: str | bytes, parser: Any = PARSER) -> tuple[list[Any], list[str]]:
    """Return the values of the documents and the problems."""
    budget = Budget()
    nodes = read_documents(raw.encode() if isinstance(raw, str) else raw, "f.yaml", budget, parser=parser)
    return [to_json(node) for node in nodes], [str(problem) for problem in budget.problems]


def refused(raw: str | bytes) -> str:
    """Return the one problem of a text."""
    _, problems = read(raw)
    assert len(problems) == 1, problems
    return problems[0]


def is_same(one: Any, other: Any) -> bool:
    """Compare with types and with the order of members."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return repr(one) == repr(other)


@given(st.dictionaries(texts.filter(bool), values, min_size=1, max_size=4))
def test_what_is_written_reads_the_same_here_and_as_yaml_1_1(document: dict[str, Any]) -> None:
    text = write_document(document)
    assert all(line.isprintable() for line in text.split("\n"))
    found, problems = read(text)
    assert not problems
    assert is_same(found, [document])
    assert is_same(yaml.load(text, yaml.SafeLoader), document)
    assert is_same(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), document)


@pytest.mark.parametrize("parser", [PARSER, yaml.SafeLoader])
def test_the_parser_with_libyaml_and_the_one_without_it_read_the_same(parser: Any) -> None:
    document = {str(index): text for index, text in enumerate(ODD)}
    assert read(write_document(document), parser) == ([document], [])
    assert read("a: 1\n--- {b: no, c: ~}", parser) == ([{"a": 1}, {"b": "no", "c": None}], [])
    for raw in ('a: "\\ud800"', "a: *x", "a: !!str 1", "a: 1\na: 2", '"\\udfff": 1'):
        assert len(read(raw, parser)[1]) == 1


def test_what_is_written_is_what_a_person_would_write() -> None:
    key = "-----BEGIN-----\nabc\n-----END-----\n"
    document = {
        "block": "s3/raw",
        "fields": {
            "key": key,
            "list": [1, {"x": 1, "z": [2]}, []],
            "secret": Inline(secret="keep"),
            "no": "no",
            "f": 1e16,
        },
    }
    assert write_document(document) == (
        "block: s3/raw\n"
        "fields:\n"
        "  key: |\n"
        "    -----BEGIN-----\n"
        "    abc\n"
        "    -----END-----\n"
        "  list:\n"
        "    - 1\n"
        "    - x: 1\n"
        "      z:\n"
        "        - 2\n"
        "    - []\n"
        "  secret: {secret: keep}\n"
        '  "no": "no"\n'
        "  f: 1.0e+16\n"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("null", None), ("~", None), ("", None), ("true", True), ("False", False), ("0", 0), ("-12", -12)),
        *(("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("-0.0", -0.0)),
        *(
            (word, word)
            for word in ("no", "yes", "on", "y", "0o7", "0x1F", "007", "+49", "1_000", "12:30", "2020-01-01")
        ),
        *((f'"{word}"', word) for word in ("1", "true", "null", "~")),
        *((f"'{word}'", word) for word in ("1", "1.5")),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found, problems = read(f"a: {text}")
    assert not problems
    assert is_same(found, [{"a": value}])


def test_json_is_yaml() -> None:
    document = {"block": "s3/a", "fields": {"a": [1, 2.5, None, True, "x\u2028\n"]}}
    assert read(json.dumps(document, indent=2)) == ([document], [])


def test_keys_are_texts_as_they_are_written() -> None:
    assert read("{1: a, 01: b, true: c, null: d, 1.0: e}")[0] == [
        {"1": "a", "01": "b", "true": "c", "null": "d", "1.0": "e"}
    ]


def test_documents_that_are_empty_are_left_out() -> None:
    assert read("---\n# nothing\n---\na: 1\n---\n...\n") == ([{"a": 1}], [])


def test_a_mark_of_byte_order_at_the_beginning_is_left_out() -> None:
    assert read(b"\xef\xbb\xbfa: 1") == ([{"a": 1}], [])


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        ("a: &x 1", "f.yaml:1:4", "anchor"),
        ("a: *x", "f.yaml:1:4", "alias"),
        ("a: !!str 1", "f.yaml:1:4", "tag"),
        ("a: !!python/object/apply:os.system [ls]", "f.yaml:1:4", "tag"),
        ("a: ! 1", "f.yaml:1:4", "tag"),
        ("a:\n  <<: {b: 1}", "f.yaml:2:3", "merge key"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1", "the key 'a' stands in line 1 already"),
        ('"a": 1\na: 3', "f.yaml:2:1", "stands in line 1 already"),
        ("1: a\n'1': b", "f.yaml:2:1", "the key '1'"),
        ("? {a: 1}\n: 2", "f.yaml:1:3", "a key must be a text"),
        ("? [a]\n: 2", "f.yaml:1:3", "a key must be a text"),
        ("{? : 2}", "f.yaml:1:", "a key is empty"),
        ("a: .inf", "f.yaml:1:4", 'Write "inf"'),
        ("a: -.Inf", "f.yaml:1:4", 'Write "-inf"'),
        ("a: .NaN", "f.yaml:1:4", 'Write "nan"'),
        ("a: 1e999", "f.yaml:1:4", "too large"),
        ("a: " + "1" * 10_000, "f.yaml:1:4", "more than 4,000 digits"),
        ("a: 1." + "1" * 10_000, "f.yaml:1:4", "too large"),
        ("a: \x07", "f.yaml:1:4", 'as "\\x07"'),
        ("a:\n  b\x00", "f.yaml:2:4", "\\x00"),
        ("a: \ufffe", "f.yaml:1:4", "\\ufffe"),
        (b"a: b\nc: \xff", "f.yaml:2:4", "not UTF-8"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1", "not UTF-8"),
        ("a: [1", "f.yaml:", "not YAML"),
        ("a: b: c", "f.yaml:1:", "not YAML"),
        ("\ta: 1", "f.yaml:1:", "not YAML"),
        ('a: "\\ud800"', "f.yaml:1:", "not YAML"),
        ("%YAML 1.1\n---\na: 1", "f.yaml:", "YAML 1.2"),
        ("%TAG ! x\n---\na: 1", "f.yaml:", "TAG"),
        ("a: " + "x" * (4 * 1024 * 1024 + 1), "f.yaml:1:4", "longer than"),
        ("k" * 1001 + ": 1", "f.yaml:1:", ""),
    ],
)
def test_what_is_not_of_the_subset_is_refused_with_its_place(
    raw: str | bytes, place: str, words: str
) -> None:
    problem = refused(raw)
    assert problem.startswith(place)
    assert words in problem
    assert problem.isprintable()


def test_all_problems_of_a_file_are_told_at_once() -> None:
    _, problems = read("a: *x\n---\nb: !t 1\n---\nc: 1\nc: 2\n---\n- &y 1\n")
    assert [problem.split(":")[1] for problem in problems] == ["1", "3", "6", "8"]


def test_a_secret_is_never_part_of_a_problem() -> None:
    planted = "pl4nted-s3cret"
    for raw in (
        f"a: {planted}: b",
        f"a: [{planted}",
        f'a: "{planted}',
        f"a: *x{planted}\nb: {planted}: c",
        f"? [{planted}]\n: 1",
    ):
        assert planted not in "".join(read(raw)[1]).replace(f"*x{planted}", "")


def laughs() -> str:
    lines = ["a0: &a0 [lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a billion laughs", laughs().encode()),
        ("fifty megabytes", b"a: " + b"x" * 50_000_000),
        ("a thousand levels of lists", b"a: " + b"[" * 1000 + b"]" * 1000),
        ("a million levels of lists", b"[" * 1_000_000),
        ("a thousand levels of mappings", b"".join(b" " * depth + b"a:\n" for depth in range(1000))),
        ("a million levels of mappings in braces", b"{a: " * 1_000_000),
        ("many documents", b"--- 1\n" * 1_000_000),
        ("many problems", b"- *a\n" * 1_000_000),
        ("a thousand aliases of one list", b"a: &a [" + b"1," * 1000 + b"]\nb: [" + b"*a," * 100_000 + b"]"),
        ("many quotes", b'"' * 1_000_000),
    ],
)
def test_a_bomb_is_refused_in_bounded_memory(name: str, raw: bytes) -> None:
    tracemalloc.start()
    try:
        budget = Budget()
        read_documents(raw, "bomb", budget)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert budget.problems
    assert len(budget.problems) <= 101
    assert peak < 120_000_000
    assert len(str(budget.problems)) < 50_000


@pytest.mark.parametrize(
    "raw", [b"[" + b"1," * 4_000_000 + b"]", b"\n".join(b"k%d: 1" % n for n in range(1_200_000))]
)
def test_as_many_values_as_a_file_can_hold_take_bounded_memory(raw: bytes, tmp_path: Path) -> None:
    tmp_path.joinpath("raw").write_bytes(raw[:MAX_BYTES])
    program = (
        "import resource, sys\n"
        "from blocks_registry.declaring.yaml_reader import Budget, read_documents\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_documents(open(sys.argv[1], 'rb').read(), 'raw', Budget())\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "raw")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 500


def test_the_limits_themselves_are_allowed() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read(deep)[1] == []
    assert "deeper than" in refused(f"[{deep}]")
    at_limit = b"# " + b"x" * (MAX_BYTES - 2)
    assert read(at_limit) == ([], [])
    assert "larger than 10 MiB" in refused(at_limit + b"x")
