"""Recipients of many domains whose mail goes to the same hosts: which of them may share a transaction, or a session."""

from __future__ import annotations

from collections import Counter

import pytest
from delivery import Begin, Delivery, in_loop
from mx import Mx, Script, _Peer
from softbounce_playground import Zone

from softbounce import Shown

GOOGLE = "451-4.3.0 Multiple destination domains per transaction is unsupported.  Please\r\n451 4.3.0 try again. x"


class OneDomain(Mx):
    """A host that takes one domain a transaction, and says something to the others."""

    def __init__(self, refusal: str, script: Script | None = None, *, at: str = "RCPT") -> None:
        super().__init__(script)
        self._refusal = refusal
        self._at = at
        self._of_transaction: dict[int, set[bytes]] = {}

    async def _react(self, peer: _Peer, point: str) -> str:
        seen = self._of_transaction.setdefault(id(peer), set())
        line = peer.lines[-1] if peer.lines else b""
        if point == "MAIL":
            seen.clear()
        domain = line.rpartition(b"@")[2]
        if point == "RCPT" and self._at == "RCPT" and seen and domain not in seen:
            peer.out += self._refusal.encode() + b"\r\n"
            return self._refusal
        if point == "RCPT":
            seen.add(domain)
        if point == self._at and len(seen) > 1:
            peer.out += self._refusal.encode() + b"\r\n"
            return self._refusal
        return await super()._react(peer, point)


async def many_domains(mail: Delivery, host: Mx, count: int) -> list[str]:
    """So many domains at one host; a recipient of each, in the order of their domains."""
    await mail.host("a.test", host)
    zone = mail.playground.zone["a.test"]
    for number in range(count):
        mail.playground.zone[f"d{number}.test"] = Zone(mx=zone.mx)
    return [f"r@d{number}.test" for number in range(count)]


def charged(shown: list[Shown]) -> list[tuple[str, list[bool]]]:
    """State and charged attempts of each."""
    return [(one.state, [attempt.charged for attempt in one.attempts]) for one in shown]


@pytest.mark.parametrize("at", ["RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    "refusal",
    [GOOGLE, "550 5.7.1 Only one recipient domain per message allowed", "452 4.5.3 Too many domains per transaction"],
    ids=["google", "550", "452"],
)
@in_loop
async def test_issue10_14_one_domain_a_transaction_is_kept_and_remembered(begin: Begin, refusal: str, at: str) -> None:
    """Thirty domains of one site: all are delivered at once, uncharged, and the next message is not refused at all."""
    host = OneDomain(refusal, at=at)
    async with begin() as mail:
        recipients = await many_domains(mail, host, 30)
        await mail.deliver(*recipients[:3])
        for _ in range(2):
            shown = await mail.deliver(*recipients)
            assert charged(shown) == [("delivered", [True])] * 30
            assert not mail.lane_of("d0.test").is_closed
        before = host.count("MAIL")
        await mail.deliver(*recipients)
        assert host.count("MAIL") - before == 30


@pytest.mark.parametrize("refusal", ["451 4.3.0 no", "450 try again"], ids=["451", "450"])
@in_loop
async def test_issue10_14_an_unspecific_refusal_of_a_second_domain_is_asked_alone(begin: Begin, refusal: str) -> None:
    """The host does not say why: what is accepted when it comes alone tells, and is remembered."""
    host = OneDomain(refusal)
    async with begin() as mail:
        recipients = await many_domains(mail, host, 8)
        await mail.deliver(*recipients[:2])
        assert charged(await mail.deliver(*recipients)) == [("delivered", [True])] * 8
        before = host.count("MAIL")
        assert charged(await mail.deliver(*recipients)) == [("delivered", [True])] * 8
        assert host.count("MAIL") - before == 8


@in_loop
async def test_issue10_14_a_recipients_own_trouble_is_no_matter_of_domains(begin: Begin) -> None:
    """A full mailbox and a refused one behind accepted ones of other domains are charged at once, and asked once."""
    host = Mx({"RCPT": ["250 ok", "250 ok", "452 4.2.2 full", "550 5.1.1 no such user"]})
    async with begin() as mail:
        recipients = await many_domains(mail, host, 3)
        await mail.deliver(recipients[0])
        shown = await mail.deliver(*recipients)
        assert Counter(one.state for one in shown) == Counter(delivered=1, scheduled=1, bounced=1)
        assert host.count("RCPT") == 4


class Refusing(Mx):
    """A host that has no time for one domain."""

    async def _react(self, peer: _Peer, point: str) -> str:
        if point == "RCPT" and b"@d1.test" in peer.lines[-1]:
            peer.out += b"450 not now\r\n"
            return "450 not now"
        return await super()._react(peer, point)


@in_loop
async def test_issue10_14_what_is_refused_alone_too_is_its_own(begin: Begin) -> None:
    """A domain that is refused in any company is charged after two answers, and the others go together all the same."""
    host = Refusing()
    async with begin() as mail:
        recipients = await many_domains(mail, host, 4)
        await mail.deliver(*recipients)
        before = host.count("RCPT TO:<r@d1")
        shown = await mail.deliver(*recipients)
        assert [one.state for one in shown] == ["delivered", "scheduled", "delivered", "delivered"]
        assert [len(one.attempts) for one in shown] == [1] * 4
        assert host.count("RCPT TO:<r@d1") - before <= 2
        before = host.count("MAIL")
        assert {one.state for one in await mail.deliver(recipients[0], *recipients[2:])} == {"delivered"}
        assert host.count("MAIL") - before <= 2


@pytest.mark.parametrize("most", [1, 2])
@in_loop
async def test_issue10_14_M30_recipient_domains_of_a_session_are_bounded_by_its_limits(begin: Begin, most: int) -> None:
    """RCPTDOMAINMAX (RFC 9422) counts over the whole session: the other domains get sessions of their own."""
    host = Mx({"EHLO": f"250-mx.test\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX={most}"})
    async with begin() as mail:
        recipients = await many_domains(mail, host, 6)
        assert charged(await mail.deliver(*recipients)) == [("delivered", [True])] * 6
        assert charged(await mail.deliver(*recipients)) == [("delivered", [True])] * 6
        for lines in host.lines:
            domains = {line.rpartition(b"@")[2] for line in lines if line.startswith(b"RCPT")}
            assert len(domains) <= most


@pytest.mark.parametrize("reply", ["450 4.5.3 too many", "550 5.5.3 too many recipients", "451 4.5.3 no"])
@in_loop
async def test_issue10_14_too_many_recipients_by_any_code(begin: Begin, reply: str) -> None:
    """What says "too many recipients" by its enhanced status asks for a further transaction, whatever the code."""
    host = Mx(most_recipients=(5, reply))
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        shown = await mail.deliver(*(f"r{number}@a.test" for number in range(12)))
        assert charged(shown) == [("delivered", [True])] * 12
