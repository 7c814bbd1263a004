"""What stands between an attempt and a second copy: the marker before the dot, its age, the journal before a commit."""

from __future__ import annotations

from pathlib import Path

from delivery import Begin, Delivery, in_loop
from mx import Mx, Sleep
from proxy import Proxy
from servers import Valkey
from softbounce_worker.results.journal import read_entries

from softbounce.envelope import Flag, Record
from softbounce.ids import parse_id
from softbounce.store import membership, reading
from softbounce.store.call import Call
from softbounce.store.lanes import take_lanes

SLOW_DOT = {"dot": (Sleep(0.4), "250 2.0.0 taken")}
TAKEN_LATE = {"DATA": (Sleep(0.3), "354 go on")}


async def stored(mail: Delivery, identity: str) -> Record:
    """The record as the store has it."""
    (record,) = await mail.store.run(reading.fetch([parse_id(identity)]))
    assert record is not None
    return record


@in_loop
async def test_M12_the_marker_is_stored_before_the_dot_leaves(begin: Begin) -> None:
    """When the host has the dot the store has the marker, so a crash can tell safe from uncertain."""
    host = Mx(SLOW_DOT)
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("x@a.test")
        await mail.until_true(lambda: bool(host.bodies))
        assert (await stored(mail, identity)).flags & Flag.MARKED
        (shown,) = await mail.settled(identity)
        assert shown.state == "delivered"
        assert not (await stored(mail, identity)).flags & Flag.MARKED


@in_loop
async def test_F06_who_lost_its_lease_sends_no_dot(begin: Begin) -> None:
    """The sweep took the process off between RCPT and 354: no octet of the content leaves."""
    host = Mx(TAKEN_LATE)
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.send("x@a.test")
        await mail.until_true(lambda: bool(host.count("DATA")))
        await mail.store.run(membership.lapse(mail.process.name, 0))
        await mail.wait(0.6)
        assert host.bodies == []


@in_loop
async def test_issue10_11_not_live_in_a_claim_a_mark_or_a_lane_s_taking_is_a_lost_lease(begin: Begin) -> None:
    """Whoever reads that answer first ends what this process does, once, and nothing is asked again meanwhile."""
    host = Mx(TAKEN_LATE)
    async with begin() as mail:
        lost: list[str] = []
        mail.process.lost = lambda: lost.append("lost")
        await mail.host("a.test", host)
        await mail.send("x@a.test")
        await mail.until_true(lambda: bool(host.count("DATA")))
        await mail.store.run(membership.lapse(mail.process.name, 0))
        await mail.send("y@a.test")
        await mail.until_true(lambda: mail.process.is_lost)
        calls = await scripts_run(mail)
        await mail.wait(1.0)
        assert lost == ["lost"]
        assert host.bodies == []
        assert await scripts_run(mail) - calls < 200  # the test's own releases, and no more than that


async def scripts_run(mail: Delivery) -> int:
    """How many scripts the store ran so far."""
    (found,) = await mail.store.call([Call.read(0, b"INFO", b"commandstats")])
    return int(found.split(b"cmdstat_evalsha:calls=")[1].split(b",")[0])


@in_loop
async def test_F15_the_answer_to_a_mark_that_is_older_than_the_lease_covers_no_dot(
    store_server: Valkey, tmp_path: Path
) -> None:
    """It was given in time and came late: meanwhile the sweep took the process off, which asking again brings out."""
    host = Mx(TAKEN_LATE)
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            mail.engine.ledger._lease_seconds = 0.2
            await mail.host("a.test", host)
            (identity,) = await mail.send("x@a.test")
            await mail.until_true(lambda: bool(host.count("DATA")))
            proxy.late_replies = 0.5
            raw = store_server.client()

            def is_marked() -> bool:
                record = Record.unpack(b"", raw.hget("sb:{0}:e", parse_id(identity)) or b"")
                return bool(record.flags & Flag.MARKED)

            await mail.until_true(is_marked)
            raw.srem("sb:{0}:live", mail.process.name)
            await mail.wait(0.8)
            proxy.late_replies = 0.0
            await mail.wait(0.8)
            assert host.bodies == []
            raw.close()


@in_loop
async def test_F05_a_result_stands_in_the_journal_before_its_commit_leaves(
    store_server: Valkey, tmp_path: Path
) -> None:
    """The store goes away while the dot is under way: the 250 is written down, and committed when the store is back."""
    host = Mx(SLOW_DOT)
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            await mail.host("a.test", host)
            (identity,) = await mail.send("x@a.test")
            await mail.until_true(lambda: bool(host.bodies))
            (path,) = tmp_path.glob("*.journal")  # noqa: ASYNC240 - a look into a small folder
            with proxy.away():
                await mail.until_true(lambda: path.stat().st_size > 0)
                with path.open("rb") as file:
                    (entry,) = read_entries(file.fileno())
                assert entry.id == parse_id(identity)
            (shown,) = await mail.settled(identity)
            assert shown.state == "delivered"
            assert len(shown.attempts) == len(host.bodies) == 1


@in_loop
async def test_F07_a_result_stands_in_the_journal_while_another_is_on_its_way(
    store_server: Valkey, tmp_path: Path
) -> None:
    """The commit before it takes its time, and a kill meanwhile must not forget it."""
    first, second = Mx({"dot": (Sleep(0.2), "250 taken")}), Mx({"dot": (Sleep(0.4), "250 taken")})
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            await mail.host("a.test", first)
            await mail.host("b.test", second)
            ids = await mail.send("x@a.test", "x@b.test")
            await mail.until_true(lambda: bool(first.bodies) and bool(second.bodies))
            (path,) = tmp_path.glob("*.journal")  # noqa: ASYNC240 - a look into a small folder
            proxy.late_replies = 3.0

            def written() -> set[bytes]:
                with path.open("rb") as file:
                    return {entry.id for entry in read_entries(file.fileno())}

            await mail.until_true(lambda: written() == {parse_id(one) for one in ids}, 1.5)
            proxy.late_replies = 0.0
            assert {one.state for one in await mail.settled(*ids)} == {"delivered"}


@in_loop
async def test_F14_a_lane_whose_taking_was_not_answered_is_taken_when_it_is_woken(begin: Begin) -> None:
    """The store has this process as its owner, which does not know: a wake-up for it is an offer."""
    async with begin() as mail:
        await mail.store.run(take_lanes(mail.process.name, ["nobody.test"]))
        mail.engine.hear(b"0|nobody.test|0|")
        await mail.until_true(lambda: mail.engine.owns("nobody.test"), 1.0)
