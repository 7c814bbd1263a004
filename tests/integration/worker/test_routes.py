"""Routes to smarthosts: which mail takes which, how we log in, and what becomes of mail where that is refused."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest
from certificates import Authority, server_context
from delivery import PATIENT, POLICY, Begin, Delivery, in_loop
from mx import HANG, RESET, Mx
from ports import free_ports
from smarthost import Smarthost
from softbounce_playground import Zone
from softbounce_worker.posture import OPPORTUNISTIC
from softbounce_worker.session.dialling import Timeouts

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.road import Road, RouteRule
from softbounce.settings import LaneRule, Policy, Settings, TlsRule
from softbounce.share import tenant_number
from softbounce.store import claiming, keys, membership, moving
from softbounce.store.claiming import Batch
from softbounce.store.lanes import take_lanes
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move

NAME = "relay.test"
HERE = "127.88.5.1"
OTHER = "127.88.5.2"
SOON = Policy(name="default", delays=(timedelta(milliseconds=150),), jitter=0.0)
LOGINS = {"me": "s3cret"}


def _zone(name: str, *addresses: str) -> Zone:
    return Zone(a={name: list(addresses) or [HERE]})


def settings(*routes: RouteRule, policy: Policy = POLICY, **changes: object) -> Settings:
    """The settings of these tests with these routes."""
    return Settings(policies={"default": policy}, route=routes, **changes)  # type: ignore[arg-type]


def to(host: str = HERE, *, port: int, **road: object) -> Road:
    """A road to a smarthost."""
    return Road(**{"host": host, "port": port, **road})  # type: ignore[arg-type]


def login_road(port: int, **road: object) -> Road:
    """A road to a smarthost on this machine, which is logged in to in clear."""
    return to(port=port, **{"user": "me", **road})


async def through(
    begin: Begin,
    host: Mx,
    *recipients: str,
    logins: Mapping[str, str] = LOGINS,
    address: str = HERE,
    timeouts: Timeouts = PATIENT,
    **road: object,
) -> tuple[Delivery, list[str]]:
    """What becomes of mail that is sent by a smarthost: the states."""
    port = free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port, **road)))
    async with begin(settings=rules, logins=logins, timeouts=timeouts) as mail:
        await mail.listen(host, address, port)
        shown = await mail.deliver(*(recipients or ("r@a.test",)))
        return mail, [one.state for one in shown]


# -- which mail takes which road --------------------------------------------------------------------------------------


@in_loop
async def test_issue12_all_mail_goes_to_the_smarthost_whatever_its_domain(begin: Begin) -> None:
    """Nothing is looked up for the recipient's domain, and one lane carries all."""
    relay, port = Mx(), free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=to(port=port)))) as mail:
        await mail.listen(relay, HERE, port)
        shown = await mail.deliver("r@a.test", "r@no-such-domain.test", "r@null-mx.test")
        assert [one.state for one in shown] == ["delivered"] * 3
        assert {one.site for one in shown} == {HERE}
        assert [one.attempts[-1].address for one in shown] == [HERE] * 3
        assert len(relay.bodies) <= 3
        assert mail.playground.ledger.transcript == []


@in_loop
async def test_issue12_the_first_route_that_fits_counts(begin: Begin) -> None:
    """By domain, sender and stream; where none fits mail goes to the MX hosts, and a route may say that too."""
    hosts = {name: Mx() for name in ("domain", "sender", "stream")}
    ports = dict(zip(hosts, free_ports(3), strict=True))
    rules = settings(
        RouteRule(domain="own.test"),
        RouteRule(domain="*.domain.test", road=to(port=ports["domain"])),
        RouteRule(sender="*@sender2.test", road=to(port=ports["sender"])),
        RouteRule(stream="otp", road=to(port=ports["stream"])),
    )
    own = Mx()
    async with begin(settings=rules) as mail:
        for name, host in hosts.items():
            await mail.listen(host, HERE, ports[name])
        await mail.host("own.test", own)
        await mail.host("a.test", mx := Mx())
        await mail.deliver("r@x.domain.test", sender="a@sender2.test")
        await mail.deliver("r@a.test", sender="a@sender2.test")
        await mail.deliver("r@own.test", sender="a@sender2.test")
        receipt = await mail.client.send(
            sender="a@b.test", recipients=["r@a.test"], message=b"From: a@b.test\r\n\r\nx", stream="otp"
        )
        await mail.settled(*receipt.envelopes.values())
        await mail.deliver("r@a.test")
    taken = {name: len(host.bodies) for name, host in hosts.items()}
    assert (taken, len(own.bodies), len(mx.bodies)) == ({"domain": 1, "sender": 1, "stream": 1}, 1, 1)


