"""What is remembered of addresses, whatever comes in whatever order: bounded, one probe at a time, nobody for ever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from softbounce_worker.lane.address_memory import BEHIND_MOST, MOST_OF_A_LANE, MOST_OF_ALL, PATIENCE, AddressMemory

LANES, ADDRESSES, IDENTITIES = ["a", "b"], [("one@a.test",), ("two@a.test", "app@x.test")], [b"1", b"2", b"3"]
ACTS = ["remember", "forget", "ask", "vacate", "adopt"]
steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 30.0, 4000.0]),
        st.sampled_from(ACTS),
        st.sampled_from(LANES),
        st.sampled_from(ADDRESSES),
        st.sampled_from(IDENTITIES),
        st.sampled_from([1.0, 300.0, 14_400.0]),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_one_goes_and_the_others_wait_behind_it_but_not_for_ever(
    history: list[tuple[float, str, str, tuple[str, ...], bytes, float]],
) -> None:
    """Who waits does so until a little after the probe; when that is overdue, the next one that asks is the probe."""
    memory, now = AddressMemory(), 1000.0
    for pause, act, lane, address, identity, seconds in history:
        now += pause
        probe = memory.probe_of(lane, address)
        match act:
            case "remember":
                memory.remember(lane, address, identity, now + seconds, now)
            case "forget":
                assert memory.forget(lane, address) == (probe is not None)
                assert memory.wait_for(lane, address, identity, now) == 0
            case "ask":
                left = 0.0 if probe is None else max(0.0, probe.next_at - now)
                wait = memory.wait_for(lane, address, identity, now)
                assert 0 <= wait <= left + BEHIND_MOST
                assert wait == 0 or (probe is not None and probe.identity != identity)
            case "vacate":
                memory.vacate(lane, address, now)
                assert memory.wait_for(lane, address, b"next", now) == 0
            case _:
                memory.adopt(lane, address, identity, now)
        assert len(memory) == sum(memory.probe_of(one, other) is not None for one in LANES for other in ADDRESSES)
    for lane in LANES:
        for address in ADDRESSES:
            probe = memory.probe_of(lane, address)
            if probe is not None:
                later = max(now, probe.next_at) + PATIENCE * BEHIND_MOST
                assert memory.wait_for(lane, address, b"any", later) == 0
                assert memory.wait_for(lane, address, b"more", later) > 0


def test_a_lane_and_a_process_remember_so_many_addresses() -> None:
    """The oldest are forgotten: a newsletter to ten thousand that greylist fills no memory."""
    memory = AddressMemory()
    for number in range(10_000):
        memory.remember("a", (f"r{number}@a.test",), b"1", 2000.0, 1000.0)
    assert len(memory) == MOST_OF_A_LANE
    assert memory.probe_of("a", ("r0@a.test",)) is None
    assert memory.probe_of("a", ("r9999@a.test",)) is not None
    for number in range(30_000):
        memory.remember(f"lane{number}", ("r@a.test",), b"1", 2000.0, 1000.0)
    assert len(memory) == MOST_OF_ALL


def test_what_is_over_is_not_taken_up_again() -> None:
    """What waited behind it comes forward, and goes."""
    memory = AddressMemory()
    memory.remember("a", ("r@a.test",), b"probe", 2000.0, 1000.0)
    memory.forget("a", ("r@a.test",))
    memory.adopt("a", ("r@a.test",), b"probe", 1001.0)
    assert memory.wait_for("a", ("r@a.test",), b"next", 1001.0) == 0
    memory.adopt("a", ("r@a.test",), b"another", 1001.0)
    assert memory.wait_for("a", ("r@a.test",), b"next", 1001.0) > 0
