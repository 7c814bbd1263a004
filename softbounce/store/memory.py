"""How much of its memory a store's server uses. Some do not tell (INFO may be forbidden): then a probe tells "full"."""

from __future__ import annotations

from typing import NamedTuple

from softbounce.errors import StoreError, StoreFull
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer
from softbounce.store.scripts import script

__all__ = ["Memory", "read_memory"]


class Memory(NamedTuple):
    """The memory of a shard's server, in octets.

    :ivar most: 0: it has no limit, or does not tell.
    :ivar is_full: it takes no new mail now.
    :ivar is_told: whether it tells the other two.
    """

    used: int
    most: int
    is_full: bool
    is_told: bool = True

    @property
    def share(self) -> float:
        """How much of it is used, from 0 to 1; what is not told is taken for nothing, or for all when it is full."""
        return max(self.used / self.most if self.most else 0.0, float(self.is_full))


def read_memory(shard: int) -> Operation[Memory]:
    """Ask a shard's server. A refused question is no error, but a server that does not answer is."""
    calls = (Call(shard, script("probe"), (keys.key(shard, "schema"),), ()), Call.read(shard, b"INFO", b"memory"))

    def read(answers: list[StoreAnswer]) -> Memory:
        probe, told = answers
        if isinstance(probe, StoreError) and not isinstance(probe, StoreFull):
            raise probe
        facts = _facts(told)
        uncounted = facts.get("mem_not_counted_for_evict", 0)
        return Memory(
            facts.get("used_memory", 0) - uncounted,
            facts.get("maxmemory", 0),
            isinstance(probe, StoreFull),
            is_told="maxmemory" in facts,
        )

    return Operation(calls, read)


def _facts(told: StoreAnswer) -> dict[str, int]:
    if not isinstance(told, bytes):
        return {}
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
    return {name: int(value) for name, _, value in lines if value.isascii() and value.isdecimal()}