@in_loop
async def test_issue12_a_route_by_site(begin: Begin) -> None:
    """The site is that of the domain's MX hosts, also for mail that waits at the smarthost already."""
    relay, port, mx = Mx({"dot": ["451 4.3.0 not now", "250 ok"]}), free_ports(1)[0], Mx()
    rules = settings(RouteRule(site="a.test", road=to(port=port)), policy=SOON)
    async with begin(settings=rules) as mail:
        await mail.listen(relay, HERE, port)
        await mail.host("a.test", Mx())
        await mail.host("b.test", mx)
        ids = await mail.send("r@a.test", "r@b.test")
        await mail.until_true(lambda: len(relay.bodies) == 2 and len(mx.bodies) == 1)
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered", "delivered"]


@in_loop
async def test_issue12_each_sender_logs_in_as_itself(begin: Begin) -> None:
    """Two accounts at one smarthost: each has sessions of its own, and no mail leaves by the other's."""
    relay, port = Smarthost(users={"one": "p1", "two": "p2"}), free_ports(1)[0]
    routes = [RouteRule(sender=f"*@{user}.test", road=to(port=port, user=user, tls=None)) for user in ("one", "two")]
    async with begin(settings=settings(*routes), logins={"one": "p1", "two": "p2"}) as mail:
        await mail.listen(relay, HERE, port)
        ids = [
            *await mail.send("r@a.test", sender="x@one.test"),
            *await mail.send("r@a.test", sender="x@two.test"),
            *await mail.send("q@a.test", sender="y@one.test"),
        ]
        await mail.settled(*ids)
    used = set()
    for lines in relay.lines:
        login = next(line for line in lines if line.startswith(b"AUTH")).split()[2]
        user = b64decode(login).split(b"\0")[1]
        senders = {line.partition(b"@")[2].partition(b".")[0] for line in lines if line.startswith(b"MAIL")}
        assert senders == {user}
        used.add(user)
    assert used == {b"one", b"two"}


@in_loop
async def test_issue12_a_second_smarthost_takes_over_where_the_first_is_down(begin: Begin) -> None:
    """A route for mail that meets no host, before the one for all: uncharged, and for what comes later too."""
    second, ports = Mx(), free_ports(2)
    routes = [RouteRule(after_reason="network", road=to(port=ports[1])), RouteRule(road=to(port=ports[0]))]
    async with begin(settings=settings(*routes)) as mail:
        mail.engine.send_hints_by(mail.engine.offer)  # as a job would
        await mail.listen(second, HERE, ports[1])
        for _ in range(2):
            ids = await mail.send(*(f"r{number}@a.test" for number in range(3)))

            async def all_are(ids: Sequence[str] = ids) -> bool:
                return all(one.state == "delivered" for one in await mail.show(*ids))

            await mail.until(all_are)
        assert not any(one.charged for one in (await mail.show(*ids))[0].attempts[:-1])


@in_loop
async def test_issue12_what_DNS_does_not_know_may_take_a_route(begin: Begin) -> None:
    """No bounce: names that only the smarthost knows; others of the same kind bounce."""
    relay, port = Mx(), free_ports(1)[0]
    rules = settings(RouteRule(domain="*.internal", after_reason="bad_domain", road=to(port=port)))
    async with begin(settings=rules) as mail:
        mail.engine.send_hints_by(mail.engine.offer)  # as a job would
        await mail.listen(relay, HERE, port)
        for name in ("x.internal", "x.external"):
            mail.playground.zone[name] = Zone(error="nxdomain")
        (taken,) = await mail.deliver("r@x.internal")
        (other,) = await mail.deliver("r@x.external")
        assert (taken.state, other.state, len(relay.bodies)) == ("delivered", "bounced", 1)


