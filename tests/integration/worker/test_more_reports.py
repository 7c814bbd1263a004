"""Faults that others reported of their mail servers, tried here: hosts that hang, limit, come back, or say odd things.

A test is named by the project and the number of the report, as in :mod:`test_reports`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery import PATIENT, Begin, Delivery, in_loop, lane_settings
from mx import CLOSE, HANG, RESET, USUAL, Mx, Reaction, Sleep

from softbounce.settings import LaneRule, Policy, Settings

SOON = timedelta(milliseconds=300)
QUICK = LaneRule(close_first=timedelta(milliseconds=200), close_cap=timedelta(milliseconds=500))
AGAIN = Settings(policies={"default": Policy(name="default", delays=(SOON,), jitter=0.0)}, lane=(QUICK,))
"""Each further try comes so long after the one before."""


async def all_delivered(mail: Delivery, ids: Sequence[str], seconds: float) -> None:
    """Wait until each has been, at whichever try."""

    async def are() -> bool:
        return all(one.state == "delivered" for one in await mail.show(*ids))

    await mail.until(are, seconds)


@in_loop
async def test_report_swiftmailer_828_an_answer_to_the_dot_that_takes_long_is_waited_for(begin: Begin) -> None:
    """Nothing is sent in between and nothing twice, and mail beside it goes meanwhile (swiftmailer/swiftmailer#828)."""
    host = Mx({"dot": [(Sleep(2.5), "250 2.0.0 late"), "250 2.0.0 taken"]})
    async with begin(timeouts=replace(PATIENT, rcpt=1.0, mail=1.0)) as mail:
        await mail.host("a.test", host)
        late = await mail.send("late@a.test")
        await mail.until_true(lambda: host.count("DATA") == 1)
        beside = await mail.settled(*await mail.send("beside@a.test"), seconds=3)
        assert (beside[0].state, (await mail.show(*late))[0].state) == ("delivered", "attempting")
        assert (await mail.settled(*late))[0].state == "delivered"
        assert len(host.bodies) == 2


@pytest.mark.parametrize("point", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"])
@in_loop
async def test_report_mailpit_351_one_session_that_hangs_keeps_no_other_mail(begin: Begin, point: str) -> None:
    """Wherever it does: what comes after goes by another (axllent/mailpit#351, PHPMailer#3142, badoux/checkmail#12)."""
    host = Mx({point: [HANG, USUAL[point]]})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.send("hangs@a.test")
        await mail.until_true(lambda: host.connections >= 1)
        await mail.wait(0.1)
        shown = await mail.settled(*await mail.send("x@a.test"), *await mail.send("y@a.test"), seconds=6)
        assert {one.state for one in shown} == {"delivered"}


@pytest.mark.parametrize("greeting", ["354 go on", "hello there", "554 5.7.1 no", ""])
@in_loop
async def test_report_dart_mailer_17_an_odd_greeting_fails_at_once(begin: Begin, greeting: str) -> None:
    """No timeout runs for it, and the second host is tried (dart-mailer/mailer#17)."""
    odd, good = Mx({"greeting": greeting}), Mx()
    async with begin(timeouts=replace(PATIENT, greeting=60.0)) as mail:
        await mail.host("a.test", odd, good, preferences=(10, 20))
        (shown,) = await mail.settled(*await mail.send("x@a.test"), seconds=4)
        assert (shown.state, len(good.bodies)) == ("delivered", 1)


@in_loop
async def test_report_internet_nl_560_an_empty_line_behind_the_greeting(begin: Begin) -> None:
    """The host takes mail, and gets it (internetstandards/Internet.nl#560)."""
    host = Mx({"greeting": "220 mx.test\r\n"})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("x@a.test")
        assert (shown.state, len(host.bodies)) == ("delivered", 1)


@pytest.mark.parametrize(
    "more", ["421 4.7.0 Too many concurrent SMTP connections; please try again later", RESET, CLOSE]
)
@in_loop
async def test_report_bunmail_91_a_limit_is_met_once_and_kept(begin: Begin, more: Reaction) -> None:
    """Three domains of one host that takes five: few are turned away, none is late (bunmail#91, zone-mta#226)."""
    host = Mx({"dot": (Sleep(0.02), "250 2.0.0 taken")}, most_connections=(5, more))
    async with begin() as mail:
        domains = await mail.share(host, 3)
        ids = [one for n in range(60) for domain in domains for one in await mail.send(f"r{n}@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=20)} == {"delivered"}
        assert host.turned_away <= 20
        assert len(host.bodies) == 180


@in_loop
async def test_report_fastapi_mail_75_a_limit_told_at_the_dot_is_soft(begin: Begin) -> None:
    """432 4.3.2 "Concurrent connections limit exceeded": tried again, delivered (sabuhish/fastapi-mail#75)."""
    refusal = "432 4.3.2 Concurrent connections limit exceeded."
    host = Mx({"dot": [refusal, refusal, "250 2.0.0 taken"]})
    async with begin(settings=AGAIN) as mail:
        await mail.host("a.test", host)
        ids = [one for n in range(6) for one in await mail.send(f"r{n}@a.test")]
        await all_delivered(mail, ids, 15)


@in_loop
async def test_report_opensmtpd_224_a_host_that_is_up_again_gets_all_that_waits(begin: Begin) -> None:
    """Not each by its own clock: minutes would pass (OpenSMTPD#224, zone-eu/zone-mta#182, mailgun/flanker#72)."""
    host = Mx({"greeting": ["421 4.3.2 down for maintenance"] * 3 + ["220 mx.test"]})
    async with begin(settings=lane_settings(QUICK)) as mail:
        await mail.host("a.test", host)
        ids = [one for n in range(30) for one in await mail.send(f"r{n}@a.test")]
        await all_delivered(mail, ids, 6)
        assert host.connections <= 12


@pytest.mark.parametrize("end", ["421 4.4.2 Timeout waiting for data from client.", CLOSE, RESET])
@in_loop
async def test_report_simple_java_mail_387_sessions_that_their_host_ends_leave_no_place_taken(
    begin: Begin, end: Reaction
) -> None:
    """It closes each behind one message: hundreds go all the same (bbottema/simple-java-mail#387, smtp-pool#7)."""
    host = Mx({"dot": ("250 2.0.0 taken", Sleep(0.01), end)})
    async with begin(settings=lane_settings(LaneRule(connections=2))) as mail:
        await mail.host("a.test", host)
        ids = [one for n in range(60) for one in await mail.send(f"r{n}@a.test")]
        shown = await mail.settled(*ids, seconds=20)
        assert {one.state for one in shown} == {"delivered"}
        assert len(host.bodies) == 60


@in_loop
async def test_report_luxletter_247_a_host_that_takes_few_messages_a_session_gets_more_sessions(begin: Begin) -> None:
    """Told that there are too many on this connection, the rest goes by others (in2code-de/luxletter#247)."""
    few = ["250 ok"] * 3 + ["451 4.7.1 too many messages in this connection"]
    host = Mx({"MAIL": few * 20})
    async with begin(settings=AGAIN) as mail:
        await mail.host("a.test", host)
        ids = [one for n in range(20) for one in await mail.send(f"r{n}@a.test")]
        await all_delivered(mail, ids, 20)


@in_loop
async def test_report_nextcloud_9296_many_names_are_not_all_dialled_for_one_letter(begin: Begin) -> None:
    """Six MX hosts that all answer: one connection (nextcloud/mail#9296)."""
    hosts = [Mx() for _ in range(6)]
    async with begin() as mail:
        await mail.host("a.test", *hosts, preferences=(10, 10, 10, 20, 20, 20))
        assert (await mail.deliver("x@a.test"))[0].state == "delivered"
        assert sum(host.connections for host in hosts) == 1


@in_loop
async def test_report_haraka_1552_a_few_letters_to_many_domains_are_a_matter_of_seconds(begin: Begin) -> None:
    """Fifty domains of a slow host each, two letters to each (haraka/Haraka#1552)."""
    host = Mx({"greeting": (Sleep(0.3), "220 mx.test"), "dot": (Sleep(0.2), "250 2.0.0 taken")})
    async with begin(settings=lane_settings(LaneRule(connections_per_address=100))) as mail:
        domains = await mail.share(host, 50)
        ids = [one for domain in domains for n in range(2) for one in await mail.send(f"r{n}@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=10)} == {"delivered"}


@in_loop
async def test_report_opensmtpd_689_an_empty_message_goes(begin: Begin) -> None:
    """A header and nothing behind it (OpenSMTPD/OpenSMTPD#689)."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = await mail.send("x@a.test", message=b"From: a@sender.test\r\nTo: x@a.test\r\nSubject: s\r\n\r\n")
        assert (await mail.settled(*ids))[0].state == "delivered"


@in_loop
async def test_report_phpmailer_1072_a_blank_line_before_the_answer_to_the_dot_makes_no_second_copy_unsaid(
    begin: Begin,
) -> None:
    """The message is delivered once, or its second try is owned up to (PHPMailer/PHPMailer#1072)."""
    host = Mx({"dot": [b"\r\n250 2.0.0 OK id=1\r\n", "250 2.0.0 taken"]})
    async with begin(settings=AGAIN) as mail:
        await mail.host("a.test", host)
        ids = await mail.send("x@a.test")
        await all_delivered(mail, ids, 8)
        (shown,) = await mail.show(*ids)
        uncertain = sum(attempt.uncertain for attempt in shown.attempts)
        assert len(host.bodies) <= 1 + uncertain
