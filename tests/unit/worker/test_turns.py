"""Whose turn it is in a lane, as literal orders: streams, tenants, what was tried and what was not."""

from __future__ import annotations

import pytest
from softbounce_worker.lane.backlog import Backlog
from softbounce_worker.lane.ready_lists import Entries, ListName, ReadyLists, split
from softbounce_worker.lane.turns import MOST_AT_REST, Turns, parts_of
from softbounce_worker.work import Parcel, Work

from softbounce.envelope import Body, Envelope, Record
from softbounce.ids import envelope_id, new_message_id
from softbounce.share import TENANTS

BODY = Body(octets=2)
WEIGHTS = {"otp": 10.0}
RETRY = TENANTS


class NeverLate:
    """Nothing expires."""

    def ends_before_attempt(self, _: Work) -> bool:
        """It does not."""
        return False


def weight_of(stream: str) -> float:
    """Of the streams here."""
    return WEIGHTS.get(stream, 1.0)


@pytest.fixture
def backlog() -> Backlog:
    """An empty one."""
    return Backlog(NeverLate(), weight_of)


def works(
    number: int, stream: str = "news", tenant: int = 0, *, tried: bool = False, message: bytes = b""
) -> list[Work]:
    """Some claimed envelopes, each of a message of its own, where none is given."""
    made = []
    for at in range(number):
        identity = envelope_id(message or new_message_id(0, tenant), at)
        record = Record(id=identity, lane="a.test", stream=stream, charged=int(tried))
        record.envelope = Envelope(sender="s@app.test", recipient="r@a.test", domain="a.test", key="k", body=BODY)
        made.append(Work(record, Parcel(b"\r\n", BODY)))
    return made


def taken(backlog: Backlog, number: int) -> str:
    """The next few, one after another: of each the first letter of its stream, or its tenant's number."""
    order = []
    for _ in range(number):
        (work,) = backlog.take(1)
        stream, share = work.share
        order.append("R" if share >= TENANTS else str(share) if share else stream[0])
    return "".join(order)


def test_issue13_6_one_share_is_taken_in_the_order_it_came(backlog: Backlog) -> None:
    """As if there were no turns."""
    some = works(20)
    backlog.add(some[:10])
    backlog.add(some[10:])
    assert [backlog.take(1)[0] for _ in some] == some


def test_issue13_6_a_code_goes_next_however_many_newsletters_wait(backlog: Backlog) -> None:
    """Each one that comes does; and a burst of them goes by its weight, ten to one."""
    backlog.add(works(200))
    assert taken(backlog, 3) == "nnn"
    backlog.add(works(1, "otp"))
    assert taken(backlog, 3) == "onn"
    backlog.add(works(25, "otp"))
    assert taken(backlog, 31) == "ooooooooooonoooooooooonoooonnnn"


def test_issue13_6_streams_without_a_weight_take_turns(backlog: Backlog) -> None:
    """Whichever has more waiting."""
    backlog.add(works(100))
    backlog.add(works(4, "alerts"))
    assert taken(backlog, 12) == "nanananannnn"


def test_issue13_6_tenants_of_a_stream_take_turns_and_share_what_it_has(backlog: Backlog) -> None:
    """Two of one stream have together what another stream has alone."""
    backlog.add(works(6, tenant=1))
    backlog.add(works(6, tenant=2))
    backlog.add(works(3, "x"))
    assert taken(backlog, 15) == "12x1x12x1121222"


def test_issue13_6_a_tenant_that_comes_late_waits_for_one(backlog: Backlog) -> None:
    """And for as many as it has itself, at most twice that while what was in hand before it came goes."""
    backlog.add(works(100, tenant=1))
    taken(backlog, 10)
    backlog.add(works(4, tenant=2))
    assert taken(backlog, 14) == "21121121121111"


def test_issue13_6_what_was_never_tried_goes_three_times_to_one_that_was(backlog: Backlog) -> None:
    """Neither waits for the other to end."""
    backlog.add(works(100))
    backlog.add(works(12, tried=True))
    assert taken(backlog, 24) == "nRnnnnRnnnnRnnnnRnnnnRnn"


