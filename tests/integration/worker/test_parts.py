"""A site whose mail is split into parts, and what becomes of it when their number changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from delivery import BODY, POLICY, SENDER, Begin, Delivery, in_loop
from mx import Mx

from softbounce.ids import parse_id
from softbounce.road import part_of
from softbounce.routing import part_for
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store import reading

SOON = Policy(name="default", delays=(timedelta(seconds=2),), jitter=0.0)


def split(parts: int, policy: Policy = POLICY) -> Settings:
    """Settings by which every site has so many parts."""
    return Settings(policies={"default": policy}, lane=(LaneRule(parts=parts),))


async def send_each(mail: Delivery, number: int) -> list[str]:
    """So many messages, each to a mailbox of its own; the ids of their envelopes."""
    receipts = await mail.client.send_many(
        {"sender": SENDER, "recipients": [f"r{one}@a.test"], "message": BODY} for one in range(number)
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def lanes_by_part(mail: Delivery, ids: Sequence[str]) -> dict[int, set[str]]:
    """By the part that envelopes should be in of four, the lanes in which they are."""
    found: dict[int, set[str]] = {}
    for record in await mail.store.run(reading.fetch([parse_id(one) for one in ids])):
        assert record is not None
        found.setdefault(part_for(record.id, 4), set()).add(record.lane)
    return found


@in_loop
async def test_issue13_4_each_part_is_a_lane_of_its_own(begin: Begin) -> None:
    """More wait than one claim takes, so that the store splits some of them: each ends in its part."""
    host = Mx()
    async with begin(settings=split(4)) as mail:
        mail.engine.send_hints_by(mail.engine.offer)  # as a job would
        await mail.host("a.test", host)
        ids = await send_each(mail, 400)
        await mail.settled(*ids, seconds=30)
        found = await lanes_by_part(mail, ids)
        assert {part: {part_of(lane) for lane in lanes} for part, lanes in found.items()} == {n: {n} for n in range(4)}
        assert {one.site for one in await mail.show(*ids)} == {"a.test"}
        assert {one.state for one in await mail.show(*ids)} == {"delivered"}
    assert host.count("DATA") == 400


@in_loop
async def test_issue13_4_the_number_of_parts_changes_under_mail_that_waits(begin: Begin) -> None:
    """From one to four and back: each retry goes to the part that counts then, and none is lost or goes twice."""
    host = Mx({"RCPT": [*["450 4.2.1 mailbox busy"] * 20, "250 ok"]})
    async with begin(settings=split(1, SOON)) as mail:
        mail.engine.send_hints_by(mail.engine.offer)  # as a job would
        await mail.host("a.test", host)
        ids = await send_each(mail, 20)
        await mail.tried(*ids)
        mail.engine.apply(split(4, SOON))
        await mail.until_true(lambda: sum("~" in name and part_of(name) > 0 for name in mail.engine.lanes) > 1)
        more = await send_each(mail, 20)
        await mail.until_true(lambda: host.count("DATA"))
        mail.engine.apply(split(1, SOON))

        async def all_are() -> bool:
            return {one.state for one in await mail.show(*ids, *more)} == {"delivered"}

        await mail.until(all_are, 15)
    assert sum(map(bool, host.bodies)) == 40  # PIPELINING: a refused recipient costs an empty one
