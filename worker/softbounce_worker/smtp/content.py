"""From a message to the octets that follow a 354 (RFC 5321 §4.5.2).

Does not mend line ends: a message with bare CR or LF is refused when it is accepted, long before it comes here.
"""

from __future__ import annotations

__all__ = ["LONE_DOT", "is_whole", "stuff", "unstuff"]

LONE_DOT = b".\r\n"
"""Content without a message: what a 354 gets although no recipient was accepted (RFC 2920 §3.1)."""

END = b"\r\n.\r\n"


def stuff(octets: bytes) -> bytes:
    """Double each dot that begins a line, end the last line, and add the final dot.

    A dot behind a bare LF is doubled too. Such a line end should not be there, but some receivers honour it, and to
    them an undoubled dot would end the message early (CVE-2023-51764 and its kin).
    """
    # Most messages have no such line: a search from the right tells at half the cost of a replacement of nothing.
    stuffed = octets.replace(b"\n.", b"\n..") if octets.rfind(b"\n.") >= 0 else octets
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if not stuffed:
        return LONE_DOT
    return stuffed + (LONE_DOT if stuffed.endswith(b"\r\n") else END)


def unstuff(content: bytes) -> bytes:
    """The message that :func:`stuff` made this of, its last line ended."""
    message = content.removesuffix(LONE_DOT)
    if message.startswith(b"."):
        message = message[1:]
    return message.replace(b"\n..", b"\n.") if message.find(b"\n..") >= 0 else message


def is_whole(octets: bytes) -> bool:
    """Whether *octets* end with a final dot and hold none before it. Costs one search through them, at C speed."""
    if octets.startswith(LONE_DOT):
        return len(octets) == len(LONE_DOT)
    return octets.endswith(END) and octets.rfind(END, 0, -1) < 0
