"""A log's frames become lines, wherever the log is cut."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_docker.log_lines import MAX_LINE_BYTES, Frame, Lines, LogBroken, Place, frames_of


def framed(data, stream=1, stamp="2026-11-27T05:11:29.166254652Z"):
    content = stamp.encode() + b" " + data
    return struct.pack(">BxxxL", stream, len(content)) + content


def lines_of(*pieces):
    lines = Lines()
    return [line for frame in frames_of(pieces) for line in lines.take(frame)] + list(lines.rest())


def test_frames_are_found_however_the_connection_cuts_them():
    whole = framed(b"one\n") + framed(b"two\n", stream=2)
    for size in range(1, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert lines_of(*pieces) == ["one", "two"]


def test_pieces_of_a_long_line_are_joined_though_the_other_stream_writes_between():
    assert lines_of(framed(b"be"), framed(b"other\n", stream=2), framed(b"gun\n")) == ["other", "begun"]


def test_a_line_without_an_end_is_given_in_pieces_when_it_is_too_long():
    piece = b"x" * (1024 * 1024)
    lines = lines_of(*[framed(piece)] * 20)
    assert [len(line) for line in lines] == [MAX_LINE_BYTES, 4 * 1024 * 1024]


def test_a_time_may_have_any_zone_and_no_fraction():
    for stamp in ("2026-11-27T05:11:29Z", "2026-11-27T06:11:29.5+01:00"):
        (frame,) = frames_of([framed(b"x\n", stamp=stamp)])
        assert (frame.nanoseconds // 10**9, frame.data) == (1795756289, b"x\n")


@pytest.mark.parametrize(
    "content",
    [
        b"no frames at all",
        b"\x01\x00\x00\x00\xff\xff\xff\xff",
        framed(b"one\n")[:-1],
        framed(b"one\n", stamp="yesterday"),
        b"\x01\x00",
    ],
)
def test_what_is_no_log_or_breaks_off_is_an_error(content):
    with pytest.raises(LogBroken):
        list(frames_of([content]))


@given(
    steps=st.lists(st.integers(0, 3), max_size=30),
    streams=st.lists(st.sampled_from([1, 2]), min_size=30, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_reading_goes_on_after_a_break_without_a_line_twice_or_left_out(steps, streams, cuts):
    at = 1_000_000_000_000
    printed = []
    for number, (step, stream) in enumerate(zip(steps, streams, strict=False)):
        at += step * 50_000_000
        printed.append(Frame(stream, at, b"%d" % number))
    place, read = Place(), []
    for cut in [*cuts, len(printed)]:
        second, fraction = place.resume().split(".")
        since = int(second) * 10**9 + int(fraction)
        asked = [frame for frame in printed if frame.nanoseconds >= since]
        known = len(printed) - len(asked)
        read += [frame for frame in asked[: max(0, cut - known)] if place.is_new(frame)]
    assert read == printed
