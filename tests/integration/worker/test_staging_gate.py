"""The staging gate where mail leaves: whatever way an envelope came, a worker asks before it looks a name up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from delivery import BODY, SETTINGS, in_loop
from mx import Mx, Sleep
from ports import free_ports

from softbounce.gate import GateRules
from softbounce.road import BY_HAND_ONLY, Road, RouteRule
from softbounce.settings import LaneRule
from softbounce.store.kept_bodies import free_bodies
from softbounce.store.published import publish_settings

if TYPE_CHECKING:
    from delivery import Begin, Delivery

    from softbounce.settings import Settings

GATE = GateRules(allow=("*@accept.test",))
HERE, THERE = "127.88.5.9", "127.88.5.10"
GATED = msgspec.structs.replace(SETTINGS, gate=GATE)


def caught(port: int) -> Settings:
    """What the gate lets have no mail is taken there."""
    road = Road(host=HERE, port=port, tls="none")
    gate = msgspec.structs.replace(GATE, others_to=road)
    return msgspec.structs.replace(SETTINGS, gate=gate, route=(RouteRule(road=road, is_gated=True),))


def recipients(host: Mx) -> list[str]:
    """Whom it was named."""
    return [line.decode()[9:].split(">")[0] for lines in host.lines for line in lines if line.startswith(b"RCPT TO:<")]


async def held(delivery: Delivery, *ids: str) -> None:
    """Wait until all of these are held at the gate."""

    async def are() -> bool:
        return all(one.held_for == "gate" for one in await delivery.show(*ids))

    await delivery.until(are)


@in_loop
async def test_issue15_6_a_store_that_was_copied_from_production_mails_nobody(begin: Begin) -> None:
    """Its settings know no gate, its mail waits in many lanes: the worker's own file closes it, and asks no DNS."""
    async with begin() as delivery:
        delivery.process.own_gate = GATE
        ids = await delivery.send("ann@accept.test", *(f"one{number}@held{number}.test" for number in range(40)))
        await held(delivery, *ids[1:])
        (first, *others) = await delivery.settled(ids[0]) + await delivery.show(*ids[1:])
        assert first.state == "delivered"
        assert {one.state for one in others} == {"held"}
        assert not any("held" in name for name, _ in delivery.playground.queries)
        assert not any("held" in one for one in await delivery.commands())


@in_loop
async def test_issue15_6_what_is_sent_again_is_held_again(begin: Begin) -> None:
    """A resend, a release, a retry: nothing but the one clear act goes past it, and for that one envelope only."""
    async with begin(settings=GATED) as delivery:
        await delivery.store.run(free_bodies(0, GATED))
        (one,) = await delivery.send("ann@other.test")
        await held(delivery, one)
        assert await delivery.client.retry(one) == "held"
        assert await delivery.client.bounce(one) == "bounced"
        again = (await delivery.client.resend(one)).envelope_id
        assert again is not None
        await held(delivery, again)
        # The client knows of no gate here, as on a store whose settings are production's: the worker does.
        assert await delivery.client.release(again) == "released"
        await held(delivery, again)
        await delivery.host("other.test", Mx())
        assert await delivery.client.release(again, past_gate=True) == "released"
        (shown,) = await delivery.settled(again)
        assert shown.state == "delivered"


@in_loop
async def test_issue15_6_a_gate_that_is_closed_holds_what_waits_for_a_session(begin: Begin) -> None:
    """What a session has goes to its end; what waits behind it is held, though it was claimed before."""
    slow = Mx({"dot": (Sleep(0.4), "250 2.0.0 taken")})
    open_to_all = msgspec.structs.replace(SETTINGS, lane=(LaneRule(connections=1, recipients_per_message=1),))
    async with begin(settings=open_to_all) as delivery:
        await delivery.host("slow.test", slow)
        ids = await delivery.send(*(f"one{number}@slow.test" for number in range(6)))

        async def has_one_in_hand() -> bool:
            states = [one.state for one in await delivery.show(*ids)]
            return len(slow.bodies) - states.count("delivered") == 1 and states.count("attempting") > 1

        await delivery.until(has_one_in_hand)
        begun = len(slow.bodies)
        delivery.engine.apply(msgspec.structs.replace(open_to_all, gate=GATE))

        async def are_settled() -> bool:
            return all(one.state in {"delivered", "held"} for one in await delivery.show(*ids))

        await delivery.until(are_settled)
        states = [one.state for one in await delivery.show(*ids)]
        assert states.count("delivered") == begun == len(slow.bodies), states
        assert states.count("held") == len(ids) - begun, states


