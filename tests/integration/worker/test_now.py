"""*Now* names each trouble first, in its scope, with its reason and what helps; each is really made. Issue 15."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivery import BODY, Begin, Delivery, in_loop
from faulty import as_service
from mx import HANG, Mx

from softbounce.client import Now
from softbounce.client.now.view import Finding
from softbounce.errors import NotFound
from softbounce.settings import LaneRule, Policy, Settings

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=50)
RULE = LaneRule(close_first=timedelta(seconds=20), close_cap=timedelta(seconds=30))
DMARC = "451 4.7.26 Unauthenticated email is not accepted due to the DMARC policy of tenant.test"


def settings(rule: LaneRule = RULE) -> Settings:
    """An envelope that was refused comes again by its own clock in an hour."""
    return Settings(policies={"default": Policy(name="default", delays=(HOUR,), jitter=0.0)}, lane=(rule,), version=1)


async def send(mail: Delivery, *recipients: str, stream: str = "", sender: str = "app@tenant.test") -> None:
    """One message to each."""
    await mail.client.send_many(
        {"sender": sender, "recipients": [one], "message": BODY, "stream": stream} for one in recipients
    )


async def first_of(mail: Delivery, kind: str, says: str = "") -> tuple[Now, Finding]:
    """How it does, at the look that has a finding of this kind, and whose first one says this.

    One that goes ahead is for a moment in its list and in hand, and so counted twice.
    """
    looks: list[Now] = []

    async def is_told() -> bool:
        looks.append(await mail.client.now())
        findings = looks[-1].findings
        return kind in {one.kind for one in findings} and says in findings[0].why

    await mail.until(is_told, 10)
    return looks[-1], looks[-1].findings[0]


@in_loop
async def test_issue15_a_site_that_closed_us_out_is_named_first(begin: Begin) -> None:
    """Its reply, since when, how many wait, the next probe, and that it blames us; other sites are no part of it."""
    chosen = settings()
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        await mail.host("a.test", Mx({"greeting": "554 5.7.1 192.0.2.1 is listed in our blocklist"}))
        await mail.host("b.test", Mx())
        await send(mail, *(f"r{number}@a.test" for number in range(30)), "r@b.test")
        now, first = await first_of(mail, "site_closed")
        assert now.flows == "partly"
        assert now.sentence == "Yes, but not everywhere. a.test is closed: mail to it waits."
        assert (first.kind, first.scope, first.waiting, first.place) == ("site_closed", "site", 30, "/ui/sites/a.test")
        assert "554 5.7.1 192.0.2.1 is listed in our blocklist" in first.why
        assert first.since is not None
        assert first.since <= now.at
        assert "One envelope goes ahead in" in first.next
        assert first.command == ("softbounce", "doctor")
        views, more = await mail.client.sites()
        assert (views[0].site, views[0].state, more) == ("a.test", "closed", 0)
        detail = await mail.client.site("A.test.")
        assert [one.id for one in detail.lanes if one.trouble for one in detail.said] != []
        assert len(detail.waiting) == 20
        with pytest.raises(NotFound):
            await mail.client.site("nowhere.test")


@in_loop
async def test_issue15_one_closed_site_that_is_probed_again_and_again_is_no_verdict_of_the_world(begin: Begin) -> None:
    """Its refusals count once; three sites that refuse our address are told as that, first."""
    chosen = settings(LaneRule(close_first=MOMENT, close_cap=MOMENT))
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        hosts = [Mx({"greeting": "554 5.7.1 192.0.2.1 is listed in our blocklist"}) for _ in range(3)]
        await mail.host("a.test", hosts[0])
        await send(mail, *(f"r{number}@a.test" for number in range(3)))
        await mail.until_true(lambda: hosts[0].connections > 8)
        assert {one.kind for one in (await mail.client.now()).findings} == {"site_closed"}
        for name, host in zip(("b.test", "c.test"), hosts[1:], strict=True):
            await mail.host(name, host)
            await send(mail, f"r@{name}")

        async def is_blamed() -> bool:
            found = (await mail.client.now()).findings
            return bool(found) and (found[0].kind, found[0].scope) == ("blamed_ip_reputation", "us")

        await mail.until(is_blamed)


@in_loop
async def test_issue15_a_closed_site_is_told_while_all_that_waits_is_its_probe(begin: Begin) -> None:
    """Which hangs at the greeting: it is still closed, and somebody has one envelope that does not go."""
    chosen = settings(LaneRule(close_first=MOMENT, close_cap=MOMENT))
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        host = Mx({"greeting": ["554 5.7.1 no mail service for you", HANG]})
        await mail.host("a.test", host)
        await send(mail, "r@a.test")
        await mail.until_true(lambda: host.connections == 2)
        now = await mail.client.now()
        (first,) = now.findings
        assert (first.kind, first.level, first.waiting, now.flows) == ("site_closed", "bad", 1, "partly")
        assert "One envelope goes ahead now" in first.next
        assert now.states["attempting"] == 1
        (view,) = [one for one in (await mail.client.sites())[0] if one.site == "a.test"]
        assert (view.state, view.trouble is not None) == ("probing", True)


@in_loop
async def test_issue15_a_customer_s_broken_dmarc_is_the_sender_s_and_names_who_waits(begin: Begin) -> None:
    """It is that sender domain at that site; that its newsletter holds its login codes is told; others' mail goes."""
    chosen = settings()
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        await mail.host("a.test", Mx(by_sender={"@tenant.test": DMARC}))
        await send(mail, *(f"n{number}@a.test" for number in range(40)), stream="newsletter")
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})
        await send(mail, "code@a.test", stream="otp")
        await send(mail, "other@a.test", sender="app@other.test")

        waits = "DMARC policy of tenant.test. Of these wait: newsletter 40, otp 1."
        _, first = await first_of(mail, "sender_closed", waits)
        assert (first.kind, first.scope) == ("sender_closed", "sender")
        assert first.what == "a.test takes no mail from tenant.test"
        assert first.waiting == 41
        assert first.command == ("softbounce", "doctor", "--domain", "tenant.test")

        async def all_are_counted() -> bool:  # one that goes ahead is for a moment in its list and in hand
            (lane, *_) = (await mail.client.site("a.test")).lanes
            return [(one.name, one.waiting) for one in lane.senders] == [("tenant.test", 41)]

        await mail.until(all_are_counted)
        (lane, *_) = (await mail.client.site("a.test")).lanes
        assert (lane.state, lane.trouble) == ("open", None)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        pytest.param("servfail", "answered with a failure", id="down"),
        pytest.param("", "to be believed yet", id="lying"),
    ],
)
@in_loop
async def test_issue15_a_resolver_that_fails_or_lies_is_the_network_s(begin: Begin, word: str, says: str) -> None:
    """One finding for all the domains, which says that it is ours; nothing is bounced once it is seen to lie."""
    chosen = settings()
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        if word:
            await send(mail, *(f"r@d{number}.{word}.test" for number in range(10)))
        else:
            await send(mail, *(f"r@d{number}.nxdomain.test" for number in range(60)))
        _, first = await first_of(
            mail, "resolver", says
        )  # lanes close a moment before their envelopes' last words are told
        assert (first.kind, first.scope, first.command) == ("resolver", "network", ("softbounce", "doctor"))
        assert "name servers' trouble, not theirs" in first.why
        assert len([one for one in (await mail.client.now()).findings if one.scope == "site"]) == 0


