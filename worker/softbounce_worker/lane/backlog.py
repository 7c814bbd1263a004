"""What a lane has claimed and no session has taken yet: how much of it there should be, and what is taken together.

Streams and tenants have their turns by :mod:`.turns`. Some envelopes shun hosts of the site, because those deferred
them last or cannot carry them; some ask for more of TLS than others. They wait apart, by what they want of a session,
so that whatever one may not take costs it nothing.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from softbounce import transitions
from softbounce_worker.lane.turns import Turns
from softbounce_worker.posture import Posture
from softbounce_worker.work import Wants, Work

__all__ = ["DEEPEST", "Backlog", "Waiting"]

DEEPEST = 256
RECIPIENTS = 100  # of a transaction, RFC 5321 §4.5.3.1.8
NEVER = float("inf")


class Waiting(msgspec.Struct, frozen=True):
    """How many messages wait that want the same: a transaction takes all recipients of one, up to a hundred."""

    wants: Wants
    number: int


@dataclass(slots=True)
class _Group:
    """Those that want the same, in their turns, and how often the next of them is of another message."""

    works: list[Work] = field(default_factory=list[Work])
    turns_of_message: int = 0

    @property
    def transactions(self) -> int:
        return max(self.turns_of_message + 1, -(-len(self.works) // RECIPIENTS))

    def put(self, work: Work) -> None:
        """By its turn; nearly always that is the last."""
        works = self.works
        if works and works[-1].turn > work.turn:
            self.insert(bisect(works, work.turn, key=lambda one: one.turn), work)
            return
        if works:
            self.turns_of_message += _turns(works[-1], work)
        works.append(work)

    def insert(self, at: int, work: Work) -> None:
        """Before the one that stands there."""
        before, after = self.works[at - 1 : at] if at else [], self.works[at : at + 1]
        self.turns_of_message += sum(_turns(one, work) for one in (*before, *after))
        if before and after:
            self.turns_of_message -= _turns(before[0], after[0])
        self.works.insert(at, work)

    def pop(self) -> Work:
        """The first."""
        work = self.works.pop(0)  # short: a list that begins anywhere takes more memory than most of them ever need
        if self.works:
            self.turns_of_message -= _turns(work, self.works[0])
        return work


class Promotes(Protocol):
    """Who ends what waited too long."""

    def promote_if_expired(self, work: Work) -> bool:
        """Promote an envelope whose window closed meanwhile. False: it has not."""
        ...

    def ends_before_attempt(self, work: Work) -> bool:
        """End the claim of an envelope whose attempt does not begin now. False: it does."""
        ...


class Backlog:
    """The claimed envelopes that wait in a lane, each share's in the order in which they came.

    :param ledger: promotes those whose window closes here.
    :param weight_of: how much of the lane a stream may have, as weighed against others.
    """

    __slots__ = ("_depth", "_expires_ms", "_first_turn", "_groups", "_ledger", "_number", "_turns")

    def __init__(self, ledger: Promotes, weight_of: Callable[[str], float] = lambda _: 1.0) -> None:
        self._ledger = ledger
        self._groups: dict[Wants, _Group] = {}
        self._number = 0
        self._depth = 0
        self._first_turn = 0.0
        self._turns = Turns(weight_of)
        self._expires_ms = NEVER

    def __len__(self) -> int:
        """How many wait."""
        return self._number

    def wanted(self, width: int, coming: int) -> int:
        """How many more there should be, where so many sessions take from it and so many are on their way here."""
        depth = max(self._depth, width)
        held = self._number + coming
        return depth - held if held <= depth // 2 else 0

    def is_low(self, width: int) -> bool:
        """Whether it is time for more."""
        return self._number <= max(self._depth, width) // 2

    def room(self, width: int) -> int:
        """How many fit in still."""
        return max(0, max(self._depth, width) - self._number)

    def part_of(self, width: int, number: int) -> int:
        """How many of a share are claimed that has none here, though there are enough of others: of so many shares."""
        return max(1, max(self._depth, width) // max(2, number)) if self._number < 2 * DEEPEST else 0

    def has(self, stream: str, share: int) -> bool:
        """Whether any of a share waits here."""
        return self._turns.has(stream, share)

    def deepen(self, width: int) -> None:
        """It ran dry while its lists had more: from now on it holds twice as much."""
        self._depth = min(DEEPEST, max(self._depth, width) * 2)

    def groups(self) -> list[Waiting]:
        """What waits, by what it wants of a session; those whose turn it is come first."""
        return [Waiting(wants, self._groups[wants].transactions) for wants in self._in_turn()]

    def add(self, works: Iterable[Work]) -> None:
        """They come when it is their share's turn; whoever waited here before has his old turn."""
        for work in works:
            self._group_for(work).put(work)

    def add_first(self, works: Sequence[Work]) -> None:
        """They come before all others, in their order."""
        for work in reversed(works):
            self._first_turn -= 1.0
            work.turn = self._first_turn
            self._group_for(work).insert(0, work)

    def take(
        self,
        most: int,
        serves: Callable[[Wants], bool] = lambda _: True,
        *,
        one_domain: bool = False,
    ) -> list[Work]:
        """Take the message whose turn it is, with as many as allowed of its recipients that wait there together.

        :param serves: whether the session that takes may have what wants this.
        :param one_domain: all of them have to be of one domain.
        """
        for wants in self._in_turn():
            if serves(wants) and (works := self._take_from(wants, most, one_domain=one_domain)):
                return works
        return []

    def take_first(self) -> Work | None:
        """Take the head."""
        wants = next(self._in_turn(), None)
        return None if wants is None else self._pop(wants)

    def take_posture(self, posture: Posture) -> list[Work]:
        """Leave nothing that asks for this of TLS."""
        numbers = [(wants, len(self._groups[wants].works)) for wants in self._in_turn() if wants.posture == posture]
        return [self._pop(wants) for wants, number in numbers for _ in range(number)]

    def take_all(self) -> list[Work]:
        """Leave nothing."""
        works = sorted((work for group in self._groups.values() for work in group.works), key=lambda work: work.turn)
        self._groups.clear()
        self._turns.end()
        self._number = 0
        self._expires_ms = NEVER
        return works

    def take_unsuspected(self) -> list[Work]:
        """Leave nothing but suspects."""
        works = self.take_all()
        self.add(work for work in works if work.record.claims >= transitions.SUSPECT)
        return [work for work in works if work.record.claims < transitions.SUSPECT]

    def drop_expired(self, now_ms: int) -> None:
        """Promote what expired while it waited: behind slow sessions that can take long.

        :param now_ms: no shard's clock is ahead of it; as long as nothing expires by then, nothing is looked at.
        """
        if self._expires_ms <= now_ms:
            self.add([work for work in self.take_all() if not self._ledger.promote_if_expired(work)])

    def _in_turn(self) -> Iterator[Wants]:
        """The groups, by whose head came first. Few: a site has few hosts, and few rules say anything of TLS."""
        if len(self._groups) < 2:  # noqa: PLR2004 - nothing to sort
            return iter(list(self._groups))
        return iter(sorted(self._groups, key=lambda wants: self._groups[wants].works[0].turn))

    def _take_from(self, wants: Wants, most: int, *, one_domain: bool) -> list[Work]:
        works: list[Work] = []
        waiting = self._groups[wants].works
        while waiting and len(works) < most:
            if works and not _go_together(works[0], waiting[0], one_domain=one_domain):
                break
            work = self._pop(wants)
            if not self._ledger.ends_before_attempt(work):
                works.append(work)
        return works

    def _pop(self, wants: Wants) -> Work:
        group = self._groups[wants]
        work = group.pop()
        self._number -= 1
        self._turns.leaves(work)
        if not group.works:
            del self._groups[wants]
        if not self._groups:
            self._groups.clear()  # which takes no room then: most lanes have nothing waiting
            self._turns.end()
        return work

    def _group_for(self, work: Work) -> _Group:
        """Where it is to wait; it counts from now on."""
        self._number += 1
        self._turns.joins(work)
        self._expires_ms = min(self._expires_ms, work.record.expires_ms)
        wants = work.wants
        group = self._groups.get(wants)
        if group is None:
            group = self._groups[wants] = _Group()
        return group


def _turns(one: Work, other: Work) -> bool:
    """Whether they go in different transactions, whoever takes them: of different messages, or to come back apart."""
    return (
        one.record.message != other.record.message
        or one.mail_from != other.mail_from
        or one.record.envelope.deliver_by != other.record.envelope.deliver_by  # one was sent again, and has none
    )


def _go_together(one: Work, other: Work, *, one_domain: bool) -> bool:
    if _turns(one, other):
        return False
    return one.domain == other.domain or not (one_domain or one.goes_alone or other.goes_alone)
