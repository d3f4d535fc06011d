from hypothesis import given
from hypothesis import strategies as st

from blocks_kubernetes.log_lines import LogLines


def stamped(lines):
    return b"".join(
        f"2026-11-27T05:00:{second:02}.{nano:09}Z {text}\n".encode() for second, nano, text in lines
    )


def kept_since(lines, since):
    """What a node answers: it knows whole seconds."""
    return [line for line in lines if since is None or f"2026-11-27T05:00:{line[0]:02}Z" >= since]


moments = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.text("ab ", max_size=3)), max_size=30
).map(lambda lines: sorted(lines, key=lambda line: line[0]))


@given(moments, st.lists(st.integers(0, 400), max_size=6))
def test_each_line_comes_once_however_often_the_stream_is_cut(lines, cuts):
    log, seen = LogLines(), []
    for cut in cuts:
        had = kept_since(lines, log.since())
        seen += log.feed(stamped(had)[:cut])
    seen += log.feed(stamped(kept_since(lines, log.since())))
    seen += log.finish()
    assert seen == [text for _, _, text in lines]


@given(st.binary(max_size=200), st.integers(1, 7))
def test_bytes_of_any_kind_and_in_any_pieces_do_no_harm(content, size):
    log = LogLines()
    log.since()
    for place in range(0, len(content), size):
        list(log.feed(content[place : place + size]))
    list(log.finish())


def test_a_line_a_little_out_of_order_is_not_lost_in_a_cut():
    first, late = [(4, 0, "a"), (5, 0, "c")], (4, 9, "b")
    log = LogLines()
    log.since()
    assert list(log.feed(stamped(first))) == ["a", "c"]
    assert list(log.feed(stamped(kept_since([*first, late], log.since())))) == ["b"]


def test_a_line_whose_end_has_not_come_is_taken_from_the_next_stream():
    log = LogLines()
    log.since()
    assert list(log.feed(b"2026-11-27T05:00:00Z whole\n2026-11-27T05:00:00.5Z ha")) == ["whole"]
    log.since()
    assert list(log.feed(b"2026-11-27T05:00:00Z whole\n2026-11-27T05:00:00.5Z half")) == []
    assert list(log.finish()) == ["half"]


def test_words_of_the_node_are_no_lines_of_the_job():
    log = LogLines()
    assert list(log.feed(b"unable to retrieve container logs for docker://4711\n")) == []


def test_moments_in_a_zone_are_understood():
    log = LogLines()
    assert list(log.feed(b"2026-11-27T14:00:07.25+09:00 a\n")) == ["a"]
    assert log.since() == "2026-11-27T05:00:07Z"


def test_moments_between_the_pieces_of_a_long_line_are_taken_out():
    moment, other = b"2026-11-27T05:00:00.1Z ", b"2026-11-27T05:00:00.2Z "
    piece = b"x" * 16384
    log = LogLines()
    same = moment + piece + moment + piece + moment + b"end\n"
    different = moment + piece + other + piece + other + b"end\n"
    assert list(log.feed(same + different)) == [(piece * 2 + b"end").decode()] * 2