@in_loop
async def test_issue15_one_domain_without_dns_is_its_own_trouble(begin: Begin) -> None:
    """Where others are looked up, it is named alone."""
    chosen = settings()
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        await mail.host("b.test", Mx())
        await send(mail, "r@b.test", "r@gone.servfail.test")
        now, first = await first_of(mail, "domain_dns")
        assert (first.scope, first.level) == ("site", "warn")
        assert first.what == "The domain gone.servfail.test cannot be looked up"
        assert now.flows == "yes"


@in_loop
async def test_issue15_a_newsletter_that_holds_back_login_codes_is_named(begin: Begin) -> None:
    """The site's ceiling, who is before whom, when it is out, and the act that lets the codes go; which does."""
    slow = LaneRule(rate=0.2, connections=1, source="lane[0]", adaptive=False)
    chosen = settings(slow)
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        await mail.host("a.test", Mx())
        await send(mail, *(f"n{number}@a.test" for number in range(150)), stream="newsletter")
        await send(mail, *(f"code{number}@a.test" for number in range(12)), stream="otp")

        async def codes_wait() -> bool:
            return any("otp" in one.what for one in (await mail.client.now()).findings)

        await mail.until(codes_wait)
        now, first = await first_of(mail, "slow")
        assert (first.scope, first.level, now.flows) == ("site", "warn", "yes")
        assert first.what == "Mail to a.test waits for its turn: otp behind newsletter"
        assert "720 messages an hour, as lane[0] says" in first.why
        assert first.command == ("softbounce", "hold", "--site", "a.test", "--stream", "newsletter")
        lane = next(one for one in (await mail.client.site("a.test")).lanes if one.site == "a.test")
        assert lane.rate_hour == 720
        assert lane.out_in_seconds is not None
        assert lane.out_in_seconds > 60
        await mail.client.act_on_matching("hold", site="a.test", stream="newsletter")
        held = [one for one in (await mail.client.now()).findings if one.kind == "held_operator"]
        assert [(one.level, one.command) for one in held] == [
            ("note", ("softbounce", "release", "--held-for", "operator"))
        ]


