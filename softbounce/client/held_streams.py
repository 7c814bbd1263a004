"""The streams that are held as a whole: which, why, and how a person lets them go on."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import KnownStore
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms
from softbounce.errors import StoreUncertain
from softbounce.globs import matches
from softbounce.standing import StandingHolds
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.held_streams import StreamHold, held_among, read_holds, release_stream
from softbounce.store.standing_holds import read_standing

__all__ = ["NO_WHOLES", "HeldStream", "Wholes", "read_held_streams", "read_wholes", "release_streams", "views_of"]


class Wholes(NamedTuple):
    """What is held as a whole, so that an envelope of it which is released would be held anew.

    :ivar streams: by a brake.
    :ivar standing: the digests of the holds that stand.
    """

    streams: Container[str] = frozenset()
    standing: Container[bytes] = frozenset()


NO_WHOLES = Wholes()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStream:
    """A stream that is held.

    :ivar reason: what there was too much of: ``hard_bounces``, ``sender_faults`` or ``complaints``.
    :ivar why: the same in words, with the figures.
    :ivar refused: so many of :attr:`of` messages were.
    """

    stream: str
    held_at: datetime
    reason: str
    why: str
    refused: int
    of: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "stream": self.stream,
            "held_at": rfc3339(self.held_at),
            "reason": self.reason,
            "why": self.why,
            "refused": self.refused,
            "of": self.of,
        }


def read_held_streams(stream: str | None) -> Flow[list[HeldStream]]:
    """Those that are held, by name.

    :param stream: only these: a name or a glob.
    """
    return views_of((yield from repeat(read_holds())), stream)


def read_wholes() -> Flow[Wholes]:
    """All that is held as a whole now."""
    streams = held_among((yield from repeat(read_holds())))
    return Wholes(streams, StandingHolds((yield from repeat(read_standing()))).digests)


def views_of(holds: Mapping[str, StreamHold], stream: str | None) -> list[HeldStream]:
    """Those of them that are held, as they are shown."""
    return [
        HeldStream(
            stream=name,
            held_at=from_epoch_ms(hold.held_ms),
            reason=hold.reason,
            why=hold.why,
            refused=hold.refused,
            of=hold.of,
        )
        for name, hold in sorted(held_among(holds).items())
        if stream is None or matches(stream, name)
    ]


def release_streams(known: KnownStore, stream: str | None) -> Flow[int]:
    """Release those that fit, so that they are counted anew; how many were. What they held is still to be released."""
    holds = held_among((yield from repeat(read_holds())))
    keep, now_ms = known.settings.keep_events_max, (yield from repeat(read_time(keys.HOME))).now_ms
    released = 0
    for name, hold in holds.items():
        if stream is None or matches(stream, name):
            try:
                released += yield release_stream(name, hold, now_ms, keep_events=keep)
            except StoreUncertain:  # asked once more it says no, where it was done
                yield from repeat(release_stream(name, hold, now_ms, keep_events=keep))
                released += 1
    return released