@in_loop
async def test_issue15_6_a_reload_without_the_table_does_not_open_it(begin: Begin) -> None:
    """It was closed by a reload, and the next file has lost the table: it stays closed until a new start."""
    async with begin() as delivery:
        await delivery.host("other.test", Mx())
        delivery.engine.apply(GATED)
        delivery.engine.apply(SETTINGS)
        (one,) = await delivery.send("ann@other.test")
        await held(delivery, one)
        wider = GateRules(allow=("*@accept.test", "*@other.test"))
        delivery.engine.apply(msgspec.structs.replace(SETTINGS, gate=wider))
        assert await delivery.client.release(one) == "released"
        (shown,) = await delivery.settled(one)
        assert shown.state == "delivered"


@in_loop
async def test_issue15_6_all_other_mail_goes_to_what_catches_it(begin: Begin) -> None:
    """No name of it is looked up and no host called; who is allowed gets mail, and what a person lets past."""
    catcher, port = Mx(), free_ports(1)[0]
    async with begin(settings=caught(port)) as delivery:
        await delivery.listen(catcher, HERE, port)
        ids = await delivery.send("ann@accept.test", *(f"one{number}@held{number}.test" for number in range(40)))
        shown = await delivery.settled(*ids)
        assert {one.state for one in shown} == {"delivered"}
        assert sorted(recipients(catcher)) == sorted(one.recipient for one in shown[1:])
        assert not any("held" in name for name, _ in delivery.playground.queries)
        assert not any("held" in one for one in await delivery.commands())
        assert [one.attempts[-1].address for one in shown[1:]] == [HERE] * 40


@in_loop
async def test_issue15_6_a_redirect_by_hand_leads_around_no_gate(begin: Begin) -> None:
    """What is caught here is caught all the same; only whom the gate allows is sent by that route."""
    catcher, relay, ports = Mx(), Mx(), free_ports(2)
    settings = caught(ports[0])
    backup = RouteRule(name="backup", road=Road(host=THERE, port=ports[1]), by_hand=True, after_attempts=BY_HAND_ONLY)
    settings = msgspec.structs.replace(settings, version=1, route=(*settings.route, backup))
    async with begin(settings=settings) as delivery:
        assert await delivery.store.run(publish_settings(settings, over=0))
        await delivery.listen(catcher, HERE, ports[0])
        await delivery.listen(relay, THERE, ports[1])
        soon = datetime.now(UTC) + timedelta(hours=1)
        receipt = await delivery.client.send(
            sender="app@shop.test", recipients=["ann@accept.test", "bob@held.test"], message=BODY, at=soon
        )
        ids = list(receipt.envelopes.values())
        for one in ids:
            assert await delivery.client.redirect(one, route="backup") == "changed"
            assert await delivery.client.retry(one) == "scheduled"
        assert [one.state for one in await delivery.settled(*ids)] == ["delivered", "delivered"]
        assert (recipients(relay), recipients(catcher)) == (["ann@accept.test"], ["bob@held.test"])


@in_loop
async def test_issue15_6_what_waited_elsewhere_before_is_caught_too(begin: Begin) -> None:
    """In the lane of the world's hosts, deferred there or in hand: none of it goes there once there is a gate."""
    catcher, port = Mx(), free_ports(1)[0]
    world = Mx({"RCPT": "451 4.2.0 not now"})
    async with begin() as delivery:
        await delivery.listen(catcher, HERE, port)
        await delivery.host("other.test", world)
        ids = await delivery.send(*(f"one{number}@other.test" for number in range(5)))

        async def all_are_deferred() -> bool:
            return all(one.attempts for one in await delivery.show(*ids))

        await delivery.until(all_are_deferred)
        delivery.own_roads.settings = caught(port)
        delivery.engine.apply(caught(port))
        asked = len(recipients(world))
        for one in ids:
            await delivery.client.retry(one)

        async def all_are_delivered() -> bool:
            return {one.state for one in await delivery.show(*ids)} == {"delivered"}

        await delivery.until(all_are_delivered)
        assert len(recipients(catcher)) == 5
        assert len(recipients(world)) == asked


@in_loop
async def test_issue15_6_a_catcher_that_only_the_worker_s_file_names_gets_nothing(begin: Begin) -> None:
    """A copied store's settings name no road to it: its mail is held, as without one."""
    async with begin() as delivery:
        await delivery.host("other.test", world := Mx())
        delivery.process.own_gate = caught(1025).gate
        (one,) = await delivery.send("ann@other.test")
        await held(delivery, one)
        assert world.connections == 0