@in_loop
async def test_issue12_a_smarthost_is_a_lane_with_limits_of_its_own(begin: Begin) -> None:
    """A lane's rule for its name binds it."""
    relay, port = Mx(), free_ports(1)[0]
    rules = settings(
        RouteRule(road=to(port=port)), lane=(LaneRule(site=HERE, connections=1, messages_per_connection=2),)
    )
    async with begin(settings=rules) as mail:
        await mail.listen(relay, HERE, port)
        ids = [one for number in range(6) for one in await mail.send(f"r@a{number}.test")]
        await mail.settled(*ids)
    assert relay.peak == 1
    assert [sum(line.startswith(b"MAIL") for line in lines) for lines in relay.lines] == [2, 2, 2]


@in_loop
async def test_issue12_a_reload_sends_waiting_mail_by_another_road(begin: Begin) -> None:
    """Mail behind a site that is closed takes the route that an operator writes down meanwhile, all of it."""
    relay, port = Mx(), free_ports(1)[0]
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", Mx({"greeting": "554 5.3.2 gone"}))
        ids = await mail.send(*(f"r{number}@a.test" for number in range(5)))
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))
        await mail.listen(relay, HERE, port)
        new = settings(RouteRule(domain="a.test", road=to(port=port)), version=2)
        mail.own_roads.settings = new
        mail.engine.apply(new)
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered"] * 5
        assert len(relay.bodies) >= 1


@in_loop
async def test_issue12_a_road_that_is_taken_away_keeps_nothing(begin: Begin) -> None:
    """Its mail goes to the MX hosts, also where it waited behind a smarthost that was down."""
    port = free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=to(port=port)))) as mail:
        await mail.host("a.test", mx := Mx())
        ids = await mail.send("r1@a.test", "r2@a.test")
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))
        mail.engine.apply(settings(version=2))
        for lane in mail.engine.lanes.values():
            lane.way._since -= 60
        shown = await mail.settled(*ids, seconds=15)
        assert [one.state for one in shown] == ["delivered", "delivered"]
        assert len(mx.bodies) >= 1


@in_loop
async def test_issue12_a_road_that_nobody_told_of_yet_is_waited_for(begin: Begin) -> None:
    """Another process may have had the settings first: what it sent here does not go back and forth meanwhile."""
    relay, port = Mx(), free_ports(1)[0]
    routed = settings(RouteRule(road=to(port=port)), lane=(LaneRule(close_first=timedelta(milliseconds=200)),))
    async with begin(settings=routed) as mail:
        await mail.host("a.test", mx := Mx())
        ids = await mail.send("r1@a.test", "r2@a.test")
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))
        mail.engine.apply(settings(version=2))
        await mail.wait(1.0)
        assert {one.state for one in await mail.show(*ids)} == {"ready"}
        await mail.listen(relay, HERE, port)
        mail.engine.apply(msgspec.structs.replace(routed, version=3))
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered", "delivered"]
        assert (mx.connections, bool(relay.bodies)) == (0, True)


SHARE = tenant_number("sender.test")
"""Of all mail here."""


async def send_back(mail: Delivery, lane: str, token: bytes) -> int:
    """What an older worker does, which knows no routes: what it claims of a lane goes to where its domain leads."""
    taken: list[Record] = []
    for _ in range(40):
        (claimed,) = await mail.store.run(claiming.claim("older", token, [Batch(0, [(lane, "", 1, SHARE)])]))
        taken = claimed.records
        if taken:
            break
        await mail.wait(0.02)
    for record in taken:
        record.lane = f"?{record.envelope.domain}"
        change = transitions.give_back(record)
        await mail.store.run(moving.move([Move(record=change.record, token=token)], process="older", keep_events=100))
        mail.engine.offer(record.lane)
        mail.engine.hear(f"0|{keys.ready_name(record.lane, '', SHARE)}".encode())
    return len(taken)


