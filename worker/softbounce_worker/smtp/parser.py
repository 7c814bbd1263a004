"""Octets to replies (RFC 5321 §4.2), in any chunking and within bounds.

The parser is total: every complete reply is a :class:`~softbounce.reply.Reply`, whatever its code. It knows no
commands and gives no meaning; octets that can be no reply at all raise ``RemoteProtocolError``, after which it is
of no further use.
"""

from __future__ import annotations

import re

from softbounce.reply import Reply
from softbounce_worker.errors import RemoteProtocolError
from softbounce_worker.smtp.limits import Limits
from softbounce_worker.smtp.text import clip, printable

__all__ = ["ReplyParser"]

# RFC 5321 §4.2:  Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
# RFC 2034 §4:    an enhanced status code, where used, begins the text of every line
# RFC 3463 §2:    status-code = ("2"/"4"/"5") "." 1*3DIGIT "." 1*3DIGIT
#
# In reality: lines end with a bare LF too, a tab stands for the space, the text of a last line is missing altogether,
# and code 000 or 999 comes along. Those are taken. Four digits, no digits or an empty line are not a reply; but some
# hosts have an empty line in their greeting's text, whose end it then seems to be.
LINE = re.compile(rb"(\d{3})(?:([ \t-])[ \t]*(?:([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|\Z))?(.*))?", re.DOTALL)

CR = 0x0D
HYPHEN = b"-"
SHOWN = 80  # characters of a line that is no reply, in the trouble's text


class ReplyParser:
    """A buffer that replies are taken from, one at a time.

    :ivar blank_lines: so many empty lines are passed over before the next reply.
    :ivar mismatches: enhanced status codes whose class contradicted the reply code so far; they stay in the text.
    """

    __slots__ = ("_buffer", "_code", "_limits", "_lines", "_octets", "_searched", "_start", "blank_lines", "mismatches")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._start = 0  # of the first octet in the buffer that was not taken yet
        self._searched = 0  # up to here the buffer holds no line end after _start
        self._code = b""
        self._lines: list[tuple[str | None, str]] = []  # of the reply under way
        self._octets = 0
        self.blank_lines = 0
        self.mismatches = 0

    @property
    def has_octets(self) -> bool:
        """Whether anything was received behind the last reply taken."""
        return bool(self._lines) or self._start < len(self._buffer)

    def receive(self, octets: bytes) -> None:
        """Put *octets* behind what is there. Take all replies out before more is put in."""
        start = self._start
        if start < len(self._buffer):
            self._buffer = self._buffer[start:] + octets
            self._searched -= start
        else:
            self._buffer = octets
            self._searched = 0
        self._start = 0

    def next_reply(self) -> Reply | None:
        """Take the next complete reply; ``None`` when there is none yet.

        :raises RemoteProtocolError: a line is no reply line, the lines of a reply differ in code, or a bound is passed.
        """
        buffer = self._buffer
        limits = self._limits
        while (end := buffer.find(b"\n", self._searched)) >= 0:
            start = self._start
            self._start = self._searched = end + 1
            if end - start >= limits.line_octets:
                break
            if end > start and buffer[end - 1] == CR:
                end -= 1
            match = LINE.fullmatch(buffer, start, end)
            if match is None:
                if end == start and self.blank_lines and not self._lines:
                    self.blank_lines -= 1
                    continue
                raise RemoteProtocolError(f"not a reply: {printable(buffer[start:end], SHOWN)!r}")
            code, separator, enhanced, octets = match.groups()
            text = printable(octets, limits.text_characters) if octets else ""
            status = enhanced.decode() if enhanced else None
            if status and enhanced[0] != code[0]:
                self.mismatches += 1
                text, status = self._joined(status, text), None
            if separator != HYPHEN and not self._lines:
                return Reply(code=int(code), enhanced=status, lines=(text,))
            self._add(code, status, text, octets=self._start - start)
            if separator != HYPHEN:
                return self._finish()
        else:
            self._searched = len(buffer)
            if self._searched - self._start < limits.line_octets:
                return None
        raise RemoteProtocolError(f"reply line longer than {limits.line_octets} octets")

    def _add(self, code: bytes, status: str | None, text: str, *, octets: int) -> None:
        """Add a line of so many *octets* to the reply under way, and hold that to its bounds."""
        if not self._lines:
            self._code = code
            self._octets = 0
        elif code != self._code:
            raise RemoteProtocolError(f"lines of one reply differ in code: {self._code.decode()}, {code.decode()}")
        self._lines.append((status, text))
        self._octets += octets
        if len(self._lines) > self._limits.reply_lines:
            raise RemoteProtocolError(f"reply of more than {self._limits.reply_lines} lines")
        if self._octets > self._limits.reply_octets:
            raise RemoteProtocolError(f"reply longer than {self._limits.reply_octets} octets")

    def _finish(self) -> Reply:
        """The reply that the lines so far make. Its enhanced status is the first one that any line begins with."""
        lines, self._lines = self._lines, []
        enhanced = next((status for status, _ in lines if status), None)
        texts = [text if status in {None, enhanced} else self._joined(status, text) for status, text in lines]
        return Reply(code=int(self._code), enhanced=enhanced, lines=tuple(texts))

    def _joined(self, status: str | None, text: str) -> str:
        """A text with the enhanced status that was cut from it put back."""
        return clip(f"{status} {text}".rstrip(" "), self._limits.text_characters)
