"""How far a store's history was seen, so that a copy of an earlier time is told from the store it was taken of.

Whoever watches a store notes its newest event there, time and again, and remembers the times that it noted. A store
that is an older copy, restored from a backup, has only earlier ones. New mail does not hide that: it is noted after the
comparison only. The last minute is left to the workers' journals. Nothing is decided here about what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.scripts import script

__all__ = ["SLACK_MS", "HistoryMark", "HistoryMatch", "ShardHistory", "accept", "begin_holding", "look", "note"]

_Arguments: TypeAlias = Callable[[int], tuple[str, str, int, int]]
SLACK_MS = 50_000
"""By how much less a store may know before it counts as a copy: a failover or a power loss takes a second or two.

With the few seconds between two looks that is less than the minute for which journals know what was delivered.
"""


class ShardHistory(NamedTuple):
    """What one shard knows.

    :ivar store: the store's id; empty: nobody noted anything yet.
    :ivar at_ms: when its newest event was noted last; 0: never.
    :ivar event_ms: when that event was.
    :ivar newest_ms: when its newest event was, noted or not; 0: there was none yet.
    :ivar messages: messages with live envelopes.
    :ivar holding_ms: since when the mail of a restored store is being held; 0: it is not.
    :ivar until_ms: where the history of that store ends.
    """

    store: str
    at_ms: int
    event_ms: int
    newest_ms: int
    messages: int
    holding_ms: int
    until_ms: int
    now_ms: int


def look(shards: int) -> Operation[list[ShardHistory]]:
    """What all shards know."""
    return _ask(shards, lambda _: ("look", "", 0, 0))


def note(store: str, seen_ms: Sequence[int]) -> Operation[list[ShardHistory]]:
    """Note that the store was seen as far as it goes now, in the shards that go as far as they were seen before.

    :param store: the id for a store that has none.
    :param seen_ms: how far each shard was seen before.
    """
    return _ask(len(seen_ms), lambda shard: ("note", store, seen_ms[shard], SLACK_MS))


def begin_holding(store: str, shards: int, until_ms: int) -> Operation[list[ShardHistory]]:
    """From now on, and until :func:`accept`, let no worker in: the store's mail is about to be held.

    Where that was begun before, all stays as it was said then.
    """
    return _ask(shards, lambda _: ("hold", store, 0, until_ms))


def accept(store: str, seen_ms: Sequence[int]) -> Operation[list[ShardHistory]]:
    """Take the store as it is: it goes further from now on than it was ever seen."""
    return _ask(len(seen_ms), lambda shard: ("accept", store, seen_ms[shard], 0))


def _ask(shards: int, arguments: _Arguments) -> Operation[list[ShardHistory]]:
    calls = [
        Call(
            shard,
            script("store_history"),
            keys.of(shard, "witness", "events", "m", "clock"),
            arguments(shard),
        )
        for shard in range(shards)
    ]

    def read(answers: list[StoreAnswer]) -> list[ShardHistory]:
        return [ShardHistory(store.decode(errors="replace"), *rest) for store, *rest in every(answers)]

    return Operation(calls, read)


class HistoryMatch(Enum):
    """How a store stands to what was seen of it before."""

    SAME = "same"  # it goes at least as far, but for the last minute
    COPY = "copy"  # it goes less far, and has mail that may have been delivered since
    EMPTIED = "emptied"  # it goes less far, and has no mail that could be sent again
    ANOTHER = "another"  # it is another store altogether


class HistoryMark:
    """How far a store was seen.

    :ivar store: its id; empty: not known yet.
    :ivar seen_ms: for each shard, the newest time that was noted there.
    """

    def __init__(self, shards: int, store: str = "", seen_ms: Sequence[int] = ()) -> None:
        self.store = store
        self.seen_ms = [*seen_ms, *([0] * shards)][:shards]

    def judge(self, found: Sequence[ShardHistory]) -> HistoryMatch:
        """How the store stands to what was seen before."""
        home = found[keys.HOME].store
        if self.store and home and home != self.store:
            return HistoryMatch.ANOTHER
        behind = [one for one, seen in zip(found, self.seen_ms, strict=True) if one.at_ms + SLACK_MS < seen]
        if not behind:
            return HistoryMatch.SAME
        return HistoryMatch.COPY if any(one.messages for one in behind) else HistoryMatch.EMPTIED

    def take(self, found: Sequence[ShardHistory]) -> HistoryMatch:
        """Remember what is known now, unless the store is an older copy: the answer is the same again then."""
        compared = self.judge(found)
        if compared is HistoryMatch.COPY:
            return compared
        self.store = found[keys.HOME].store
        if compared is HistoryMatch.SAME:
            self.seen_ms = [max(one.at_ms, seen) for one, seen in zip(found, self.seen_ms, strict=True)]
        else:
            self.seen_ms = [one.at_ms for one in found]
        return compared
