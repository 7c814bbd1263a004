"""An operator has a closed site asked now: the order reaches its worker, one goes, and its outcome decides as ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from delivery import Begin, Delivery, in_loop
from mx import Mx

from softbounce.client import ProbeAnswer
from softbounce.client.closed_sites import closed_words
from softbounce.errors import InvalidArgument, NotFound
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store import keys
from softbounce.store.call import Call, Operation, first
from softbounce.store.lanes import lane_states
from softbounce.store.wake_ups import listen

SENT = 12


@asynccontextmanager
async def listening(mail: Delivery) -> AsyncIterator[None]:
    """The worker hears what is said to it, as its service has it do."""
    channel = keys.to_process(mail.process.name)
    begun = asyncio.Event()

    def hear(_: bytes, text: bytes) -> None:
        begun.set()
        mail.engine.hear(text)

    task = asyncio.create_task(listen(mail.store, [channel], hear))
    await asyncio.wait_for(begun.wait(), 5)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def closed(mail: Delivery, host: Mx) -> list[str]:
    """A site that shut us out, and what waits for it."""
    await mail.host("a.test", host)
    ids = [one for number in range(SENT) for one in await mail.send(f"r{number}@a.test")]
    await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))

    async def all_wait() -> bool:
        return {one.state for one in await mail.show(*ids)} == {"ready"}

    await mail.until(all_wait)
    return ids


@in_loop
async def test_issue15_a_mended_site_is_asked_at_once_and_all_follow(begin: Begin) -> None:
    """It would have been closed for half a minute; the order is in the log of actions, with who gave it."""
    host = Mx({"greeting": "554 5.7.1 listed"})
    async with begin() as mail, listening(mail):
        ids = await closed(mail, host)
        (would,) = await mail.client.probe("a.test", dry_run=True)
        assert (would.answer, would.site, mail.lane_of("a.test").is_closed) == (ProbeAnswer.WOULD, True, True)
        host.say("greeting", None)
        (one,) = await mail.client.probe("A.test.", by="night@here")
        assert (one.answer, one.site, one.domains, one.senders, one.ready) == (ProbeAnswer.ASKED, True, (), (), SENT)
        assert {shown.state for shown in await mail.settled(*ids, seconds=5)} == {"delivered"}
        assert await mail.client.probe("a.test") == []
        (logged,) = await mail.client.actions()
        assert (logged.action, logged.by, logged.answers, logged.can_undo) == (
            "probe", "night@here", {"asked": 1}, False,
        )  # fmt: skip


@in_loop
async def test_issue15_a_site_that_is_not_mended_is_closed_for_longer_by_one_connection(begin: Begin) -> None:
    """The order opens nothing, charges nobody, and repeated at once it is not heeded: a loop of them hammers nobody."""
    host = Mx({"greeting": "554 5.7.1 listed"})
    async with begin() as mail, listening(mail):
        ids = await closed(mail, host)
        site = mail.lane_of("a.test").trouble.machine.site
        before, length = host.connections, site.length
        await mail.client.probe("a.test")
        await mail.until_true(lambda: site.failures == 2)
        assert site.length > length
        assert host.connections == before + 1
        for _ in range(20):
            await mail.client.probe("a.test")
        await mail.wait(0.3)
        assert (site.failures, host.connections) == (2, before + 1)
        assert [shown.state for shown in await mail.show(*ids)] == ["ready"] * SENT


@in_loop
async def test_issue14_before_a_retry_it_is_said_what_is_closed(begin: Begin) -> None:
    """By the site's name or a domain's, or of all; nothing where nothing is; and what helps."""
    host = Mx({"greeting": "554 5.7.1 listed"})
    async with begin() as mail, listening(mail):
        assert await mail.client.closed_sites() == []
        await closed(mail, host)

        async def is_saved() -> bool:
            return bool(await mail.client.closed_sites())

        await mail.until(is_saved)
        (everywhere,) = await mail.client.closed_sites()
        for name in ("a.test", everywhere.site):
            assert await mail.client.closed_sites(site=name) == [everywhere]
        assert await mail.client.closed_sites(site="a.*") == [everywhere]
        for name in ("nowhere.test", "x" * 400):
            assert await mail.client.closed_sites(site=name) == []
        assert everywhere.binds(domain="b.test", sender="shop.test")
        words = f"What goes to {everywhere.site} waits until that opens: a retry opens nothing, `softbounce probe "
        assert closed_words([everywhere]) == f"{words}{everywhere.site}` has it asked at once."
        assert closed_words([]) == ""


@in_loop
async def test_issue14_a_sender_s_line_is_brought_forward_by_a_probe(begin: Begin) -> None:
    """It is closed for that sender alone, for ten minutes: one that stands in line goes now, and all follow it."""
    host = Mx(by_sender={"@tenant.test": "451 4.7.26 Unauthenticated: the DMARC policy of tenant.test"})
    patient = LaneRule(close_first=timedelta(minutes=10), close_cap=timedelta(hours=1))
    policies = {"default": Policy(name="default", delays=(timedelta(hours=1),), jitter=0.0)}
    async with begin(settings=Settings(policies=policies, lane=(patient,))) as mail, listening(mail):
        await mail.host("a.test", host)
        ids = [one for number in range(40) for one in await mail.send(f"r{number}@a.test", sender="app@tenant.test")]
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})

        async def waiting() -> list[str]:
            shown = await mail.show(*ids)
            return [one.id for one in shown if one.state == "scheduled" and not any(a.charged for a in one.attempts)]

        async def all_wait() -> bool:
            return {one.state for one in await mail.show(*ids)} == {"scheduled"}

        await mail.until(all_wait)
        line = await waiting()
        assert len(line) > 20
        host.cure()
        (seen,) = await mail.client.closed_sites(site="a.test")
        assert (seen.whole, seen.senders) == (False, ("tenant.test",))
        assert (seen.binds(domain="a.test", sender="tenant.test"), seen.binds(domain="a.test", sender="x.test")) == (
            True,
            False,
        )
        assert closed_words([seen]).startswith(f"Some of what goes to {seen.site} waits for what is closed there: ")
        (told,) = await mail.client.probe("a.test")
        assert (told.answer, told.site, told.senders) == (ProbeAnswer.ASKED, False, ("tenant.test",))

        async def all_went() -> bool:
            return {one.state for one in await mail.show(*line)} == {"delivered"}

        await mail.until(all_went)


@in_loop
async def test_issue15_a_lane_that_nobody_has_is_asked_by_whoever_takes_it(begin: Begin) -> None:
    """Its worker died: that its time is up is in what is remembered, and the order may be given twice."""
    host = Mx({"greeting": "554 5.7.1 listed"})
    async with begin() as mail:
        await closed(mail, host)
        lane = mail.lane_of("a.test").name

        async def is_saved() -> bool:
            (state,) = await mail.store.run(lane_states([lane]))
            return state.failures == 1

        await mail.until(is_saved)
        (unheard,) = await mail.client.probe("a.test")
        assert unheard.answer is ProbeAnswer.UNHEARD
        gone = Call.read(keys.HOME, b"DEL", keys.key(keys.HOME, "owner"))
        await mail.store.run(Operation((gone,), first))
        for _ in range(2):
            (noted,) = await mail.client.probe("a.test")
            assert noted.answer is ProbeAnswer.NOTED
        (state,) = await mail.store.run(lane_states([lane]))
        assert (state.failures, state.closed_until_ms <= mail.process.clock.now_ms(keys.HOME)) == (1, True)


@in_loop
async def test_issue15_a_name_that_is_none_is_an_error_and_an_unknown_one_too(begin: Begin) -> None:
    """Whatever is typed."""
    async with begin() as mail:
        for name in ("", "a\n.test", "x" * 400):
            with pytest.raises(InvalidArgument, match="no name of a site"):
                await mail.client.probe(name)
        for name in ("*", "nowhere.test"):
            with pytest.raises(NotFound):
                await mail.client.probe(name)
        await mail.deliver("x@a.test")
        assert await mail.client.probe("a.test") == []
