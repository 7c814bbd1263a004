"""Routes by LMTP, and to MX hosts from our own address, by our own name, over one family or the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from delivery import PATIENT, POLICY, Begin, Delivery, in_loop
from mx import CLOSE, HANG, RESET, Mx, Reaction
from ports import free_ports
from smarthost import Lmtp
from softbounce_playground import Zone
from softbounce_worker.session.dialling import Timeouts

from softbounce import Shown
from softbounce.ids import parse_id
from softbounce.road import Family, Road, RouteRule
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store import reading

HERE = "127.88.5.1"
SOURCE = "127.88.99.7"
SOON = Policy(name="default", delays=(timedelta(milliseconds=150),), jitter=0.0)


def settings(road: Road, *, policy: Policy = POLICY, **changes: object) -> Settings:
    """All mail takes this road."""
    return Settings(policies={"default": policy}, route=(RouteRule(road=road),), **changes)  # type: ignore[arg-type]


def in_order(agent: Mx, shown: Sequence[Shown]) -> list[Shown]:
    """The envelopes in the order in which their recipients were named."""
    named = [line.partition(b"<")[2].partition(b">")[0].decode() for line in agent.commands if line.startswith(b"RCPT")]
    return sorted(shown, key=lambda one: named.index(one.recipient))


# -- LMTP -------------------------------------------------------------------------------------------------------------


@in_loop
async def test_issue12_LMTP_by_a_unix_socket(begin: Begin, tmp_path: Path) -> None:
    """LHLO, one transaction, and an answer of its own for each recipient."""
    path = tmp_path / "lmtp"
    agent = Lmtp({"dot": ["250 2.1.5 one", "452 4.2.2 two is full", "550 5.1.1 three is gone"]})
    async with begin(settings=settings(Road(protocol="lmtp", socket=str(path)))) as mail:
        await agent.listen_at(path)
        shown = in_order(agent, await mail.deliver("one@a.test", "two@a.test", "three@a.test"))
        assert [one.state for one in shown] == ["delivered", "scheduled", "bounced"]
        assert [one.attempts[-1].text for one in shown] == ["one", "two is full", "three is gone"]
        assert {one.attempts[-1].address for one in shown} == {f"unix:{path}"}
        assert (agent.count("LHLO"), agent.count("EHLO")) == (agent.connections, 0)
        assert shown[2].bounce is not None
        assert shown[2].bounce.suppress
        await agent.close()


@in_loop
async def test_issue12_LMTP_by_a_host_and_many_transactions(begin: Begin) -> None:
    """The session goes on after the last answer; recipients that were refused have none."""
    agent, (port,) = Lmtp({"RCPT": ["250 ok", "550 5.1.1 no", "250 ok", "250 ok"]}), free_ports(1)
    rules = settings(Road(protocol="lmtp", host=HERE, port=port), lane=(LaneRule(site=HERE, connections=1),))
    async with begin(settings=rules) as mail:
        await mail.listen(agent, HERE, port)
        first = in_order(agent, await mail.deliver("one@a.test", "two@a.test", "three@a.test"))
        second = await mail.deliver("four@b.test")
        assert [one.state for one in (*first, *second)] == ["delivered", "bounced", "delivered", "delivered"]
        assert agent.connections == 1


ENDS: dict[str, Reaction] = {"closes": CLOSE, "resets": RESET, "hangs": HANG, "says nonsense": b"what?\r\n"}


@pytest.mark.parametrize("name", ENDS)
@in_loop
async def test_issue12_LMTP_that_ends_among_its_answers(begin: Begin, name: str) -> None:
    """Whoever had an answer has it; the others are uncertain, and nobody else (RFC 2033 §4.2)."""
    agent, (port,) = Lmtp({"dot": ["250 2.1.5 one", ENDS[name]]}), free_ports(1)
    policy = Policy(name="default", delays=(timedelta(hours=1),), on_uncertain="hold")
    brief = Timeouts(**{**{one: getattr(PATIENT, one) for one in Timeouts.__dataclass_fields__}, "end_of_data": 0.5})
    async with begin(
        settings=settings(Road(protocol="lmtp", host=HERE, port=port), policy=policy), timeouts=brief
    ) as mail:
        await mail.listen(agent, HERE, port)
        shown = in_order(agent, await mail.deliver("one@a.test", "two@a.test", "three@a.test"))
        assert [one.state for one in shown] == ["delivered", "held", "held"]
        assert [one.attempts[-1].uncertain for one in shown] == [False, True, True]


@in_loop
async def test_issue12_LMTP_that_answers_once_for_all_makes_no_copies_for_ever(begin: Begin) -> None:
    """Who had no answer is uncertain once; from then on each recipient has a transaction of its own."""

    class Terse(Lmtp):
        async def _answer_dot(self, peer: Any) -> None:  # noqa: ANN401
            peer.accepted = 1
            await super()._answer_dot(peer)

    agent, (port,) = Terse(), free_ports(1)
    brief = Timeouts(**{**{one: getattr(PATIENT, one) for one in Timeouts.__dataclass_fields__}, "end_of_data": 0.5})
    rules = settings(Road(protocol="lmtp", host=HERE, port=port), policy=SOON)
    async with begin(settings=rules, timeouts=brief) as mail:
        await mail.listen(agent, HERE, port)
        ids = await mail.send(*(f"r{number}@a.test" for number in range(6)))

        async def all_are() -> bool:
            return all(one.state == "delivered" for one in await mail.show(*ids))

        await mail.until(all_are, 15)
        assert max(len(one.attempts) for one in await mail.show(*ids)) == 2


@in_loop
async def test_issue12_LMTP_where_nobody_is_accepted(begin: Begin) -> None:
    """503 to DATA, or even 354: no content is sent, and the next message goes."""
    agent, (port,) = Lmtp({"RCPT": ["550 5.1.1 no", "250 ok"]}), free_ports(1)
    async with begin(settings=settings(Road(protocol="lmtp", host=HERE, port=port))) as mail:
        await mail.listen(agent, HERE, port)
        shown = [*await mail.deliver("one@a.test"), *await mail.deliver("two@a.test")]
        assert [one.state for one in shown] == ["bounced", "delivered"]
        assert len(agent.bodies) == 1


@in_loop
async def test_issue12_an_SMTP_server_that_is_taken_for_LMTP_bounces_nothing(begin: Begin) -> None:
    """It refuses LHLO: the lane closes."""
    relay, (port,) = Mx({"LHLO": "500 5.5.1 what"}), free_ports(1)
    async with begin(settings=settings(Road(protocol="lmtp", host=HERE, port=port))) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("one@a.test"))
        assert (shown.state, shown.attempts[-1].stage, shown.attempts[-1].charged) == ("ready", "ehlo", False)
        assert (relay.connections, relay.count("HELO")) == (1, 0)


@in_loop
async def test_issue12_a_socket_that_is_not_there_bounces_nothing(begin: Begin, tmp_path: Path) -> None:
    """The lane closes, and says why."""
    async with begin(settings=settings(Road(protocol="lmtp", socket=str(tmp_path / "none")))) as mail:
        (shown,) = await mail.tried(*await mail.send("one@a.test"))
        assert (shown.state, shown.attempts[-1].stage) == ("ready", "connect")
        assert "No such file or directory" in shown.attempts[-1].text


# -- our own address and name -----------------------------------------------------------------------------------------


@in_loop
async def test_issue12_a_road_has_its_own_address_and_name(begin: Begin) -> None:
    """MX hosts are dialled from there, and hear that name; mail beside it goes as usual, by a lane of its own."""
    seen: list[str] = []
    host = Mx()
    talk = host._talk

    async def listen(peer: object) -> None:
        seen.append(peer.writer.get_extra_info("peername")[0])  # type: ignore[attr-defined]
        await talk(peer)  # type: ignore[arg-type]

    host._talk = listen  # type: ignore[method-assign]
    road = Road(source=(SOURCE,), hostname="news.sender.test")
    rules = Settings(policies={"default": POLICY}, route=(RouteRule(sender="news@*", road=road),))
    async with begin(settings=rules) as mail:
        await mail.host("a.test", host)
        (one,) = await mail.deliver("r@a.test", sender="news@sender.test")
        (two,) = await mail.deliver("r@a.test")
        assert (one.state, two.state, one.site, two.site) == ("delivered", "delivered", "a.test", "a.test")
    assert seen[0] == SOURCE
    assert seen[1] != SOURCE
    assert [lines[0] for lines in host.lines] == [b"EHLO news.sender.test", b"EHLO client.test"]


@in_loop
async def test_issue12_an_address_that_is_not_ours_bounces_nothing(begin: Begin) -> None:
    """The lane closes at once, and says so: waiting for ports would help nobody."""
    async with begin(settings=settings(Road(source=("192.0.2.1",)))) as mail:
        await mail.host("a.test", host := Mx())
        (shown,) = await mail.tried(*await mail.send("r@a.test"), seconds=4)
        assert (shown.state, host.connections) == ("ready", 0)
        assert "192.0.2.1 is not ours" in shown.attempts[-1].text


# -- IPv4 and IPv6 ----------------------------------------------------------------------------------------------------


async def dual(mail: Delivery, six: Mx, four: Mx) -> None:
    """A domain with one host that has both, each answered by another."""
    port = mail.playground.smtp_port
    await mail.listen(six, "::1", port)
    await mail.listen(four, HERE, port)
    mail.playground.zone["a.test"] = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": HERE}, aaaa={"mx.a.test": "::1"})


@pytest.mark.parametrize(
    ("family", "taken"),
    [("both", (0, 1)), ("prefer4", (0, 1)), ("prefer6", (1, 0)), ("only4", (0, 1)), ("only6", (1, 0))],
)
@pytest.mark.parametrize("by_road", [False, True])
@in_loop
async def test_issue12_which_family_is_dialled(
    begin: Begin, family: Family, taken: tuple[int, int], *, by_road: bool
) -> None:
    """By the lane's rule, or by the road, which outranks it."""
    other: Family = "only4" if "6" in family else "only6"
    rules = Settings(
        policies={"default": POLICY},
        lane=(LaneRule(family=other if by_road else family),),
        route=(RouteRule(road=Road(family=family)),) if by_road else (),
    )
    six, four = Mx(), Mx()
    async with begin(settings=rules) as mail:
        await dual(mail, six, four)
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == "delivered"
        assert (len(six.bodies), len(four.bodies)) == taken


