"""What is stored as a body, and what of it is believed."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from softbounce_worker.work import ZSTANDARD, unpack_body

from softbounce.envelope import Body

PLAIN = b"Subject: x\r\n\r\nHello.\r\n"
PACKED = zstandard.ZstdCompressor().compress(PLAIN)
UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN)


@pytest.mark.parametrize("stored", [PACKED, UNSIZED], ids=["sized", "unsized"])
def test_a_body_as_its_record_says(stored: bytes) -> None:
    """It is what was accepted, octet by octet."""
    assert unpack_body(stored, Body(octets=len(PLAIN), codec=ZSTANDARD)) == PLAIN
    assert unpack_body(PLAIN, Body(octets=len(PLAIN))) == PLAIN


@pytest.mark.parametrize("octets", [0, 1, len(PLAIN) - 1, len(PLAIN) + 1, 10**9])
@pytest.mark.parametrize(
    ("stored", "codec"),
    [(PLAIN, 0), (PACKED, ZSTANDARD), (UNSIZED, ZSTANDARD)],
    ids=["plain", "sized", "unsized"],
)
def test_issue10_a_body_is_as_long_as_its_record_says(stored: bytes, codec: int, octets: int) -> None:
    """Whatever lacks a part, or has one too many, is another message's: nothing is sent of it."""
    with pytest.raises(ValueError, match="stored body"):
        unpack_body(stored, Body(octets=octets, codec=codec))


@pytest.mark.parametrize("stored", [b"", b"\x28\xb5\x2f\xfd", PACKED[:-1], PACKED[:5], b"\xff" * 40])
def test_a_body_that_is_no_body(stored: bytes) -> None:
    """Octets that cannot be unpacked are an error that says so."""
    with pytest.raises(ValueError, match="stored body"):
        unpack_body(stored, Body(octets=len(PLAIN), codec=ZSTANDARD))


@pytest.mark.parametrize("claimed", [1 << 24, (1 << 32) - 1])
def test_issue10_A14_a_body_that_claims_to_be_huge_takes_no_room(claimed: int) -> None:
    """The stored octets say how long they become, and are not believed: no room is made for more than was accepted."""
    huge = bytearray(zstandard.ZstdCompressor().compress(bytes(1 << 24)))
    huge[6:10] = claimed.to_bytes(4, "little")
    assert zstandard.frame_content_size(bytes(huge)) == claimed
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="stored body"):
            unpack_body(bytes(huge), Body(octets=len(PLAIN), codec=ZSTANDARD))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20
