"""How long is kept what ended: the oldest finished envelopes, keys and events go, and sooner where memory is short."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.accepting import KEEP_MADE_KEYS
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["GIVES_WAY", "Gives", "Trimmed", "trim"]

KEEP_LATE = timedelta(days=7)
KEEP_LATE_MAX = 20_000
Gives = Literal["", "finished", "events", "keys"]
GIVES_WAY: tuple[Gives, ...] = ("finished", "events", "keys")
"""What gives way when memory is short, the most harmless first: without an ended envelope's record `show` has no
answer, without an event a reader that is behind misses it, without a key a repeated send is a second message."""


class Trimmed(NamedTuple):
    """What a step forgot: finished envelopes, keys, entries of events; and whether there is more of it."""

    finished: int = 0
    keys: int = 0
    events: int = 0
    is_more: bool = False

    @property
    def number(self) -> int:
        """How much it forgot in all."""
        return self.finished + self.keys + self.events


def trim(shard: int, settings: Settings, limit: int = 500, *, gives: Gives = "") -> Operation[Trimmed]:
    """Forget the oldest of what ended, of keys and of events.

    :param gives: goes whatever its age, because memory is short.
    """
    call = Call(
        shard,
        script("trim"),
        keys.of(shard, "done", "e", "totals", "k", "kage", "m", "events", "clock", "late", "metrics"),
        (
            _milliseconds(settings.keep_finished),
            settings.keep_finished_max_octets,
            _milliseconds(settings.keep_events),
            settings.keep_events_max,
            limit,
            _milliseconds(settings.keep_keys),
            _milliseconds(min(settings.keep_keys, KEEP_MADE_KEYS)),
            _milliseconds(KEEP_LATE),
            KEEP_LATE_MAX,
            gives,
        ),
    )

    def read(answers: list[StoreAnswer]) -> Trimmed:
        finished, forgotten, events, is_more = first(answers)
        return Trimmed(finished, forgotten, events, is_more == 1)

    return Operation((call,), read)


def _milliseconds(duration: timedelta) -> int:
    """A duration at the store's border."""
    return round(duration.total_seconds() * 1000)