@in_loop
async def test_issue12_F28_two_who_know_other_routes_do_not_send_mail_to_and_fro(begin: Begin) -> None:
    """An older worker that has the smarthost's lane sends its mail back: it waits before it goes there again."""
    (port,) = free_ports(1)
    rules = settings(RouteRule(road=to(port=port)))
    lane = rules.route[0].road.lane_of("")
    async with begin(settings=rules) as mail:
        info = ProcessInfo(pid=2, host="here", started_ms=0)
        await mail.store.run(membership.enlist("older", info, shards=1, lease_ms=60_000))
        await mail.store.run(take_lanes("older", [lane]))
        (one,) = await mail.send("r@a.test")
        passed = 0
        for turn in range(3):
            passed += await send_back(mail, lane, b"token-%02d" % turn)
        (shown,) = await mail.show(one)
        assert (passed, shown.state) == (1, "scheduled")


@in_loop
async def test_issue12_A08_a_road_that_our_own_configuration_does_not_name_is_not_taken(begin: Begin) -> None:
    """Who may write settings into the store sends nobody's mail, nor any password, anywhere."""
    relay, port = Smarthost(), free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port)))
    async with begin(settings=rules, logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        mail.own_roads.settings = settings()
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, relay.connections) == ("ready", 0)
        (attempt,) = shown.attempts
        assert (attempt.stage, attempt.charged, attempt.verdict) == ("route", False, "soft")
        assert "own configuration" in attempt.text


# -- logging in -------------------------------------------------------------------------------------------------------


OFFERS = {
    "plain": (["AUTH PLAIN"], "PLAIN"),
    "login": (["AUTH LOGIN"], "LOGIN"),
    "cram": (["AUTH CRAM-MD5"], "CRAM-MD5"),
    "lower case": (["auth plain login"], "PLAIN"),
    "old form": (["AUTH=LOGIN"], "LOGIN"),
    "old form, two": (["AUTH=LOGIN PLAIN"], "PLAIN"),
    "two lines": (["AUTH=LOGIN", "AUTH GSSAPI PLAIN"], "PLAIN"),
    "others besides": (["AUTH GSSAPI NTLM XOAUTH2 LOGIN"], "LOGIN"),
    "tab and blanks": (["AUTH  \tPLAIN   "], "PLAIN"),
}


@pytest.mark.parametrize("name", OFFERS)
@in_loop
async def test_issue12_we_log_in_by_what_is_offered(begin: Begin, authority: Authority, name: str) -> None:
    """However AUTH is written; over TLS by PLAIN where it can be."""
    offers, mechanism = OFFERS[name]
    relay = Smarthost(offers=offers, tls=server_context(authority.sign("localhost")))
    _, states = await through(begin, relay, tls="required")
    assert (states, relay.logins, relay.secure) == (["delivered"], [(mechanism, "me")], [True])


@in_loop
async def test_issue12_L01_what_is_offered_in_clear_counts_for_nothing(begin: Begin, authority: Authority) -> None:
    """AUTH that is offered after STARTTLS only is used; and mechanisms of before are not."""
    relay = Smarthost(before_tls=False, tls=server_context(authority.sign("localhost")))
    _, states = await through(begin, relay, tls="required")
    assert (states, relay.logins) == (["delivered"], [("PLAIN", "me")])


@in_loop
async def test_issue12_in_clear_the_password_itself_is_not_said_where_it_need_not(begin: Begin) -> None:
    """On loopback a login goes in clear, by CRAM-MD5 where that is offered."""
    relay = Smarthost(offers=["AUTH PLAIN LOGIN CRAM-MD5"])
    _, states = await through(begin, relay)
    assert (states, relay.logins) == (["delivered"], [("CRAM-MD5", "me")])


@in_loop
async def test_issue12_implicit_TLS_with_a_login(begin: Begin, authority: Authority) -> None:
    """TLS from the first octet on, a certificate that is checked for the smarthost's name, then AUTH."""
    context = server_context(authority.sign(NAME))
    relay, port = Smarthost(implicit=context), free_ports(1)[0]
    road = login_road(port, host=NAME, implicit_tls=True, tls="verified")
    rules = settings(RouteRule(road=road), tls=(TlsRule(mode="verified", site=NAME, roots=authority.pem),))
    async with begin(settings=rules, logins=LOGINS) as mail:
        mail.playground.zone[NAME] = _zone(NAME)
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, relay.secure, relay.logins) == ("delivered", [True], [("PLAIN", "me")])
        tls = shown.attempts[-1].tls
        assert tls is not None
        assert (tls.verified, tls.rule) == (NAME, "tls[0]")
        assert not any(line.startswith(b"STARTTLS") for line in relay.commands)
        assert shown.attempts[-1].host == NAME


