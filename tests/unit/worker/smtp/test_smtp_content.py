"""Content on the wire: stuffed, ended, and ended once."""

from __future__ import annotations

import pytest
from softbounce_worker.smtp import LONE_DOT, stuff
from softbounce_worker.smtp.content import is_whole

STUFFED = {
    "one_line": (b"a\r\n", b"a\r\n.\r\n"),
    "M16_no_line_end": (b"a", b"a\r\n.\r\n"),
    "empty": (b"", b".\r\n"),
    "M13_dot": (b".", b"..\r\n.\r\n"),
    "M13_two_dots": (b"..", b"...\r\n.\r\n"),
    "M13_dot_line": (b".\r\n", b"..\r\n.\r\n"),
    "M13_first_line": (b".a\r\nb\r\n", b"..a\r\nb\r\n.\r\n"),
    "M13_later_line": (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
    "M13_end_inside": (b"a\r\n.\r\nQUIT\r\n", b"a\r\n..\r\nQUIT\r\n.\r\n"),
    "M13_dots_in_a_row": (b".\r\n.\r\n.\r\n", b"..\r\n..\r\n..\r\n.\r\n"),
    "M13_dot_within_a_line": (b"a.b\r\n", b"a.b\r\n.\r\n"),
    "A03_lf_dot_lf": (b"a\n.\nb\r\n", b"a\n..\nb\r\n.\r\n"),
    "A03_lf_dot_crlf": (b"a\n.\r\nb\r\n", b"a\n..\r\nb\r\n.\r\n"),
    "A03_crlf_dot_cr": (b"a\r\n.\rb\r\n", b"a\r\n..\rb\r\n.\r\n"),
}


@pytest.mark.parametrize(("octets", "stuffed"), STUFFED.values(), ids=STUFFED.keys())
def test_M13_dots_are_stuffed(octets: bytes, stuffed: bytes) -> None:
    """Each dot that begins a line is doubled, and one final dot ends the content."""
    assert stuff(octets) == stuffed
    assert is_whole(stuffed)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"a\r\n",
        b"a\r\n.",
        b"a\n.\r\n",
        b".\r\n.\r\n",
        b".\r\nQUIT\r\n.\r\n",
        b"a\r\n.\r\nb\r\n.\r\n",
        b"a\r\n.\r\n.\r\n",
    ],
    ids=["empty", "no_dot", "no_line_end", "bare_lf", "two_dots", "first_line", "inside", "twice"],
)
def test_A03_content_with_other_than_one_end_is_not_whole(octets: bytes) -> None:
    """Content without a final dot, or with one before its end, is recognised."""
    assert not is_whole(octets)


def test_P03_lone_dot_is_whole() -> None:
    """The lone dot is content of its own: no message at all."""
    assert is_whole(LONE_DOT)
