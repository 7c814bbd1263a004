"""Fair share, for any weights and any order of coming: what each share is given never lags by more than a little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.lane.backlog import Backlog
from softbounce_worker.work import Parcel, Work

from softbounce.envelope import Body, Envelope, Record
from softbounce.ids import envelope_id, new_message_id
from softbounce.share import TENANTS

BODY = Body(octets=2)
PARCEL = Parcel(b"\r\n", BODY)


class NeverLate:
    """Nothing expires."""

    def ends_before_attempt(self, _: Work) -> bool:
        """It does not."""
        return False


def work(stream: str, tenant: int, *, tried: bool = False) -> Work:
    """A claimed envelope."""
    record = Record(id=envelope_id(new_message_id(0, tenant), 0), lane="a.test", stream=stream, charged=int(tried))
    record.envelope = Envelope(sender="s@app.test", recipient="r@a.test", domain="a.test", key="k", body=BODY)
    return Work(record, PARCEL)


@given(
    weights=st.lists(st.floats(min_value=0.1, max_value=20), min_size=2, max_size=5),
    blocks=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_issue13_6_streams_that_never_run_dry_get_what_their_weights_say(
    weights: list[float], blocks: list[int]
) -> None:
    """At every moment to within one envelope of each stream, however many of each come at a time."""
    backlog = Backlog(NeverLate(), lambda stream: weights[int(stream)])
    streams = [str(number) for number in range(len(weights))]
    waiting = dict.fromkeys(streams, 0)
    served = dict.fromkeys(streams, 0)
    for turn in range(200):
        for at, stream in enumerate(streams):
            if not waiting[stream]:
                block = blocks[(turn + at) % len(blocks)] + 1
                backlog.add(work(stream, 1) for _ in range(block))
                waiting[stream] += block
        (one,) = backlog.take(1)
        stream = one.share[0]
        waiting[stream] -= 1
        served[stream] += 1
        used = [served[stream] / weights[int(stream)] for stream in streams]
        assert max(used) - min(used) <= max(1 / weight for weight in weights) + 1e-6


@given(
    coming=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, TENANTS - 1), st.booleans(), st.integers(1, 5)), max_size=60
    ),
    takes=st.lists(st.integers(0, 9), max_size=60),
)
def test_issue13_6_whatever_comes_is_taken_once_and_each_share_in_its_order(
    coming: list[tuple[str, int, bool, int]], takes: list[int]
) -> None:
    """Nothing is lost among the shares, and none is left behind for ever."""
    backlog = Backlog(NeverLate(), lambda stream: 10.0 if stream == "a" else 1.0)
    added: list[Work] = []
    taken: list[Work] = []
    for at, (stream, tenant, tried, number) in enumerate(coming):
        some = [work(stream, tenant, tried=tried) for _ in range(number)]
        backlog.add(some)
        added += some
        for _ in range(takes[at] if at < len(takes) else 0):
            taken += backlog.take(1)
    while left := backlog.take(1):
        taken += left
    assert len(backlog) == 0
    assert sorted(map(id, taken)) == sorted(map(id, added))
    for share in {one.share for one in added}:
        assert [one for one in taken if one.share == share] == [one for one in added if one.share == share]