@in_loop
async def test_issue12_the_other_family_is_dialled_where_the_preferred_is_down(begin: Begin) -> None:
    """Preferred is not only."""
    rules = Settings(policies={"default": POLICY}, lane=(LaneRule(family="prefer6"),))
    async with begin(settings=rules) as mail:
        await dual(mail, Mx({"greeting": "554 no"}), four := Mx())
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(four.bodies)) == ("delivered", 1)


@in_loop
async def test_issue12_a_site_without_the_only_family_waits(begin: Begin) -> None:
    """And says so."""
    rules = Settings(policies={"default": POLICY}, lane=(LaneRule(family="only6"),))
    async with begin(settings=rules) as mail:
        await mail.host("a.test", host := Mx())
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, host.connections) == ("ready", 0)
        assert "family only6" in shown.attempts[-1].text


@in_loop
async def test_issue12_a_source_of_one_family_uses_that_only(begin: Begin) -> None:
    """Nobody hears us from an address that the road does not name."""
    rules = settings(Road(source=(SOURCE,), family="prefer6"))
    six, four = Mx(), Mx()
    async with begin(settings=rules) as mail:
        await dual(mail, six, four)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(six.bodies), len(four.bodies)) == ("delivered", 0, 1)


REFUSALS = {
    "550 for want of a PTR": "550 5.7.25 The IP address sending this message does not have a PTR record",
    "554 for a blocklist": "554 5.7.1 Service unavailable; Client host [::1] blocked using zen.example.test",
    "550 for policy": "550 5.7.1 Access denied by policy",
    "451 for policy": "451 4.7.1 Access denied by policy, try again later",
}


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("name", REFUSALS)
@in_loop
async def test_issue12_after_a_refusal_of_policy_the_other_family_is_next(begin: Begin, name: str, stage: str) -> None:
    """Before anything is final, and once: the first attempt is charged and soft."""
    rules = Settings(policies={"default": SOON}, lane=(LaneRule(family="prefer6"),))
    six, four = Mx({stage: REFUSALS[name]}), Mx()
    async with begin(settings=rules) as mail:
        await dual(mail, six, four)
        ids = await mail.send("r@a.test")
        await mail.until_true(lambda: len(four.bodies) == 1)
        (shown,) = await mail.settled(*ids)
        assert (shown.state, [one.address for one in shown.attempts]) == ("delivered", ["::1", HERE])
        assert (shown.attempts[0].verdict, shown.attempts[0].charged) == ("soft", True)
        (record,) = await mail.store.run(reading.fetch([parse_id(ids[0])]))
        assert record is not None
        said = "before that is final it is tried over IPv4" in record.envelope.attempts[0].why
        assert said is REFUSALS[name].startswith("5")


