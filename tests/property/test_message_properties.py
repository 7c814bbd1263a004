"""Messages under any octets: total, only CRLF comes out, and preparing twice changes nothing more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softbounce.errors import InvalidMessage
from softbounce.message import prepare

PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b".", b"a", b" ", b"Bcc: x", b"Date:", b"Subject: y", b"\0", b"\xc3\xa9", b"\xff"]
    ),
    max_size=24,
).map(b"".join)


@given(st.one_of(PIECES, PIECES.map(lambda body: b"Subject: x\r\n\r\n" + body), st.binary(max_size=200)))
def test_A03_any_octets_are_refused_or_end_their_lines_in_crlf(octets: bytes) -> None:
    """What is taken has no stray CR, LF or NUL, one end of data after stuffing, and is stable."""
    try:
        result = prepare(octets, max_octets=10_000)
    except InvalidMessage:
        return
    wire = result.octets
    assert wire.count(b"\r\n") == wire.count(b"\r") == wire.count(b"\n")
    assert wire.endswith(b"\r\n")
    assert b"\0" not in wire
    stuffed = wire.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    assert stuffed.find(b"\r\n.\r\n") == len(stuffed) - 5
    assert not any(line.lower().startswith(b"bcc") for line in wire.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    assert prepare(wire, max_octets=10_000) == result
