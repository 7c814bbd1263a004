"""Which of several addresses is connected to: the first that is there, begun one after another (RFC 8305 §5).

An address that swallows all that is sent to it (a network whose IPv6 leads nowhere) costs the next one a moment, and
not all the time that an attempt has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest

import httpcore

__all__ = ["first_of", "mixed"]

NEXT_AFTER = 0.25
"""Seconds for which the one before has the stage alone."""

Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]


def mixed(addresses: Sequence[str]) -> list[str]:
    """Both families in turns, so that neither is all that is tried (RFC 8305 §4)."""
    begins_with = ":" in addresses[0] if addresses else False
    ours = [one for one in addresses if (":" in one) == begins_with]
    others = [one for one in addresses if (":" in one) != begins_with]
    return [one for one in chain.from_iterable(zip_longest(ours, others)) if one is not None]


async def first_of(addresses: Sequence[str], connect: Connect) -> httpcore.AsyncNetworkStream:
    """Connect to the first that is there; the others are left.

    :param addresses: one at least.
    :raises httpcore.ConnectError: none is, as the last of them has it; ``ConnectTimeout`` is one too.
    """
    waiting = deque(addresses)
    begun: set[asyncio.Future[httpcore.AsyncNetworkStream]] = set()
    last: Exception | None = None
    try:
        while waiting or begun:
            if waiting:
                begun.add(asyncio.ensure_future(connect(waiting.popleft())))
            done, _ = await asyncio.wait(
                begun, timeout=NEXT_AFTER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                begun.discard(one)
                try:
                    return one.result()
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    last = error
    finally:
        await _leave(begun)
    raise last or httpcore.ConnectError("no address")


async def _leave(begun: set[asyncio.Future[httpcore.AsyncNetworkStream]]) -> None:
    """Nobody wants these any more; one may be there by now."""
    for one in begun:
        one.cancel()
    for outcome in await asyncio.gather(*begun, return_exceptions=True):
        if isinstance(outcome, httpcore.AsyncNetworkStream):
            await outcome.aclose()
