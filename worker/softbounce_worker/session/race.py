"""Two addresses of one host: where the first is silent, the other is dialled beside it, and the faster one is taken.

RFC 8305 §5 and §6. No more than two at a time, and of one host only: its neighbours have their own turn.

Knows nothing of SMTP, nor of places: who calls it takes one before an address is dialled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from softbounce.reply import Trouble

__all__ = ["DELAY", "Raced", "race"]

DELAY = 0.25
"""Seconds without a connection after which the other address is dialled too: what RFC 8305 §5 recommends."""


class _Line(Protocol):
    def abort(self) -> None: ...


L = TypeVar("L", bound=_Line)


@dataclass(slots=True)
class Raced(Generic[L]):
    """How it went.

    :ivar winner: the address that was reached, and the connection; none: neither was.
    :ivar failed: what happened at those that were not.
    """

    winner: tuple[str, L] | None = None
    failed: dict[str, Trouble] = field(default_factory=dict)


async def race(
    first: str,
    rival: str,
    connect: Callable[[str], Awaitable[L | Trouble]],
    may_begin: Callable[[str], bool],
) -> Raced[L]:
    """Dial the first; the rival too, once the first has been silent for :data:`DELAY`, unless it failed by then.

    :param may_begin: asked of the rival when it is its turn.
    """
    tasks = {first: asyncio.ensure_future(connect(first))}
    raced: Raced[L] = Raced()
    try:
        await asyncio.wait(tasks.values(), timeout=DELAY)
        if not tasks[first].done() and may_begin(rival):
            tasks[rival] = asyncio.ensure_future(connect(rival))
        while raced.winner is None and len(raced.failed) < len(tasks):
            left = [task for address, task in tasks.items() if address not in raced.failed]
            await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            _note(tasks, raced)
    finally:
        await _end_others(tasks, raced)
    return raced


def _note(tasks: Mapping[str, asyncio.Future[L | Trouble]], raced: Raced[L]) -> None:
    """Who is there; where both are, the first."""
    for address, task in tasks.items():
        if task.done() and address not in raced.failed:
            result = task.result()
            if isinstance(result, Trouble):
                raced.failed[address] = result
            else:
                raced.winner = address, result
                return


async def _end_others(tasks: Mapping[str, asyncio.Future[L | Trouble]], raced: Raced[L]) -> None:
    """Nobody is left behind: neither a task nor a connection that came too late, or in the moment it was given up."""
    others = [task for address, task in tasks.items() if raced.winner is None or address != raced.winner[0]]
    for task in others:
        task.cancel()
    for result in await asyncio.gather(*others, return_exceptions=True):
        if not isinstance(result, Trouble | BaseException):
            result.abort()
