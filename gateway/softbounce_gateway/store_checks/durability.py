"""Holds a store to what the configuration claims of it: refuses one that falls short, and says what cannot be known.

The default is a claim like one that was written down. What a server is set to is asked when the service starts, and
once a minute from then on, since anyone may change it: then it is said, and work goes on. Disks may lie; that is not
looked at.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from softbounce_config import Config

from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.durability_shortfall import QUESTIONS, Shortfall, find_shortfalls, in_words
from softbounce_gateway.terminal import complain, complain_of_fault, say

__all__ = ["DurabilityWatch", "check_durability"]

LOOK_AGAIN = 60.0
WHAT_EVERYSEC_MEANS = (
    "durability is everysec: a power loss may take up to two seconds of mail that was accepted, and forget as much of "
    "deliveries, which are then made twice; a crash of a process takes nothing"
)
WHAT_NONE_MEANS = (
    "durability is none: a restart of the store may lose mail that was accepted, and send again what was delivered; "
    'write durability = "always" where mail matters'
)
WHAT_NONE_MEANS_EMBEDDED = (
    "durability is none: a power loss may take half a minute of mail that was accepted, and send again what was "
    'delivered then; write durability = "always" where mail matters'
)


class Findings(NamedTuple):
    """What the servers told: where they fall short of the claim, and what they do not tell."""

    wrong: tuple[Shortfall, ...]
    unknown: frozenset[str]


async def check_durability(store: AsyncShards, config: Config) -> None:
    """Check every server that has a shard, and say what the claimed durability means where it is not the best.

    :raises StartFailed: a server is less safe than claimed, or evicts mail (exit code 2).
    """
    claimed = config.store.durability
    if claimed == "everysec":
        say(WHAT_EVERYSEC_MEANS)
    elif claimed == "none":
        complain(WHAT_NONE_MEANS_EMBEDDED if config.is_embedded else WHAT_NONE_MEANS)
    if config.is_embedded:  # it is set by ourselves
        return
    found = await _look(store, config)
    if found.wrong:
        is_default = "durability" not in config.store.model_fields_set
        words = in_words(found.wrong, claimed, is_default=is_default)
        raise StartFailed(f"the store at {redact(store.url)} {words}", exit_code=2)
    for what in sorted(found.unknown):
        complain(f'the store at {redact(store.url)} does not tell {what}; [store] durability claims "{claimed}"')


class DurabilityWatch:
    """Looks again while the service runs. Stops nothing: mail that waits is safest where it is delivered soon."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._wrong: tuple[Shortfall, ...] = ()
        self._untold: frozenset[str] | None = None

    async def run(self) -> None:
        """Look once a minute, until cancelled."""
        store = AsyncShards(self._config.store_url)
        try:
            while True:
                await asyncio.sleep(LOOK_AGAIN)
                try:
                    await self.look(store)
                except Exception as error:  # noqa: BLE001 - one look; the next may tell more
                    complain_of_fault("the store's durability cannot be told", error)
        finally:
            await store.close()

    async def look(self, store: AsyncShards) -> None:
        """Look once. What became wrong is said once, and once more when it is right again."""
        found = await _look(store, self._config)
        self._untold = found.unknown if self._untold is None else self._untold & found.unknown
        if found.wrong == self._wrong or found.unknown != self._untold:  # it tells less than it did: it is away
            return
        where, claimed = redact(store.url), self._config.store.durability
        if found.wrong:
            words = in_words(found.wrong, claimed, is_default=False)
            complain(f"ALARM: somebody has set the store at {where} otherwise while it serves: it {words}")
        else:
            complain(f'the store at {where} is again as durable as [store] durability = "{claimed}" claims')
        self._wrong = found.wrong


async def _look(store: AsyncShards, config: Config) -> Findings:
    calls = [Call.read(shard, *question) for shard in range(config.store.shards) for question in QUESTIONS]
    answers = await store.call(calls)
    wrong: list[Shortfall] = []
    unknown: set[str] = set()
    for start in range(0, len(answers), len(QUESTIONS)):
        short, unsure = find_shortfalls(config.store.durability, *answers[start : start + len(QUESTIONS)])
        wrong += [one for one in short if one not in wrong]
        unknown |= unsure
    return Findings(tuple(wrong), frozenset(unknown))
