"""By when a sender wants his message delivered, and what then: kept with the envelope, and passed on.

RFC 2852 (DELIVERBY). The time counts from when the message was accepted, and stands still for nobody: no hold, and no
quiet hours, make it longer.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

__all__ = ["By", "DeliverBy"]

SECOND_MS = 1000


class By(NamedTuple):
    """What the parameter BY of a MAIL says.

    :ivar seconds: what is left of the time; 0 or less: it is over.
    :ivar mode: ``R`` or ``N``, with ``T`` behind it where a trace is asked for.
    """

    seconds: int
    mode: str

    @property
    def returns(self) -> bool:
        """Whether nobody may have it later, nor from a host that does not promise the same."""
        return self.mode.startswith("R")


class DeliverBy(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """As it is stored, one an envelope.

    :ivar within_ms: how long after it was accepted; with mode N the time may be over by then.
    :ivar returns: mode R: what is late comes back. Else mode N: its sender hears of it, and it is tried on.
    :ivar traces: its sender wants to hear of each host that has it.
    """

    within_ms: int
    returns: bool = False
    traces: bool = False

    def at_ms(self, created_ms: int) -> int:
        """The instant, for an envelope that was accepted then."""
        return created_ms + self.within_ms

    def by(self, created_ms: int, now_ms: int) -> By:
        """What is left of it now, in seconds begun: mode R knows no time of 0 that is not over."""
        mode = ("R" if self.returns else "N") + ("T" if self.traces else "")
        return By(-((now_ms - self.at_ms(created_ms)) // SECOND_MS), mode)
