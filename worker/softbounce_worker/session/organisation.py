"""The places with one organisation, over all its sites, and how hard it may be pushed: as told, and as learned.

A process begins with few sessions and has as many again as stand: a host that takes three refuses one, not seventeen.
What it refuses for being too many or too fast is learned (:mod:`.learned_limit`, :mod:`.pace`), and so is that most of
what it answers blames our address: half as many sessions are enough to see whether that goes on.
"""

from __future__ import annotations

import asyncio

from softbounce_worker.empty import EMPTY
from softbounce_worker.session.learned_limit import LearnedLimit
from softbounce_worker.session.pace import LearnedPace, Pace
from softbounce_worker.session.places import NO_LIMIT, Member, Places

__all__ = ["Organisation"]

SOON = 1.0
"""Seconds before its turn to send comes for which a session is worth opening."""
FIRST = 2
"""Sessions to begin with."""
LATEST = 0.125
"""The weight of the latest answer."""
MOSTLY = 0.5


class Organisation(Places):
    """One of them. Its rate binds all its sites.

    :ivar members: how many lanes of this process lead there.
    :ivar is_adaptive: whether it is asked, or only told.
    :ivar pace: how fast it takes mail, as far as it said.
    :ivar learned: how many sessions it takes together, as far as it said.
    """

    __slots__ = (
        "_blame",
        "_called",
        "_proven",
        "_queue",
        "_standing",
        "_timer",
        "is_adaptive",
        "learned",
        "members",
        "name",
        "next_send",
        "pace",
    )

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.members = 0
        self.next_send = 0.0
        self.is_adaptive = True
        self.pace = Pace()
        self.learned = LearnedLimit()
        self._queue: dict[Member, None] = EMPTY
        self._called: Member | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._standing = self._proven = 0
        self._blame = 0.0

    # -- how many sessions ------------------------------------------------------------------------------------------

    @property
    def limit(self) -> float:
        """What was learned."""
        return self.learned.now(_now()) if self.learned.number and self.is_adaptive else NO_LIMIT

    @property
    def at_once(self) -> float:
        """How many may be on their way at a time: as many as stood together."""
        return max(FIRST, self._proven) if self.is_adaptive else NO_LIMIT

    def stands(self) -> None:
        """A session is had."""
        self._standing += 1
        self._proven = max(self._proven, self._standing)

    def ends(self) -> None:
        """One that stood does no more."""
        self._standing -= 1

    def begin_anew(self) -> None:
        """It was in trouble: what it took before says little."""
        self._proven = self._standing

    # -- how fast ---------------------------------------------------------------------------------------------------

    def rate(self, told: float) -> float:
        """Messages a second that may be sent, where so many are by what was told; 0: as many as one likes.

        :param told: this process's share of them.
        """
        learned = self.pace.rate
        if not (learned and self.is_adaptive):
            return told
        return min(learned, told) if told else learned

    def may_send(self, member: Member) -> bool:
        """Whether it is this one's turn to send; where not, it comes when it is."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self.next_send and (not self._queue or member is self._called):
            return True
        if self._queue is EMPTY:
            self._queue = {}
        self._queue[member] = None
        if self._timer is None:
            self._timer = loop.call_at(self.next_send, self._call_next)
        return False

    def sends_soon(self, member: Member) -> bool:
        """Whether its turn is near; where not, it comes when it is: a rate may mean a day."""
        return self.next_send - _now() <= SOON or self.may_send(member)

    def sent(self, number: int, rate: float) -> None:
        """So many were, at so many a second."""
        self._called = None
        self.next_send = max(_now(), self.next_send) + number / rate

    def _call_next(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if loop.time() < self.next_send:  # a timer may fire a little early, and somebody may have sent since
            self._timer = loop.call_at(self.next_send, self._call_next)
            return
        if not self._queue:
            return
        self._called = next(iter(self._queue))
        del self._queue[self._called]
        if self._queue:  # one that does not use its turn keeps the others for a moment only
            self._timer = loop.call_later(0.05, self._call_next)
        self._called.come()

    def forget(self, member: Member) -> None:
        """Nor for its turn to send."""
        super().forget(member)
        self._queue.pop(member, None)

    # -- what it says -----------------------------------------------------------------------------------------------

    def took(self, number: int) -> None:
        """So many messages were taken."""
        if self._blame:
            self._blame -= self._blame * LATEST
        self.pace.taken(number, _now())

    def is_too_fast(self, ago: float) -> bool:
        """A message was refused for being one too many. Whether that is news: nothing goes for a while.

        :param ago: how many seconds ago it set out.
        """
        now = _now()
        wait = self.pace.refused(now - ago, now)
        if wait:
            self.next_send = max(self.next_send, now + wait)
        return bool(wait)

    def are_too_many(self) -> bool:
        """A session was told that there are too many. Whether there are several, so that it says how many are not."""
        if self._standing <= 1:
            return False
        self.learned.learn(_fewer(self._standing), _now())
        return True

    def blames(self) -> bool:
        """A refusal blamed our address. Whether most do, of late, so that half as many sessions are had."""
        self._blame += (1 - self._blame) * LATEST
        if self._blame < MOSTLY:
            return False
        self._blame = 0.0
        self.learned.learn(max(1, self._standing // 2), _now())
        return True

    # -- what is remembered -----------------------------------------------------------------------------------------

    def recall(self, pace: LearnedPace | None, connections: int) -> None:
        """So much was known before, where nothing newer is."""
        now = _now()
        if pace is not None and not self.pace.rate:
            self.pace.recall(pace, now)
        self.learned.recall(connections, now)

    @property
    def connections(self) -> int:
        """How many sessions it takes together, as far as it said; 0: it did not."""
        return self.learned.known(_now())


def _fewer(number: int) -> int:
    """Of a few one less, of many half."""
    return max(number // 2, min(number - 1, 3))


def _now() -> float:
    return asyncio.get_running_loop().time()