@in_loop
async def test_issue12_a_smarthost_whose_certificate_is_not_good_hears_nothing(
    begin: Begin, authority: Authority
) -> None:
    """Behind STARTTLS too; all that takes the road waits, and not each domain by itself."""
    relay, port = Smarthost(tls=server_context(authority.sign("other.test"))), free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port, host=NAME, tls="verified")))
    async with begin(settings=rules, logins=LOGINS) as mail:
        mail.playground.zone[NAME] = _zone(NAME)
        await mail.listen(relay, HERE, port)
        ids = await mail.send("r@a.test", "r@b.test")
        await mail.tried(*ids, any_of=ids)
        assert {one.state for one in await mail.show(*ids)} == {"ready"}
        assert (relay.tries, relay.count("MAIL"), mail.closed_domains()) == (0, 0, set())


IN_CLEAR = {
    "a plain SMTP server there": lambda _: Mx(),
    "a wrong name": lambda authority: Smarthost(implicit=server_context(authority.sign("other.test"))),
    "a stranger's certificate": lambda authority: Smarthost(
        implicit=server_context(authority.sign(NAME, signs_itself=True))
    ),
    "a hang": lambda _: Mx({"greeting": HANG}),
}


@pytest.mark.parametrize("name", IN_CLEAR)
@in_loop
async def test_issue12_implicit_TLS_that_fails_sends_nothing(begin: Begin, authority: Authority, name: str) -> None:
    """No password, no mail, no clear text; the lane closes as a whole, and says why."""
    make: Callable[[Authority], Mx] = IN_CLEAR[name]
    relay, port = make(authority), free_ports(1)[0]
    road = login_road(port, host=NAME, implicit_tls=True, tls="verified")
    rules = settings(RouteRule(road=road), tls=(TlsRule(mode="verified", site=NAME, roots=authority.pem),))
    hurried = Timeouts(**{**{one: getattr(PATIENT, one) for one in Timeouts.__dataclass_fields__}, "starttls": 0.4})
    async with begin(settings=rules, logins=LOGINS, timeouts=hurried) as mail:
        mail.playground.zone[NAME] = _zone(NAME)
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state == "ready", relay.bodies, relay.count("AUTH"), relay.count("MAIL")) == (
            True,
            [],
            0,
            0,
        )
        (attempt,) = shown.attempts
        assert (attempt.stage, attempt.charged) == ("starttls", False)


@in_loop
async def test_issue12_a_smarthost_that_breaks_at_a_session_from_before_gets_none(
    begin: Begin, authority: Authority
) -> None:
    """Of implicit TLS too: it is called anew with a full handshake, in the same attempt; and then none is offered."""
    relay = Smarthost({"resumed": RESET}, implicit=server_context(authority.sign(NAME)))
    port = free_ports(1)[0]
    road = login_road(port, host=NAME, implicit_tls=True, tls="verified")
    rules = settings(RouteRule(road=road), tls=(TlsRule(roots=authority.pem),))
    hurried = Timeouts(**{**{name: getattr(PATIENT, name) for name in Timeouts.__dataclass_fields__}, "idle": 0.05})
    async with begin(settings=rules, logins=LOGINS, timeouts=hurried) as mail:
        mail.playground.zone[NAME] = _zone(NAME)
        await mail.listen(relay, HERE, port)
        for number in range(4):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert (shown.state, len(shown.attempts)) == ("delivered", 1)
            await mail.until_true(lambda: not relay.open)
        assert (relay.secure, relay.resumed, relay.connections) == ([True] * 4, 1, 5)


