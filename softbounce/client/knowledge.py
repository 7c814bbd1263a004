"""What a client knows of its store: the number of shards, for good, and for a few seconds the published settings.

And whether any address is suppressed: where none is, a send does not ask. Mail to the first one that is ends all the
same, by the worker that claims it, and receipts tell a few seconds later.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from softbounce.client.flow import Flow, repeat
from softbounce.counting import WAYS
from softbounce.errors import InvalidArgument, SchemaMismatch
from softbounce.settings import BUILT_IN, Settings
from softbounce.store import published
from softbounce.store.call import Operation, StoreAnswer, first
from softbounce.store.keys import HOME, SCHEMA_VERSION
from softbounce.store.published import read_settings
from softbounce.store.suppressions import are_names

__all__ = ["Knowledge", "KnownStore"]

SETTINGS_LAST_SECONDS = 5.0
UNWRITTEN = (0, 0)


class KnownStore(NamedTuple):
    """The store as it was last seen."""

    shards: int
    settings: Settings


class Knowledge:
    """Remembers, and asks again when it is time. Two askers at once do no harm.

    :ivar way: how the mail comes in that is sent by it.
    :ivar are_suppressed: some address is, or was lately.
    :raises InvalidArgument: there is no such way.
    """

    def __init__(self, way: str = "python") -> None:
        if way not in WAYS:
            raise InvalidArgument("way", f"{way!r} is none; ways are {', '.join(WAYS)}")
        self.way = way
        self.are_suppressed = True
        self._known: KnownStore | None = None
        self._asked_at = 0.0

    def forget(self) -> None:
        """Ask anew next time: the store said that it is another than it was."""
        self._known = None

    def current(self) -> Flow[KnownStore]:
        """What is known; asks the store the first time and when the settings may be old.

        A store where nothing was written yet becomes one of one shard.

        :raises SchemaMismatch: another version of softbounce wrote it.
        """
        known = self._known
        if known is None:
            shards = yield from _shards()
        elif time.monotonic() - self._asked_at < SETTINGS_LAST_SECONDS:
            return known
        else:
            shards = known.shards
        settings = yield from repeat(read_settings())
        self.are_suppressed = yield from repeat(are_names(shards))
        self._known = known = KnownStore(shards, settings or BUILT_IN)
        self._asked_at = time.monotonic()
        return known


def _shards() -> Flow[int]:
    version, shards = yield from repeat(_schema(0))
    if (version, shards) == UNWRITTEN:
        version, shards = yield from repeat(_schema(1))
    if version != SCHEMA_VERSION:
        age = "newer" if version > SCHEMA_VERSION else "older"
        raise SchemaMismatch(
            f"the store has schema {version}, written by {age} software; this softbounce knows {SCHEMA_VERSION}"
        )
    return shards


def _schema(shards: int) -> Operation[tuple[int, int]]:
    """Read the home shard's schema; with ``shards`` > 0 write it where there is none."""

    def read(answers: list[StoreAnswer]) -> tuple[int, int]:
        version, found = first(answers)
        return version, found

    return Operation((published.schema(HOME, shards=shards),), read)
