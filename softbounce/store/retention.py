"""How long is kept what ended: the oldest finished envelopes, keys and events go."""

from __future__ import annotations

from datetime import timedelta

from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Answer, Call, Operation, first
from softbounce.store.scripts import script

__all__ = ["trim"]

NEVER_MS = 2**53


def trim(shard: int, settings: Settings, limit: int = 500, *, latest_ms: int = NEVER_MS) -> Operation[tuple[int, int]]:
    """Forget the oldest of what ended, of keys and of events: how many finished envelopes and keys went.

    :param latest_ms: the store's now is at most this: nothing is old by a clock that was just set ahead.
    """
    call = Call(
        shard,
        script("trim"),
        keys.of(shard, "done", "e", "totals", "k", "kage", "m", "events", "clock"),
        (
            _milliseconds(settings.keep_finished),
            settings.keep_finished_max_octets,
            _milliseconds(settings.keep_events),
            settings.keep_events_max,
            limit,
            _milliseconds(settings.keep_keys),
            latest_ms,
        ),
    )

    def read(answers: list[Answer]) -> tuple[int, int]:
        finished, forgotten = first(answers)
        return finished, forgotten

    return Operation((call,), read)


def _milliseconds(duration: timedelta) -> int:
    """A duration at the store's border."""
    return round(duration.total_seconds() * 1000)