@pytest.mark.parametrize("reply", ["550 5.7.1 Access denied by policy", "450 4.7.1 Access denied by policy"])
@in_loop
async def test_issue12_also_where_a_policy_allows_one_attempt(begin: Begin, reply: str) -> None:
    """The refusal over the one family is not charged then, once: the other has the attempt."""
    policy = Policy(name="default", delays=(timedelta(hours=1),), max_attempts=1)
    rules = Settings(policies={"default": policy}, lane=(LaneRule(family="prefer6"),))
    six = Mx({"RCPT": reply})
    async with begin(settings=rules) as mail:
        await dual(mail, six, Mx())
        (taken,) = await mail.settled(*await mail.send("r@a.test"))
        assert (taken.state, [one.charged for one in taken.attempts]) == ("delivered", [False, True])
        assert six.count("RCPT") == 1


@in_loop
async def test_issue12_where_the_other_family_is_down_one_attempt_is_all(begin: Begin) -> None:
    """No loop: it went the other way once, and that led back."""
    policy = Policy(name="default", delays=(timedelta(hours=1),), max_attempts=1)
    rules = Settings(policies={"default": policy}, lane=(LaneRule(family="prefer6"),))
    six = Mx({"RCPT": "550 5.7.1 Access denied by policy"})
    async with begin(settings=rules) as mail:
        await dual(mail, six, Mx({"greeting": "554 no"}))
        (shown,) = await mail.settled(*await mail.send("r@a.test"))
        assert (shown.state, six.count("RCPT")) == ("bounced", 2)


