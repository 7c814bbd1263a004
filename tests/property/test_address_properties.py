"""Addresses under any input: total, idempotent, and nothing dangerous in what comes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softbounce.address import parse_address
from softbounce.errors import InvalidAddress

SHARP = st.text(alphabet=st.sampled_from('ab.@"\\<>()[]:,;% \r\n\0é\u0301。@\u2028-'), max_size=24)


@given(st.one_of(st.text(max_size=80), SHARP, SHARP.map(lambda text: f"{text}@example.com")))
def test_A06_any_text_is_refused_or_has_one_stable_spelling(text: str) -> None:
    """Whatever is taken reads back as itself, carries no control, and routes to what follows the last @."""
    try:
        address = parse_address(text)
    except InvalidAddress:
        return
    again = parse_address(address.canonical)
    assert (again.local, again.domain) == (address.local, address.domain)
    assert address.domain == address.canonical.rpartition("@")[2]
    assert address.domain.isascii()
    assert not any(ord(character) < 32 or ord(character) == 127 for character in address.canonical)
    assert len(address.canonical.encode()) <= 254
