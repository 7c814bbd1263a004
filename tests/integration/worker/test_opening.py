"""From the connection to EHLO: which host, which greeting, and what becomes of the mail when there is no session."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from delivery import PATIENT, Begin, in_loop, lane_settings
from mx import CLOSE, RESET, Mx, Reaction, Sleep
from softbounce_playground import Zone

from softbounce.settings import LaneRule

REFUSED_GREETING = "554 5.7.1 No mail service for you"
BUSY_GREETING = "421 4.3.2 Too busy"


@in_loop
async def test_D04_a_dead_first_host_costs_no_attempt(begin: Begin) -> None:
    """The first two of three MX hosts refuse the connection, and the third takes the mail in the same attempt."""
    async with begin() as mail:
        (shown,) = await mail.deliver("r@a.deadmx.test")
        assert (shown.state, len(shown.attempts)) == ("delivered", 1)
        assert shown.attempts[0].host == "mx3.a.deadmx.test"


@in_loop
async def test_D04_a_site_with_many_dead_hosts_is_given_up_at_a_cap(begin: Begin) -> None:
    """Of twelve hosts that hang up at the greeting eight are tried."""
    hosts = [Mx({"greeting": CLOSE}) for _ in range(12)]
    async with begin() as mail:
        await mail.host("a.test", *hosts, preferences=range(12))
        (identity,) = await mail.send("r@a.test")
        await mail.tried(identity)
        assert sum(host.connections for host in hosts) == 8


@in_loop
async def test_D18_a_dead_address_of_one_kind_does_not_stop_the_other(begin: Begin) -> None:
    """A host with an IPv6 address where nothing listens takes mail at its IPv4 address, and the other way round."""
    async with begin() as mail:
        good = await Mx().listen("::1", mail.playground.smtp_port)
        mail.playground.zone["six.test"] = Zone(
            mx=[(10, "mx.six.test")], a={"mx.six.test": "127.88.9.9"}, aaaa={"mx.six.test": "::1"}
        )
        mail.playground.zone["four.test"] = Zone(
            mx=[(10, "mx.four.test")], a={"mx.four.test": "127.77.0.1"}, aaaa={"mx.four.test": "::2"}
        )
        shown = [*await mail.deliver("r@six.test"), *await mail.deliver("r@four.test")]
        assert [(one.state, len(one.attempts)) for one in shown] == [("delivered", 1)] * 2
        assert [one.attempts[0].address for one in shown] == ["::1", "127.77.0.1"]
        await good.close()


@in_loop
async def test_D18_a_black_hole_of_one_kind_costs_a_quarter_of_a_second_once(begin: Begin) -> None:
    """The host's address of the other kind is dialled beside it, and comes first from then on (RFC 8305)."""
    async with begin(settings=lane_settings(LaneRule(messages_per_connection=1))) as mail:
        good = await Mx().listen("::1", mail.playground.smtp_port)
        with ExitStack() as sockets:
            black_hole(sockets, "127.88.9.1", mail.playground.smtp_port)
            mail.playground.zone["a.test"] = Zone(
                mx=[(10, "mx.a.test")], a={"mx.a.test": "127.88.9.1"}, aaaa={"mx.a.test": "::1"}
            )
            took: list[float] = []
            for number in range(2):
                started = time.monotonic()
                (shown,) = await mail.deliver(f"r{number}@a.test")
                took.append(time.monotonic() - started)
                assert (shown.state, len(shown.attempts)) == ("delivered", 1)
                assert (shown.attempts[0].host, shown.attempts[0].address) == ("mx.a.test", "::1")
            assert 0.25 <= took[0] < 3
            assert took[1] < 0.25 + took[0]
            assert (good.connections, good.open) == (2, 0)
        await good.close()


@in_loop
async def test_D18_the_transcript_tells_of_both_addresses_and_what_the_faster_one_said(begin: Begin) -> None:
    """In the order of what happened."""
    async with begin() as mail:
        refuses = await Mx({"RCPT": "450 4.2.1 later"}).listen("::1", mail.playground.smtp_port)
        with ExitStack() as sockets:
            black_hole(sockets, "127.88.9.1", mail.playground.smtp_port)
            mail.playground.zone["a.test"] = Zone(
                mx=[(10, "mx.a.test")], a={"mx.a.test": "127.88.9.1"}, aaaa={"mx.a.test": "::1"}
            )
            (identity,) = await mail.send("r@a.test")
            (shown,) = await mail.tried(identity)
        transcript = shown.attempts[-1].transcript
        assert transcript is not None
        assert [f"{line.by} {line.text}" for line in transcript.lines[:5]] == [
            "* dials mx.a.test [127.88.9.1]",
            "* dials mx.a.test [::1]",
            "* connected",
            "< 220 mx.test ESMTP",
            "> EHLO client.test",
        ]
        times = [line.ms for line in transcript.lines]
        assert times == sorted(times)
        assert times[1] >= 240
        await refuses.close()