@pytest.mark.parametrize("user", [None, "me"])
@in_loop
async def test_issue12_mail_that_is_lost_over_TLS_goes_in_clear_to_no_smarthost_that_we_log_in_to(
    begin: Begin, authority: Authority, user: str | None
) -> None:
    """No password is sent in clear, and so the lane would close for it: it goes by TLS again."""
    relay = Smarthost({"body over TLS": RESET}, tls=server_context(authority.sign(NAME)), wants_login=bool(user))
    port = free_ports(1)[0]
    rules = settings(RouteRule(road=to(port=port, tls="opportunistic", user=user)), policy=SOON)
    async with begin(settings=rules, logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        (one,) = await mail.send("r@a.test")

        async def is_told() -> bool:
            (shown,) = await mail.show(one)
            return len(shown.attempts) == 4 or shown.state == "delivered"

        await mail.until(is_told)
        (shown,) = await mail.show(one)
        versions = [attempt.tls.version if attempt.tls else "" for attempt in shown.attempts]
        assert versions == ["TLSv1.3"] * 4 if user else ["TLSv1.3", "TLSv1.3", None]


@in_loop
async def test_issue12_no_password_leaves_in_clear(begin: Begin) -> None:
    """Where STARTTLS is missing at an address that is not loopback, no login is begun."""
    relay, port = Smarthost(), free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port, tls="opportunistic")))
    async with begin(settings=rules, logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        calling = mail.engine._ownership._parts.roads.dialling(rules.route[0].road)._calling
        outcome = await calling._log_in(await calling._reach(HERE, HERE, OPPORTUNISTIC, None), "192.0.2.1")
        assert outcome is not None
        assert outcome.is_ours
        assert "no password is sent in clear" in outcome.what.text
        assert relay.tries == 0


ODD = {
    "initial response refused by 501": {"takes_initial": "501 5.5.4 no"},
    "initial response refused by 504": {"takes_initial": "504 5.5.4 no"},
    "initial response refused by 500": {"takes_initial": "500 5.5.2 line too long"},
    "initial response refused by 502": {"takes_initial": "502 5.5.1 no"},
    "PLAIN is too weak": {"offers": ["AUTH PLAIN LOGIN"], "steps": {"PLAIN": ["534 5.7.9 too weak"]}},
    "PLAIN is not known after all": {"offers": ["AUTH PLAIN LOGIN"], "steps": {"PLAIN": ["504 5.7.4 what"]}},
    "a challenge that is not base64": {
        "offers": ["AUTH CRAM-MD5 PLAIN"],
        "steps": {"CRAM-MD5": ["334 <<not base64>>", "501 5.5.2 cancelled"]},
    },
    "a challenge without text": {"offers": ["AUTH LOGIN"], "steps": {"LOGIN": ["334", "334", "235 in"]}},
    "prompts in words": {"offers": ["AUTH LOGIN"], "steps": {"LOGIN": ["334 User Name:", "334 Password:", "235 in"]}},
    "prompts in capitals and base64": {
        "offers": ["AUTH LOGIN"],
        "steps": {"LOGIN": ["334 VXNlciBOYW1lAA==", "334 UGFzc3dvcmQA", "235 2.7.0 in"]},
    },
    "PLAIN that asks all the same": {"offers": ["AUTH PLAIN"], "steps": {"PLAIN": ["334 ", "235 in"]}},
    "a reply of two lines": {"offers": ["AUTH PLAIN"], "steps": {"PLAIN": ["235-2.7.0 in\r\n235 2.7.0 welcome"]}},
    "250 in place of 235": {"offers": ["AUTH PLAIN"], "steps": {"PLAIN": ["250 in"]}},
}


@pytest.mark.parametrize("name", ODD)
@in_loop
async def test_issue12_odd_smarthosts_are_logged_in_to(begin: Begin, name: str) -> None:
    """A host that cannot be begun with like this, or not by this mechanism, is asked the next way."""
    relay = Smarthost(**ODD[name])  # type: ignore[arg-type]
    _, states = await through(begin, relay)
    assert states == ["delivered"]


REFUSALS: dict[str, tuple[Sequence[str], int]] = {
    # what is said to AUTH PLAIN and to what follows: and how often it is tried in one session
    "535": (["535 5.7.8 wrong"], 1),
    "530": (["530 5.7.0 no"], 1),
    "534 by the only mechanism": (["534 5.7.9 use an app password"], 2),
    "432": (["432 4.7.12 a new password is needed"], 1),
    "550": (["550 5.7.1 account blocked"], 1),
    "endless challenges": (["334 Z28gb24="], 1),
    "no refusal of giving up": (["334 Z28gb24=", "334 Z28gb24=", "235 in"], 1),
}


@pytest.mark.parametrize("name", REFUSALS)
@in_loop
async def test_issue12_a_refused_login_bounces_nothing(
    begin: Begin, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lane closes, loudly; the mail waits, uncharged, whatever the code is, and no MAIL is said."""
    steps, tries = REFUSALS[name]
    relay = Smarthost(offers=["AUTH PLAIN"], steps={"PLAIN": steps})
    port = free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port)))
    async with begin(settings=rules, logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        ids = await mail.send("r1@a.test", "r2@b.test")
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values() if lane.way.is_relay))
        shown = await mail.tried(*ids, any_of=ids)
        assert {one.state for one in await mail.show(*ids)} == {"ready"}
        attempt = next(one for one in shown if one.attempts).attempts[-1]
        assert (attempt.stage, attempt.charged, attempt.verdict, attempt.fault) == ("auth", False, "soft", "sender")
        assert (relay.count("MAIL"), relay.tries) == (0, tries)
        assert "login_refused" in capsys.readouterr().out


@in_loop
async def test_issue12_credentials_that_are_refused_are_tried_once(begin: Begin) -> None:
    """By no other mechanism, and at no other address: each try more brings a lock nearer."""
    relays, port = [Smarthost(offers=["AUTH PLAIN LOGIN CRAM-MD5"]) for _ in range(2)], free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=login_road(port, host=NAME))), logins={"me": "wr0ng"}) as mail:
        mail.playground.zone[NAME] = _zone(NAME, HERE, OTHER)
        await mail.listen(relays[0], HERE, port)
        await mail.listen(relays[1], OTHER, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, sum(relay.tries for relay in relays)) == ("ready", 1)


@pytest.mark.parametrize("reply", ["535 5.7.8 Login fail", "553 5.3.0 Auth failure", "550 5.7.1 no"])
@in_loop
async def test_issue12_a_host_whose_PLAIN_does_not_work_is_logged_in_to_by_LOGIN(begin: Begin, reply: str) -> None:
    """It refuses PLAIN as if the password were wrong: the next session begins with another, and stays with it."""
    relay, port = Smarthost(offers=["AUTH PLAIN LOGIN"], steps={"PLAIN": [reply]}), free_ports(1)[0]
    lane = LaneRule(close_first=timedelta(milliseconds=200), messages_per_connection=1)
    async with begin(settings=settings(RouteRule(road=login_road(port)), lane=(lane,)), logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        for _ in range(3):
            (shown,) = await mail.deliver("r@a.test")
            assert shown.state == "delivered"
        assert [line for line in relay.commands if line.startswith(b"AUTH PLAIN")] == [
            line for line in relay.commands if line.startswith(b"AUTH")
        ][:1]


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 <r@a.test>: Relay access denied",
        "550 Authentication is required for relay",
        "550 5.7.1 relaying denied",
    ],
)
@in_loop
async def test_issue12_a_smarthost_that_does_not_relay_for_us_bounces_nothing(begin: Begin, reply: str) -> None:
    """It refuses us, not the mail: that is charged, and tried again until its window closes."""
    relay, port = Mx({"RCPT": reply}), free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=to(port=port)))) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].verdict, shown.attempts[-1].reason) == (
            "scheduled",
            "soft",
            "relay_denied",
        )


@in_loop
async def test_issue12_a_login_that_fails_for_now_is_the_hosts_trouble(begin: Begin) -> None:
    """454 at one address: the next one is asked; with none left the lane closes, as for any host without sessions."""
    relay, port = Smarthost(offers=["AUTH PLAIN"], steps={"PLAIN": ["454 4.7.0 try later"]}), free_ports(1)[0]
    good = Smarthost()
    rules = settings(RouteRule(road=login_road(port, host=NAME)))
    async with begin(settings=rules, logins=LOGINS) as mail:
        mail.playground.zone[NAME] = _zone(NAME, HERE, OTHER)
        await mail.listen(relay, HERE, port)
        await mail.listen(good, OTHER, port)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].address) == ("delivered", OTHER)


@in_loop
async def test_issue12_mail_flows_as_soon_as_the_password_is_right(begin: Begin) -> None:
    """The password is read anew for each login; the canary after the backoff opens the lane."""
    relay, port = Smarthost(), free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port)), lane=(LaneRule(close_first=timedelta(milliseconds=300)),))
    async with begin(settings=rules, logins={"me": "wr0ng"}) as mail:
        await mail.listen(relay, HERE, port)
        ids = await mail.send("r1@a.test", "r2@b.test")
        await mail.until_true(lambda: relay.tries > 0)
        mail.own_roads.logins["me"] = "s3cret"
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered", "delivered"]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("code", ["530 5.7.0 Authentication required", "535 5.7.8 who are you", "538 5.7.11 encrypt"])
@in_loop
async def test_issue12_a_smarthost_that_wants_a_login_bounces_nothing(begin: Begin, stage: str, code: str) -> None:
    """Whoever has no login there: mail waits, uncharged, and the lane is closed."""
    relay, port = Mx({stage: code}), free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=to(port=port)))) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, any(relay.bodies)) == ("ready", False)
        assert [one.charged for one in shown.attempts] == [False]
        assert any(lane.is_closed for lane in mail.engine.lanes.values())


@in_loop
async def test_issue12_A17_no_secret_is_kept_that_a_host_says_back(begin: Begin) -> None:
    """Hosts quote the line that they could not read; neither show nor the store has what it was."""
    relay = Smarthost(
        offers=["AUTH LOGIN"],
        steps={
            "LOGIN": [
                "334 x",
                "334 y",
                lambda line: f"535 5.7.8 not {line} nor s3cret nor {line[:6]}... ({line.upper()})",
            ]
        },
    )
    port = free_ports(1)[0]
    rules = settings(RouteRule(road=login_road(port)))
    async with begin(settings=rules, logins={"me": "s3cret-passw0rd"}) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        text = shown.attempts[-1].text
        assert text == "not *** nor *** nor *** (***)"


@in_loop
async def test_issue12_a_password_that_cannot_be_read_closes_the_lane(begin: Begin) -> None:
    """It says why, and asks no host."""
    relay, port = Smarthost(), free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=login_road(port)))) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, relay.tries) == ("ready", 0)
        assert "password_file" in shown.attempts[-1].text


@in_loop
async def test_issue12_a_host_that_ends_during_AUTH_is_in_trouble(begin: Begin) -> None:
    """No refusal: it is the host's trouble, and the lane closes as for any other."""
    relay = Smarthost(offers=["AUTH PLAIN"], steps={"PLAIN": ["421 4.3.2 going down"]})
    port = free_ports(1)[0]
    async with begin(settings=settings(RouteRule(road=login_road(port))), logins=LOGINS) as mail:
        await mail.listen(relay, HERE, port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, shown.attempts[-1].code, shown.attempts[-1].stage) == ("ready", 421, "auth")


# -- where it is ------------------------------------------------------------------------------------------------------


@in_loop
async def test_issue12_a_smarthost_whose_name_is_nowhere_bounces_nothing(begin: Begin) -> None:
    """A slip in its name, or a zone that is gone, is no mail's fault."""
    async with begin(settings=settings(RouteRule(road=to("no-such-relay.test", port=25)))) as mail:
        mail.playground.zone["no-such-relay.test"] = Zone(error="nxdomain")
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, shown.attempts[-1].stage, shown.attempts[-1].verdict) == ("ready", "route", "soft")
        assert "no-such-relay.test" in shown.attempts[-1].text


@in_loop
async def test_issue12_a_smarthost_that_is_down_closes_its_own_lane_only(begin: Begin) -> None:
    """Mail to MX hosts beside it flows."""
    port = free_ports(1)[0]
    rules = settings(RouteRule(domain="a.test", road=to(port=port)))
    async with begin(settings=rules) as mail:
        await mail.host("b.test", Mx())
        (waiting,) = await mail.tried(*await mail.send("r@a.test"))
        (shown,) = await mail.deliver("r@b.test")
        assert (waiting.state, shown.state) == ("ready", "delivered")
