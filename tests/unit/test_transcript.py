"""The stored form of a transcript: within its bounds whoever wrote it, and nothing where it cannot be read."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from softbounce.transcript import (
    MOST_CHARACTERS,
    MOST_LINES,
    MOST_OCTETS,
    Line,
    Transcript,
    pack_transcript,
    unpack_transcript,
)

LINES = st.lists(st.builds(Line, st.integers(0, 10**9), st.sampled_from("<>*"), st.text(max_size=400)), max_size=120)


@given(LINES)
def test_issue12_a_transcript_is_within_its_bounds(lines: list[Line]) -> None:
    """In lines, in characters of each and in octets of all; printable; and it comes back as it was packed."""
    transcript = Transcript.of(lines, {"connect": 3})
    assert len(transcript.lines) <= MOST_LINES
    assert all(len(line.text) <= 6 * MOST_CHARACTERS + 3 and line.text.isprintable() for line in transcript.lines)
    assert sum(len(line.text.encode()) for line in transcript.lines) <= MOST_OCTETS + MOST_CHARACTERS
    assert unpack_transcript(pack_transcript(transcript)) == transcript
    if len(lines) < MOST_LINES and sum(len(line.text) for line in lines) < MOST_OCTETS // 12:
        assert len(transcript.lines) == len(lines)


def test_issue12_what_is_left_out_is_in_the_middle() -> None:
    """How it began is kept, and how it ended; a line between says how many there were."""
    lines = [Line(at, "<", f"line {at}") for at in range(200)]
    kept = Transcript.of(lines, {}).lines
    assert [line.text for line in kept[:20]] == [f"line {at}" for at in range(20)]
    assert kept[20].text == "(141 lines left out)"
    assert [line.text for line in kept[21:]] == [f"line {at}" for at in range(161, 200)]


def test_issue12_an_older_version_reads_what_a_newer_one_wrote() -> None:
    """A field that is not known, behind the others, is passed over."""
    stored = zstandard.ZstdCompressor().compress(
        msgspec.msgpack.encode([[[1, ">", "QUIT", "new"]], {"mail": 2}, "new"])
    )
    assert unpack_transcript(stored) == Transcript(lines=(Line(1, ">", "QUIT"),), stage_ms={"mail": 2})


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"no zstandard",
        zstandard.ZstdCompressor().compress(b"no msgpack"),
        zstandard.ZstdCompressor().compress(b"\xc1" * 100),
        zstandard.ZstdCompressor().compress(b"\x00" * 100_000_000),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"\x00" * 100_000),
        zstandard.ZstdCompressor().compress(msgspec.msgpack.encode([[[1, ">", 5]], {}])),
        zstandard.ZstdCompressor().compress(b"\x91" * 20_000),
        pack_transcript(Transcript())[:-2],
    ],
    ids=["none", "nonsense", "no msgpack", "never msgpack", "a bomb", "no size", "a number", "deep", "cut short"],
)
def test_issue12_A14_A15_a_transcript_that_cannot_be_read_is_none(stored: bytes) -> None:
    """Whatever somebody put into the store: it takes no memory, raises nothing, and is not shown."""
    assert unpack_transcript(stored) is None


def test_issue12_A22_what_is_shown_is_printable() -> None:
    """Control and bidirectional characters are escaped on reading too, whoever wrote them."""
    stored = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode([[[1, "<", "a\x1b[2J\u202eb\r\n"]], {}]))
    transcript = unpack_transcript(stored)
    assert transcript is not None
    assert transcript.lines[0].text == "a\\u001b[2J\\u202eb\\u000d\\u000a"


def test_issue12_A14_a_transcript_that_claims_to_be_huge_takes_no_room() -> None:
    """The library makes room for what a frame claims, so that is looked at first."""
    stored = zstandard.ZstdCompressor().compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        assert unpack_transcript(stored) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
