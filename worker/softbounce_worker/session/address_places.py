"""The places at one address: how many its host takes is learned where it refuses one beside ours, and climbs again."""

from __future__ import annotations

import asyncio

from softbounce_worker.session.learned_limit import LearnedLimit
from softbounce_worker.session.places import NO_LIMIT, Places

__all__ = ["AddressPlaces", "Waiter"]

JUDGED_WITHIN = 5.0
"""Seconds in which another session of ours has to stand where one more was refused, to say that it was one too many."""
HEARD_WITHIN = 1.0
"""Seconds in which the others that are dialled there are heard, once one stands: many may be too many."""


class AddressPlaces(Places):
    """The places at one address.

    :ivar standing: how many sessions stand there.
    :ivar learned: how many its host takes, as far as it told.
    """

    __slots__ = ("_judging", "_left_at", "_listeners", "_stood", "learned", "standing")

    def __init__(self) -> None:
        super().__init__()
        self.standing = 0
        self._judging = 0
        self._stood = 0  # most of them, while a refusal is judged
        self._listeners: list[asyncio.Future[None]] = []
        self.learned = LearnedLimit()
        self._left_at = 0.0

    @property
    def limit(self) -> float:
        """What was learned, and one more by and by; nobody else while a refusal is judged."""
        if self._judging:
            return self.taken
        return self.learned.now(asyncio.get_running_loop().time()) if self.learned.number else NO_LIMIT

    @property
    def is_in_use(self) -> bool:
        """A limit is worth remembering too."""
        return super().is_in_use or bool(self._judging) or self.limit < NO_LIMIT

    def stood_since(self, when: float) -> int:
        """How many stood there together since a loop time, as far as one knows: at least so many."""
        return self.standing + (self._left_at >= when)

    async def judge_refusal(self, beside: int) -> bool:
        """Whether it was one more than the host takes; then so many are the limit.

        :param beside: how many stood while that one was dialled.

        Hosts refuse at once, and greet in a moment whom they take: what becomes of those is waited for, and nobody else
        comes meanwhile. Some may have done their work and left by then: they were taken together all the same.
        """
        now = asyncio.get_running_loop().time
        began = now()
        self._stood = max(self._stood if self._judging else 0, beside)
        self._judging += 1
        try:
            while self.taken > self.standing:
                left = began + (HEARD_WITHIN if self._stood else JUDGED_WITHIN) - now()
                if left <= 0:
                    break
                await self._change(left)
        finally:
            self._judging -= 1
            if self._stood:
                self.learned.learn(max(self._stood, self.taken), now())
            self.call()
        return bool(self._stood)

    def stands(self) -> None:
        """One came to stand there."""
        self.standing += 1
        self._stood = max(self._stood, self.standing)
        self._tell()

    def leaves(self, *, stood: bool) -> None:
        """One gives its place back, and stood before or did not."""
        if stood:
            self.standing -= 1
            self._left_at = asyncio.get_running_loop().time()
        self.give_back()
        self._tell()

    def _tell(self) -> None:
        listeners, self._listeners = self._listeners, []
        for one in listeners:
            if not one.done():
                one.set_result(None)

    async def _change(self, seconds: float) -> None:
        """Wait until the next one does, or for so long."""
        one: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listeners.append(one)
        await asyncio.wait([one], timeout=seconds)


class Waiter:
    """An opening that waits at an address, without its place in the process: it comes by having both."""

    __slots__ = ("_all", "_future", "_places", "lane")

    def __init__(self, places: Places, process: Places, lane: object) -> None:
        self.lane = lane
        self._places = places
        self._all = process
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def come(self) -> None:
        """The place is this one's before anybody else can take it."""
        if not self._future.done():
            self._places.taken += 1
            self._all.taken += 1
            self._future.set_result(None)

    async def wait(self, most: int) -> None:
        """Until the place is had."""
        self._places.wait(self, most)
        self._all.give_back()
        try:
            await self._future
        except asyncio.CancelledError:
            self._places.forget(self)
            if self._future.done() and not self._future.cancelled():
                self._places.give_back()
            else:
                self._all.taken += 1  # whoever opened it gives that back
            raise
