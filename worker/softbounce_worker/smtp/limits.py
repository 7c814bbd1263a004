"""How much a remote may send in one reply before the session is given up: beyond RFC 5321 §4.5.3.1.5, yet bounded."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one reply. The RFC allows 512 octets a line; remotes exceed that, so more is taken, up to here.

    :ivar line_octets: one line with its line end.
    :ivar reply_lines: lines of one reply.
    :ivar reply_octets: all lines of one reply with their line ends; at least ``line_octets``.
    :ivar text_characters: the text that is kept of one line, after escaping; the rest is cut off.
    """

    line_octets: int = 4096
    reply_lines: int = 64
    reply_octets: int = 65536
    text_characters: int = 1000
