"""Lines: who waits for the same thing, a closed sender or an address, and comes forward when that is over.

What stands in a line is *scheduled*, for a time at which it comes by itself: a line that is lost costs time, and no
mail. It is put there by the move that schedules it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["BROUGHT_TOGETHER", "Brought", "bring", "line_name"]

BROUGHT_TOGETHER = 500


class Brought(NamedTuple):
    """How many were brought forward, and how many entries the line has still."""

    number: int
    left: int


def line_name(lane: str, *who: str) -> str:
    """The digest by which a line is kept: names that others choose get into no key."""
    return blake2b("\0".join((lane, *who)).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def bring(shard: int, line: str, limit: int = BROUGHT_TOGETHER, in_ms: int = 0) -> Operation[Brought]:
    """Bring those forward who stand first: due in so many ms, where they would have come later."""
    names = (*keys.of(shard, "e", "due", "wake", "clock"), keys.line(shard, line))

    def read(answers: list[StoreAnswer]) -> Brought:
        return Brought(*first(answers))

    return Operation((Call(shard, script("bring"), names, (min(limit, BROUGHT_TOGETHER), in_ms)),), read)
