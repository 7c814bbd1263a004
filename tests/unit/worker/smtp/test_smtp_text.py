"""Text that is safe to print."""

from __future__ import annotations

import pytest
from softbounce_worker.smtp.text import clip, printable

TEXTS = {
    "plain": (b"Ok", "Ok"),
    "A22_c0": (b"\x00\x07\x1b\x1f", "\\x00\\x07\\x1b\\x1f"),
    "A22_del": (b"\x7f", "\\x7f"),
    "A22_c1_in_utf_8": ("\x9b31m".encode(), "\\x9b31m"),
    "A22_c1_in_latin_1": (b"\xe9\x9b31m", "é\\x9b31m"),
    "A22_bidi": ("\u200e\u202a\u202e\u2066\u2069\u061c".encode(), "\\u200e\\u202a\\u202e\\u2066\\u2069\\u061c"),
    "A22_line_separators": ("a\u2028b\u2029c\x85".encode(), "a\\u2028b\\u2029c\\x85"),
    "A22_tag_characters": ("\U000e0041".encode(), "\\U000e0041"),
    "tab": (b"a\tb", "a b"),
    "no_break_space": ("a\u00a0b".encode(), "a\u00a0b"),
    "other_scripts": ("邮箱已满 ящик".encode(), "邮箱已满 ящик"),
    "cut_utf_8": ("é".encode()[:1] + b"x", "Ãx"),
}


@pytest.mark.parametrize(("octets", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_A22_unprintable_characters_are_escaped(octets: bytes, text: str) -> None:
    """Letters of any script stay, what steers a terminal or a reader's eye is written out."""
    assert printable(octets, 100) == text


@pytest.mark.parametrize(
    ("text", "clipped"), [("12345", "12345"), ("123456", "12..."), ("1 3456", "1...")], ids=["fits", "cut", "at_space"]
)
def test_clip(text: str, clipped: str) -> None:
    """Longer text ends with dots within the limit."""
    assert clip(text, 5) == clipped
