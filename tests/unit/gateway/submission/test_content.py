"""A message that comes in: where it ends, and what is dropped of it."""

from __future__ import annotations

import pytest
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.content import DOTS_ALLOWED, Content


def read(octets: bytes, step: int, most: int = 10_000, budget: int = 100_000) -> tuple[Content, bytes | None]:
    """Feed them so many at a time, as far as the message goes; with what is behind it."""
    content = Content(most, Budget(budget))
    for start in range(0, len(octets), step):
        behind = content.feed(octets[start : start + step])
        if behind is not None:
            return content, behind + octets[start + step :]
    return content, None


@pytest.mark.parametrize("step", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize(
    ("octets", "message", "behind"),
    [
        (b"a: b\r\n\r\nhi\r\n.\r\nQUIT\r\n", b"a: b\r\n\r\nhi\r\n", b"QUIT\r\n"),
        (b"a: b\r\n\r\n..hi\r\n..\r\n.\r\n", b"a: b\r\n\r\n.hi\r\n.\r\n", b""),
        (b"..a: b\r\n.\r\n", b".a: b\r\n", b""),
        (b".\r\n.\r\n", b"", b".\r\n"),
        (b"a\r\n.x\r\n.\r\n", b"a\r\nx\r\n", b""),
        (b"a\r\n.\r\nx\n", b"a\r\n", b"x\n"),
    ],
    ids=["plain", "dots", "a dot at the beginning", "empty", "a dot that nobody added", "behind it is not looked at"],
)
def test_a_message_ends_at_its_dot(octets: bytes, message: bytes, behind: bytes, step: int) -> None:
    """In whatever pieces it comes, it is the same message, and what follows it is not its own."""
    content, found = read(octets, step)
    assert found == behind
    assert not content.has_bare_line_end
    assert content.take() == message


@pytest.mark.parametrize("step", [1, 2, 3, 10_000])
@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r\r\n.\r\r\n",
        b"\n\n.\n\n",
        b"\r\n.\r\r\n",
    ],
)
def test_A04_no_other_line_end_ends_a_message(end: bytes, step: int) -> None:
    """A bare CR or LF is seen wherever it stands and ends no message: what follows stays within it, and is refused."""
    content, behind = read(b"a: b\r\n\r\nhi" + end + b"MAIL FROM:<evil@a.test>\r\n", step)
    assert behind is None
    assert content.has_bare_line_end


def test_A13_what_is_too_large_is_not_kept() -> None:
    """The end is found, and said what is wrong; memory never has more than the limit."""
    budget = Budget(1_000_000)
    content = Content(10_000, budget)
    for _ in range(100):
        assert content.feed(b"x" * 998 + b"\r\n") is None
        assert len(content._kept) <= 10_000 + DOTS_ALLOWED + 1000
    assert content.feed(b".\r\nQUIT\r\n") == b"QUIT\r\n"
    assert content.is_too_large
    assert budget.take(1_000_000)


def test_A13_a_line_without_an_end_is_not_kept() -> None:
    """However long it gets."""
    content = Content(10_000, Budget(1_000_000))
    for _ in range(1000):
        content.feed(b"x" * 1000)
    assert content.is_too_large
    assert len(content._kept) < 100


def test_all_messages_together_are_bounded() -> None:
    """One that finds no room is dropped as it comes, and gives its room back; the other one is whole."""
    budget = Budget(1000)
    first, second = Content(10_000, budget), Content(10_000, budget)
    first.feed(b"x" * 600 + b"\r\n")
    second.feed(b"y" * 600 + b"\r\n")
    assert (first.finds_no_room, second.finds_no_room) == (False, True)
    assert second.feed(b".\r\n") == b""
    assert first.feed(b".\r\n") == b""
    assert first.take() == b"x" * 600 + b"\r\n"
    assert budget.take(1000)


@pytest.mark.parametrize("size", [1, 7, 64, 5_000])
def test_issue14_of_what_is_larger_its_head_is_kept(size: int) -> None:
    """Only that takes room, however the octets come; the end is found, and what follows it, and dots are undone."""
    budget = Budget(700)
    content = Content(1_000_000, budget, 600)
    message = b"..a dot\r\n" + b"0123456789\r\n" * 300
    wire = message + b".\r\nRSET\r\n"
    behind = None
    for start in range(0, len(wire), size):
        behind = content.feed(wire[start : start + size]) if behind is None else behind + wire[start : start + size]
    assert behind == b"RSET\r\n"
    if size < 100:
        assert not content.finds_no_room
        kept = content.take()
        assert kept.startswith(b".a dot\r\n0123456789\r\n")
        assert 590 <= len(kept) <= 600
        assert budget.take(700)