@pytest.mark.parametrize("greeting", ["554 5.7.1 not from you", CLOSE])
@in_loop
async def test_D18_the_silent_address_is_still_tried_where_the_other_takes_nothing(
    begin: Begin, greeting: Reaction
) -> None:
    """A connection is no session: who wins by a connection and then refuses leaves the first address its turn."""
    async with begin(timeouts=replace(PATIENT, connect=0.8)) as mail:
        bad = await Mx({"greeting": greeting}).listen("::1", mail.playground.smtp_port)
        with ExitStack() as sockets:
            black_hole(sockets, "127.88.9.1", mail.playground.smtp_port)
            mail.playground.zone["a.test"] = Zone(
                mx=[(10, "mx.a.test"), (20, "mx2.a.test")],
                a={"mx.a.test": "127.88.9.1", "mx2.a.test": "127.77.0.1"},
                aaaa={"mx.a.test": "::1"},
            )
            (shown,) = await mail.deliver("r@a.test")
            assert (shown.state, shown.attempts[0].host) == ("delivered", "mx2.a.test")
            assert bad.connections == 1
        await bad.close()


@in_loop
async def test_T02_a_black_hole_is_left_at_the_bound_for_the_next_host(begin: Begin) -> None:
    """An address that answers nothing costs the bound of the connect, not more, and the next host is tried."""
    async with begin(timeouts=replace(PATIENT, connect=0.3)) as mail:
        with ExitStack() as sockets:
            black_hole(sockets, "127.88.9.1", mail.playground.smtp_port)
            mail.playground.zone["a.test"] = Zone(
                mx=[(10, "hole.a.test"), (20, "mx2.a.test")],
                a={"hole.a.test": "127.88.9.1", "mx2.a.test": "127.77.0.1"},
            )
            started = time.monotonic()
            (shown,) = await mail.deliver("r@a.test")
            assert (shown.state, shown.attempts[0].host) == ("delivered", "mx2.a.test")
            assert 0.3 <= time.monotonic() - started < 4


def black_hole(sockets: ExitStack, address: str, port: int) -> None:
    """Let connections to an address hang: its backlog is full, so the system drops what comes."""
    listener = sockets.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(0)
    for _ in range(2):
        filler = sockets.enter_context(socket.socket())
        filler.settimeout(0)
        filler.connect_ex((address, port))


@in_loop
async def test_S01_nothing_is_said_before_the_greeting(begin: Begin) -> None:
    """A host that takes its time for the greeting hears nothing until it came, then EHLO with our name alone (S04)."""
    async with begin() as mail:
        shown = await mail.deliver("r@a.slow100.test")
        assert shown[0].state == "delivered"
        assert not mail.playground.ledger.violations
        assert re.fullmatch(r"EHLO client\.test", (await mail.commands())[0])


@pytest.mark.parametrize(
    "greeting", [REFUSED_GREETING, "521 5.3.2 I take no mail", BUSY_GREETING, "450 later", "354 what"]
)
@in_loop
async def test_S02_S03_a_host_that_greets_badly_is_passed_over(begin: Begin, greeting: str) -> None:
    """Whatever the first host greets with, the second is tried in the same attempt; the first gets QUIT if it can."""
    first, second = Mx({"greeting": greeting}), Mx()
    async with begin() as mail:
        await mail.host("a.test", first, second)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts), len(second.bodies)) == ("delivered", 1, 1)
        assert first.commands == ([b"QUIT"] if greeting[0] in "45" and greeting != BUSY_GREETING else [])


@pytest.mark.parametrize(
    ("greeting", "code", "enhanced"),
    [(REFUSED_GREETING, 554, "5.7.1"), (BUSY_GREETING, 421, "4.3.2"), ("450 not now", 450, None)],
)
@in_loop
async def test_S02_S03_no_host_that_greets_well_closes_the_lane_and_charges_nobody(
    begin: Begin, greeting: str, code: int, enhanced: str | None
) -> None:
    """All hosts greet badly: the mail stays in its lane, uncharged, with the reply recorded; a 554 bounces nothing."""
    hosts = [Mx({"greeting": greeting}), Mx({"greeting": greeting})]
    async with begin() as mail:
        await mail.host("a.test", *hosts)
        ids = await mail.send("r1@a.test", "r2@a.test", "r3@a.test")
        shown = [one for one in await mail.tried(any_of=ids) if one.attempts]
        attempt = shown[0].attempts[0]
        assert (shown[0].state, attempt.charged, attempt.verdict) == ("ready", False, "soft")
        assert (attempt.code, attempt.enhanced, attempt.stage) == (code, enhanced, "greeting")
        assert {one.state for one in await mail.show(*ids)} == {"ready"}
        assert mail.lane_of("a.test").is_closed


