"""What waits for a domain just resolved goes on unclaimed, by the road that its routes name."""

from __future__ import annotations

import pytest
from delivery import POLICY, Begin, in_loop
from mx import Mx
from ports import free_ports

from softbounce.envelope import Record
from softbounce.road import Road, RouteRule
from softbounce.settings import Settings
from softbounce.store import claiming
from softbounce.store.call import Operation

HERE = "127.88.5.9"
LETTERS = 600
OTHER_SENDER = "a@sender2.test"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bodies were read, call by call."""
    numbers: list[int] = []
    bodies = claiming.bodies

    def counted(records: list[Record]) -> Operation[list[bytes | None]]:
        numbers.append(len(records))
        return bodies(records)

    monkeypatch.setattr(claiming, "bodies", counted)
    return numbers


@in_loop
async def test_issue12_what_waits_is_moved_to_the_smarthost_that_its_header_tells(
    begin: Begin, read: list[int]
) -> None:
    """Six hundred letters to one new domain, which a route sends to a smarthost: most are read but once."""
    relay, port = Mx(), free_ports(1)[0]
    rules = Settings(policies={"default": POLICY}, route=(RouteRule(domain="d.test", road=Road(host=HERE, port=port)),))
    async with begin(settings=rules) as mail:
        await mail.listen(relay, HERE, port)
        mail.release_no_more()
        sent = [await mail.send(f"x{number}@d.test") for number in range(LETTERS)]
        mail.release_again()
        shown = await mail.settled(*(one for ids in sent for one in ids), seconds=30)
        assert {(one.state, one.site) for one in shown} == {("delivered", HERE)}
        assert sum(read) < LETTERS * 3 / 2


@in_loop
async def test_issue12_where_a_route_asks_for_more_than_a_header_tells_each_is_looked_at(begin: Begin) -> None:
    """Of what waits for one new domain a smarthost gets what one sender sent, and the domain's hosts all else."""
    relay, mx, port = Mx(), Mx(), free_ports(1)[0]
    rules = Settings(
        policies={"default": POLICY}, route=(RouteRule(sender=OTHER_SENDER, road=Road(host=HERE, port=port)),)
    )
    async with begin(settings=rules) as mail:
        await mail.listen(relay, HERE, port)
        await mail.host("d.test", mx)
        mail.release_no_more()
        sent = [
            await mail.send(f"x{number}@d.test", sender=sender)
            for number in range(LETTERS // 2)
            for sender in ("b@c.test", OTHER_SENDER)
        ]
        mail.release_again()
        shown = await mail.settled(*(one for ids in sent for one in ids), seconds=30)
        assert {one.state for one in shown} == {"delivered"}
        assert (len(relay.bodies), len(mx.bodies)) == (LETTERS // 2, LETTERS // 2)
