r"""A message as it comes in behind DATA: read in whole chunks, bounded, and misread by nobody.

Only CRLF "." CRLF ends it. A bare CR or LF within it is what a host further on might take for a line end, and what
follows for a message of ours (SMTP smuggling): such a message is refused as soon as one is seen. What is beyond the
limits is counted and dropped, not kept.

RFC 5321 §2.3.8 (line ends), §4.1.1.4 (the end), §4.5.2 (dots).
"""

from __future__ import annotations

from softbounce_gateway.submission.budget import Budget

__all__ = ["Content"]

END = b"\r\n.\r\n"


class Content:
    """One message that comes in.

    :param most_octets: more are not kept.
    :param budget: what all messages that come in now may take together.
    :param head_octets: only so much of a larger message is kept, its beginning; ``None``: all of it.
    :ivar octets: how many came so far, dots and all.
    :ivar has_bare_line_end: it is to be refused, and nothing more to be read.
    :ivar is_too_large: for this limit, on the whole.
    :ivar finds_no_room: for the budget, now.
    """

    def __init__(self, most_octets: int, budget: Budget, head_octets: int | None = None) -> None:
        self._most_octets = most_octets
        self._budget = budget
        self._kept = bytearray(
            b"\r\n"
        )  # as if a line had ended before, so that a dot in the first one is like any other
        self._reserved = 0
        self._head_octets = head_octets
        self._head = b""
        self._carry = b""
        self.octets = 0
        self.has_bare_line_end = False
        self.is_too_large = False
        self.finds_no_room = False

    def feed(self, octets: bytes) -> bytes | None:
        """Take some more; what follows the end, once that is there."""
        kept = self._kept
        start = max(0, len(kept) - len(END) + 1)
        kept += octets
        end = kept.find(END, start)
        came = octets if end < 0 else octets[: len(octets) - (len(kept) - end - len(END))]
        self.octets += len(came)
        self._look_for_bare_line_ends(came)
        if end >= 0:
            behind = bytes(kept[end + len(END) :])
            del kept[end + 2 :]
        else:
            behind = None
        self._bound()
        return behind

    def take(self) -> bytes:
        """The message, without the dots that were added; it is here no longer."""
        message = (self._head or bytes(self._kept)).replace(b"\r\n.", b"\r\n")[2:]
        self.close()
        return message

    def close(self) -> None:
        """Give back what it took of the budget."""
        self._budget.give_back(self._reserved)
        self._reserved = 0
        self._kept = bytearray(b"\r\n")
        self._head = b""

    def _look_for_bare_line_ends(self, octets: bytes) -> None:
        """In what came, with a CR that stood last before, and without one that stands last now."""
        looked_at = self._carry + octets
        self._carry = b""
        if looked_at.endswith(b"\r"):
            looked_at, self._carry = looked_at[:-1], b"\r"
        pairs = looked_at.count(b"\r\n")
        if looked_at.count(b"\n") != pairs or looked_at.count(b"\r") != pairs:
            self.has_bare_line_end = True

    def _keep_head(self) -> None:
        """Let go of what is beyond the head, but for what may be the beginning of the end."""
        most = self._head_octets
        if most is None or len(self._kept) + len(self._head) <= most:
            return
        self._head = self._head or bytes(self._kept[:most])
        del self._kept[: max(0, len(self._kept) - len(END) + 1)]

    def _bound(self) -> None:
        self._keep_head()
        kept = len(self._kept) + len(self._head)
        if not self.is_too_large and not self.finds_no_room:
            if self.octets > self._most_octets + DOTS_ALLOWED:
                self.is_too_large = True
            elif kept > self._reserved:
                wanted = kept - self._reserved
                if self._budget.take(wanted):
                    self._reserved += wanted
                else:
                    self.finds_no_room = True
        if self.is_too_large or self.finds_no_room:
            self._head = b""
            del self._kept[: max(0, len(self._kept) - len(END) + 1)]
            self._budget.give_back(self._reserved)
            self._reserved = 0


DOTS_ALLOWED = 65_536
"""How many octets may be dots that were added, or fields of ours that are taken out: who stores it counts exactly."""