@in_loop
async def test_issue15_a_loop_that_holds_back_all_others_is_named(begin: Begin) -> None:
    """Whose mail has the line, where no streams tell it apart, and the act that lets the others go."""
    slow = LaneRule(rate=0.2, connections=1, source="lane[0]", adaptive=False)
    chosen = settings(slow)
    async with begin(settings=chosen) as mail, as_service(mail, chosen):
        await mail.host("a.test", Mx())
        await send(mail, *(f"n{number}@a.test" for number in range(100)), sender="loop@bad.test")
        await send(mail, *(f"o{number}@a.test" for number in range(12)), sender="app@shop.test")

        async def is_named() -> bool:
            return any("bad.test" in one.what for one in (await mail.client.now()).findings)

        await mail.until(is_named)
        _, first = await first_of(mail, "slow")
        assert first.what == "Mail to a.test waits for its turn: others behind bad.test"
        assert "By sender: bad.test " in first.why
        assert first.command == ("softbounce", "hold", "--site", "a.test", "--sender", "*@bad.test")


@in_loop
async def test_issue15_nothing_and_nobody_there_are_told(begin: Begin) -> None:
    """An idle service flows; one without a scheduler does not, nor one without a worker."""
    chosen = settings()
    async with begin(settings=chosen) as mail:
        async with as_service(mail, chosen):
            now = await mail.client.now()
            assert (now.flows, now.sentence, now.findings) == ("yes", "Yes. Nothing waits.", [])
            assert (now.workers, now.schedulers) == (1, 1)
            at = now.at + HOUR
            receipts = [
                await mail.client.send(sender="a@shop.test", recipients=[one], message=BODY, at=at)
                for one in ("ann@a.test", "bob@a.test")
            ]
            first, second = (next(iter(one.envelopes.values())) for one in receipts)
            await mail.client.hold(first)
            now = await mail.client.now()
            assert now.flows == "yes"
            assert now.sentence.startswith("Yes. 1 envelope is on its way")
            assert now.sentence.endswith("1 is held.")
            await mail.client.hold(second)
            now = await mail.client.now()
            words = "Nothing is on its way: all 2 envelopes that wait are held."
            assert (now.flows, now.sentence) == ("partly", words)
        now = await mail.client.now()
        assert (now.flows, now.findings[0].kind) == ("no", "no_scheduler")