@in_loop
async def test_issue12_refused_over_both_families_it_is_final(begin: Begin) -> None:
    """Two attempts, and the last reply is kept."""
    rules = Settings(policies={"default": SOON}, lane=(LaneRule(family="prefer6"),))
    six = Mx({"RCPT": "550 5.7.1 Access denied by policy"})
    four = Mx({"RCPT": "550 5.7.1 Access denied by policy, over IPv4 too"})
    async with begin(settings=rules) as mail:
        await dual(mail, six, four)
        ids = await mail.send("r@a.test")
        await mail.until_true(lambda: four.count("RCPT") == 1)
        (shown,) = await mail.settled(*ids)
        assert (shown.state, len(shown.attempts)) == ("bounced", 2)
        assert shown.bounce is not None
        assert "over IPv4 too" in shown.bounce.text
        await mail.wait(0.3)
        assert (six.count("RCPT"), four.count("RCPT")) == (1, 1)


@pytest.mark.parametrize("family", ["only6", "prefer6"])
@in_loop
async def test_issue12_other_refusals_are_final_at_once(begin: Begin, family: Family) -> None:
    """An unknown user is unknown over both; and of one family only nothing is left."""
    reply = "550 5.7.1 Access denied by policy" if family == "only6" else "550 5.1.1 No such user"
    rules = Settings(policies={"default": SOON}, lane=(LaneRule(family=family),))
    async with begin(settings=rules) as mail:
        await dual(mail, Mx({"RCPT": reply}), four := Mx())
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts), four.connections) == ("bounced", 1, 0)


# -- by what happened -------------------------------------------------------------------------------------------------


BLOCKED = "Client host blocked using zen.example.test"


