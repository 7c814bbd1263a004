"""Places of one kind: how many are taken, who waits for one, and which session makes way. Constant cost each."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from softbounce_worker.empty import EMPTY

__all__ = ["NO_LIMIT", "Member", "Places", "Stayer"]

NO_LIMIT = 2**31


class Member(Protocol):
    """Who has sessions: a lane; or one opening of it, which waits at an address."""

    @property
    @abstractmethod
    def lane(self) -> object:
        """Whose it is."""

    def come(self) -> None:
        """There may be a place now."""


class Stayer(Protocol):
    """A session, as far as its place goes."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is."""

    @property
    @abstractmethod
    def turn_began(self) -> float:
        """Loop time at which it stood, and so much later as it has waited for its turn in this process since."""

    def leave(self) -> None:
        """It had better end when it idles."""


class Places:
    """Places of one kind: how many are taken, who waits for one in which order, and which sessions idle on theirs.

    :ivar taken: how many are.
    """

    __slots__ = ("__weakref__", "_waiting", "idle", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self.idle: dict[Stayer, None] = EMPTY  # who has idled longest comes first
        self._waiting: dict[Member, int] = EMPTY

    @property
    def limit(self) -> float:
        """How many the other side takes, as far as it said."""
        return NO_LIMIT

    @property
    def is_in_use(self) -> bool:
        """Whether anybody has one or waits for one."""
        return bool(self.taken or self._waiting)

    def has_room(self, most: int) -> bool:
        """Whether one more may be taken by somebody who may bring them to so many."""
        return self.taken < min(most, self.limit)

    def wait(self, member: Member, most: int) -> None:
        """Let this one come when there is a place; the session that idled longest makes way for it."""
        if member not in self._waiting:
            if self._waiting is EMPTY:
                self._waiting = {}
            self._waiting[member] = most
            for session in self.idle:
                session.leave()
                return

    def idles(self, session: Stayer) -> None:
        """It has nothing to do."""
        if self.idle is EMPTY:
            self.idle = {}
        self.idle[session] = None

    def works(self, session: Stayer) -> None:
        """It idles no more."""
        self.idle.pop(session, None)
        if not self.idle:
            self.idle = EMPTY

    def is_waiting(self, member: Member) -> bool:
        """Whether this one comes when there is a place."""
        return member in self._waiting

    def forget(self, member: Member) -> None:
        """It waits no more."""
        self._waiting.pop(member, None)

    def others_wait(self, lane: object) -> bool:
        """Whether the next to come is of another lane."""
        return bool(self._waiting) and next(iter(self._waiting)).lane is not lane

    def give_back(self) -> None:
        """One is free: whoever waits comes, in order, as long as there is room."""
        self.taken -= 1
        self.call()

    def call(self) -> None:
        """Let those come for whom there is room."""
        while self._waiting:
            member, most = next(iter(self._waiting.items()))
            if not self.has_room(most):
                return
            del self._waiting[member]
            member.come()