def test_issue13_6_a_message_s_recipients_stay_together_beside_others(backlog: Backlog) -> None:
    """A transaction carries them all."""
    backlog.add(works(5, tenant=1, message=new_message_id(0, 1)))
    backlog.add(works(4, tenant=2, message=new_message_id(0, 2)))
    assert [len(backlog.take(100)) for _ in range(2)] == [5, 4]


def test_issue13_6_who_comes_back_has_his_old_turn(backlog: Backlog) -> None:
    """What is put back as a whole goes as it would have; what comes next does not overtake it."""
    backlog.add(works(4, tenant=1))
    backlog.add(works(4, tenant=2))
    backlog.add(backlog.take_all())
    backlog.add(works(4, tenant=1))
    assert taken(backlog, 12) == "121121212111"


def test_issue13_6_shares_that_are_at_rest_are_forgotten() -> None:
    """Whatever streams come and go while one waits."""
    turns = Turns(weight_of)
    turns.joins(works(1)[0])
    for number in range(3 * MOST_AT_REST):
        (one,) = works(1, f"stream-{number}")
        turns.joins(one)
        turns.leaves(one)
    assert len(turns._shares) <= MOST_AT_REST + 1
    assert turns._tenants == {"news": 1}


@pytest.mark.parametrize(
    ("shares", "parts"),
    [
        pytest.param([("news", 1)], [1], id="one"),
        pytest.param([("news", 1), ("news", 2), ("otp", 0)], [1 / 22, 1 / 22, 10 / 11], id="tenants within a stream"),
        pytest.param([("news", 1), ("news", 1 + RETRY), ("news", 2)], [3 / 8, 1 / 8, 1 / 2], id="tried before"),
        pytest.param([("a", 0), ("a", 0), ("b", 0)], [1 / 4, 1 / 4, 1 / 2], id="two shards"),
    ],
)
def test_issue13_6_claims_are_parted_by_shares(shares: list[tuple[str, int]], parts: list[float]) -> None:
    """Streams by weight, tenants alike, three first tries to one."""
    assert parts_of(shares, weight_of) == pytest.approx(parts)


@pytest.mark.parametrize(
    ("want", "lists", "numbers"),
    [
        pytest.param(256, [("news", 1, 9999, True), ("otp", 0, 3, True)], [253, 3], id="what one leaves"),
        pytest.param(256, [("news", 1, 1, False), ("otp", 0, 1, False)], [24, 232], id="nobody knows"),
        pytest.param(10, [("news", 1, 99, True), ("news", 2, 99, True)], [5, 5], id="two tenants"),
        pytest.param(3, [("news", one, 9, True) for one in range(5)], [1] * 5, id="one each"),
        pytest.param(20, [("a", 0, 2, True), ("b", 0, 1, False), ("c", 0, 100, True)], [2, 9, 9], id="three"),
    ],
)
def test_issue13_6_a_claim_asks_no_list_for_more_than_it_has(
    want: int, lists: list[tuple[str, int, int, bool]], numbers: list[int]
) -> None:
    """What one leaves is the others'; each gives one at least."""
    drawn = {ListName(0, stream, "a", share): Entries(number, is_all) for stream, share, number, is_all in lists}
    assert split(want, drawn, weight_of) == numbers


def test_issue13_6_lists_that_press_are_drawn_first() -> None:
    """Alone, where there is enough of the others; and they press no more when they were."""
    lists = ReadyLists()
    names = [ListName(0, "news", "a", share) for share in range(200)]
    for name in names:
        lists.note(name, 3)
    lists.press(names[199])
    assert list(lists.draw(9, lambda _: False, pressing_only=True)) == [names[199]]
    assert list(lists.draw(9, lambda _: False, pressing_only=True)) == []
    lists.note(names[199], 2)
    lists.press(names[199])
    assert list(lists.draw(3, lambda _: False)) == [names[199], names[0], names[1]]
    assert (lists.entries, len(lists)) == (197 * 3, 197)
    lists.press(names[5])
    lists.take([names[5]])
    assert list(lists.draw(1, lambda _: False, pressing_only=True)) == []
