"""What waits in a lane: in which order and company it is taken, and how much of it there should be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from softbounce_worker.lane.backlog import DEEPEST, Backlog
from softbounce_worker.work import Parcel, Work

from softbounce.deliver_by import DeliverBy
from softbounce.envelope import Body, Envelope, Record
from softbounce.ids import envelope_id

NOW_MS = 1_000_000
BODY = Body(octets=2)


def work(message: int, recipient: int = 0, *, expires_ms: int = NOW_MS + 1, claims: int = 1) -> Work:
    """A claimed envelope."""
    record = Record(id=envelope_id(message.to_bytes(14), recipient), lane="a.test")
    record.envelope = Envelope(sender="s@app.test", recipient="r@a.test", domain="a.test", key="k", body=BODY)
    record.expires_ms = expires_ms
    record.claims = claims
    return Work(record, Parcel(b"\r\n", BODY))


@dataclass
class Promoting:
    """Ends what has expired by now."""

    promoted: list[Work]

    def promote_if_expired(self, work: Work) -> bool:
        """True: it has."""
        if work.record.expires_ms <= NOW_MS:
            self.promoted.append(work)
        return work in self.promoted

    def ends_before_attempt(self, work: Work) -> bool:
        """True: it has expired; no hours are quiet here."""
        return self.promote_if_expired(work)


@pytest.fixture
def promoted() -> list[Work]:
    """What was ended because its window had closed."""
    return []


@pytest.fixture
def backlog(promoted: list[Work]) -> Backlog:
    """An empty one."""
    return Backlog(Promoting(promoted))


def test_recipients_of_one_message_at_the_head_are_taken_together(backlog: Backlog) -> None:
    """As many as allowed; what stands behind another message stays."""
    first, second, other, third = work(1), work(1, 1), work(2), work(1, 2)
    backlog.add([first, second, other, third])
    assert backlog.take(1) == [first]
    backlog.add_first([first])
    assert backlog.take(100) == [first, second]
    assert backlog.take(100) == [other]
    assert backlog.take_first() is third
    assert backlog.take_first() is None
    assert backlog.take(100) == []


def test_M31_recipients_of_one_message_with_a_time_and_without_one_go_apart(backlog: Backlog) -> None:
    """One of them was sent again, which has no time to be delivered by; MAIL says one for all of its recipients."""
    timed = [work(1), work(1, 1), work(1, 2)]
    for one in timed[:2]:
        one.record.envelope.deliver_by = DeliverBy(within_ms=60_000)
    backlog.add(timed)
    assert [backlog.take(100), backlog.take(100)] == [timed[:2], timed[2:]]


def test_what_expired_while_it_waited_is_promoted_and_not_taken(backlog: Backlog, promoted: list[Work]) -> None:
    """When its turn comes, or when somebody looks."""
    late, fresh, behind = work(1, expires_ms=NOW_MS), work(2), work(3, expires_ms=NOW_MS - 1)
    backlog.add([late, fresh, behind])
    assert backlog.take(100) == [fresh]
    assert promoted == [late]
    backlog.drop_expired(NOW_MS - 2)
    assert promoted == [late]
    backlog.drop_expired(NOW_MS)
    assert promoted == [late, behind]
    assert len(backlog) == 0


def test_suspects_stay_when_the_innocent_go_back(backlog: Backlog) -> None:
    """In their order."""
    waiting = [work(number, claims=claims) for number, claims in enumerate([1, 3, 2, 5])]
    backlog.add(waiting)
    assert backlog.take_unsuspected() == [waiting[0], waiting[2]]
    assert backlog.take_all() == [waiting[1], waiting[3]]


def test_issue11_41_who_was_looked_up_anew_has_his_old_turn(backlog: Backlog) -> None:
    """Before those that came later, and behind those that came before."""
    works = [work(number) for number in range(6)]
    backlog.add(works)
    taken = [backlog.take(1)[0] for _ in range(4)]
    backlog.add([taken[2], taken[0]])
    backlog.add([taken[3]])
    backlog.add([work(7)])
    assert [one.record.message[-1] for one in backlog.take_all()] == [0, 2, 3, 4, 5, 7]


def test_it_grows_deeper_when_it_runs_dry_up_to_a_bound(backlog: Backlog) -> None:
    """As deep as there are sessions at first; more is wanted when half of it is gone, what is on its way included."""
    assert (backlog.wanted(20, 0), backlog.wanted(20, 10), backlog.wanted(20, 11)) == (20, 10, 0)
    backlog.deepen(20)
    backlog.add([work(number) for number in range(20)])
    assert (backlog.wanted(20, 0), backlog.wanted(20, 1)) == (20, 0)
    assert backlog.is_low(20)
    for _ in range(10):
        backlog.deepen(20)
    assert backlog.wanted(20, 0) == DEEPEST - 20