@pytest.mark.parametrize("reply", ["500 what", "502 no EHLO here", "504 no", "550 5.7.1 no", "503 no", "599 x"])
@in_loop
async def test_issue10_06_S05_a_refused_ehlo_is_followed_by_helo_on_the_same_connection(
    begin: Begin, reply: str
) -> None:
    """After HELO nothing is pipelined and no parameter is sent."""
    host = Mx({"EHLO": reply})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == "delivered"
        assert [line[:4] for line in host.lines[0]][:3] == [b"EHLO", b"HELO", b"MAIL"]
        assert host.lines[0][2] == b"MAIL FROM:<app@sender.test>"


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@in_loop
async def test_S06_a_host_that_hangs_up_on_ehlo_gets_helo_on_a_second_connection(begin: Begin, end: Reaction) -> None:
    """Once, and the mail is delivered in the same attempt."""
    host = Mx({"EHLO": end})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts), host.connections) == ("delivered", 1, 2)
        assert [line[:4] for line in host.lines[1]][:2] == [b"HELO", b"MAIL"]


@in_loop
async def test_S06_a_host_that_hangs_up_on_helo_too_has_no_session(begin: Begin) -> None:
    """Two connections and no more; the trouble is recorded at its stage."""
    host = Mx({"EHLO": CLOSE, "HELO": CLOSE})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.attempts[0].stage, shown.attempts[0].charged, host.connections) == ("ehlo", False, 2)


@pytest.mark.parametrize(
    "script",
    [
        {"greeting": ("220 one", "220 two", Sleep(9))},
        {"greeting": ("220 one", "421 changed my mind")},
        {"greeting": "2200 hello"},
        {"greeting": b"\r\n\x00\xff\r\n"},
        {"greeting": b"\x16\x03\x01\x00\x02\r\n"},
        {"EHLO": ("250 fine", "250 very fine")},
        {"EHLO": ("250 fine", "421 changed my mind")},
        {"EHLO": "354 go on"},
        {"EHLO": "550 go away", "HELO": "550 go away"},
        {"EHLO": "550 go away", "HELO": CLOSE},
        {"EHLO": "421 not now"},
    ],
    ids=[
        "greets-twice",
        "greets-then-421",
        "four-digits",
        "binary",
        "tls",
        "two-replies",
        "then-421",
        "354",
        "550",
        "550-and-gone",
        "421",
    ],
)
@in_loop
async def test_no_session_with_a_host_that_makes_no_sense(begin: Begin, script: dict[str, Reaction]) -> None:
    """Nonsense before the first mail is no session: the mail waits uncharged, and nobody knocks again at once."""
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
        assert (shown.state, [one.charged for one in shown.attempts]) == ("ready", [False])
        assert (host.connections, host.count("MAIL")) == (1, 0)
        assert mail.lane_of("a.test").is_closed


@in_loop
async def test_R04_a_dead_host_is_not_knocked_at_for_every_message(begin: Begin) -> None:
    """Of 300 messages one finds out; the others wait for the lane to open."""
    host = Mx({"greeting": CLOSE})
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = [identity for number in range(3) for identity in await mail.send(*many(number))]
        await mail.tried(any_of=ids)
        await mail.wait(0.3)
        assert host.connections <= LaneRule().connections
        assert {one.state for one in await mail.show(*ids)} == {"ready"}
        assert mail.lane_of("a.test").state.failures == 1


def many(number: int) -> list[str]:
    """A hundred recipients."""
    return [f"r{number}-{one}@a.test" for one in range(100)]


@in_loop
async def test_R04_a_host_that_failed_is_tried_last_for_a_while(begin: Begin) -> None:
    """The second session goes to the second host at once, without a look at the first."""
    first, second = Mx({"greeting": CLOSE}), Mx()
    async with begin(settings=lane_settings(LaneRule(messages_per_connection=1))) as mail:
        await mail.host("a.test", first, second)
        for number in range(3):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert shown.state == "delivered"
        assert (first.connections, second.connections) == (1, 3)