@pytest.mark.parametrize("reply", [f"554 5.7.1 {BLOCKED}", f"451 4.7.1 {BLOCKED}"])
@in_loop
async def test_issue12_what_is_refused_for_our_reputation_takes_another_road(begin: Begin, reply: str) -> None:
    """Also where it would have bounced; and it stays on that road when the smarthost defers it."""
    relay, (port,) = Mx({"dot": ["451 4.3.0 not now", "250 ok"]}), free_ports(1)
    rule = RouteRule(after_reason="ip_reputation", road=Road(host=HERE, port=port))
    rules = Settings(policies={"default": SOON}, route=(rule,))
    async with begin(settings=rules) as mail:
        await mail.listen(relay, HERE, port)
        await mail.host("a.test", mx := Mx({"RCPT": reply}))
        ids = await mail.send("r@a.test")
        await mail.until_true(lambda: len(relay.bodies) == 2)
        (shown,) = await mail.settled(*ids)
        assert (shown.state, len(shown.attempts), mx.count("RCPT")) == ("delivered", 3, 1)
        assert shown.attempts[0].reason == "ip_reputation"
        assert shown.site == HERE


@in_loop
async def test_issue12_what_the_other_road_refuses_too_is_final(begin: Begin) -> None:
    """Once each."""
    relay, (port,) = Mx({"RCPT": f"554 5.7.1 {BLOCKED}, too"}), free_ports(1)
    rule = RouteRule(after_reason="ip_reputation", road=Road(host=HERE, port=port))
    at_once = msgspec.structs.replace(SOON, sender_fault="bounce")
    async with begin(settings=Settings(policies={"default": at_once}, route=(rule,))) as mail:
        await mail.listen(relay, HERE, port)
        await mail.host("a.test", Mx({"RCPT": f"554 5.7.1 {BLOCKED}"}))
        ids = await mail.send("r@a.test")
        await mail.until_true(lambda: relay.count("RCPT") == 1)
        (shown,) = await mail.settled(*ids)
        assert (shown.state, len(shown.attempts)) == ("bounced", 2)


@in_loop
async def test_issue12_after_so_many_attempts_mail_takes_another_road(begin: Begin) -> None:
    """The charged ones count; an unknown user is no reason to ask elsewhere."""
    relay, (port,) = Mx(), free_ports(1)
    rule = RouteRule(after_attempts=3, road=Road(host=HERE, port=port))
    async with begin(settings=Settings(policies={"default": SOON}, route=(rule,))) as mail:
        await mail.listen(relay, HERE, port)
        await mail.host("a.test", mx := Mx({"RCPT": "450 4.2.0 later"}))
        await mail.host("b.test", Mx({"RCPT": "550 5.1.1 no such user"}))
        ids = await mail.send("r@a.test")
        await mail.until_true(lambda: len(relay.bodies) == 1)
        (shown,) = await mail.settled(*ids)
        (other,) = await mail.deliver("r@b.test")
        assert (shown.state, len(shown.attempts), mx.count("RCPT")) == ("delivered", 4, 3)
        assert (other.state, len(relay.bodies)) == ("bounced", 1)


@in_loop
async def test_issue12_mail_behind_a_site_that_is_down_takes_another_road(begin: Begin) -> None:
    """All of it, what comes later too, uncharged; and the site is asked again all the same."""
    relay, (port,) = Mx(), free_ports(1)
    rule = RouteRule(after_reason="network", road=Road(host=HERE, port=port))
    lane = LaneRule(close_first=timedelta(milliseconds=700), close_cap=timedelta(milliseconds=700))
    async with begin(settings=Settings(policies={"default": SOON}, route=(rule,), lane=(lane,))) as mail:
        mail.engine.send_hints_by(mail.engine.offer)  # as a job would
        await mail.listen(relay, HERE, port)
        mail.playground.zone["a.test"] = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": "127.88.5.9"})
        ids = await mail.send(*(f"r{number}@a.test" for number in range(20)))

        async def all_are() -> bool:
            return all(one.state == "delivered" for one in await mail.show(*ids))

        await mail.until(all_are)
        later = await mail.send("later@a.test")
        (shown,) = await mail.settled(*later)
        assert shown.state == "delivered"
        first = (await mail.show(ids[0]))[0].attempts[0]
        assert (first.charged, first.reason) == (False, "network")
        well = Mx()
        await mail.listen(well, "127.88.5.9", mail.playground.smtp_port)

        async def is_back() -> bool:
            await mail.settled(*await mail.send("again@a.test"))
            return bool(well.bodies)

        await mail.until(is_back)
