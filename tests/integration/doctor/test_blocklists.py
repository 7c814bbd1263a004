"""Blocklists, asked by real packets: a listing counts only where the list works, and the name server is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from softbounce_gateway.doctor import Finding, State, blocklists, sender_domains
from softbounce_gateway.doctor.believing import doubted
from softbounce_gateway.doctor.patient import Patient

if TYPE_CHECKING:
    from doctoring import Ask, Beside

OURS = "192.0.2.10"
LIST = "zen.list.test"
CONFIG = f'[health]\nblocklists = ["{LIST}"]\n'
WORKS: dict[str, Any] = {f"2.0.0.127.{LIST}": {"A": ["127.0.0.2"]}}


def placed(answer: str, place: str = f"10.2.0.192.{LIST}") -> dict[str, Any]:
    """A list that works, and has an answer for us."""
    return {**WORKS, place: {"A": [answer], "TXT": ['"ask https://list.test/q"']}}


@pytest.mark.parametrize(
    ("zone", "state", "words"),
    [
        (WORKS, "ok", "it is not listed"),
        (placed("127.0.0.4"), "fail", "it is listed (127.0.0.4): ask https://list.test/q"),
        (placed("127.255.255.254"), "unknown", "it does not tell those who ask by this name server"),
        (placed("127.0.0.1"), "unknown", "it does not tell those who ask by this name server"),
        (placed("203.0.113.7"), "unknown", "something on the way invents it"),
        ({f"2.0.0.127.{LIST}": {"A": ["127.255.255.254"]}}, "unknown", "does not tell those who ask by this name"),
        ({**placed("127.0.0.2"), f"1.0.0.127.{LIST}": {"A": ["127.0.0.2"]}}, "unknown", "an answer to everything"),
        ({f"10.2.0.192.{LIST}": {"A": ["127.0.0.2"]}}, "unknown", "does not list 127.0.0.2"),
        ({**WORKS, f"1.0.0.127.{LIST}": "servfail"}, "unknown", "SERVFAIL"),
        ({**WORKS, f"10.2.0.192.{LIST}": "refused"}, "unknown", "REFUSED"),
    ],
)
def test_issue15_4_what_a_list_says_of_us(
    beside: Beside, ask: Ask, zone: dict[str, Any], state: str, words: str
) -> None:
    """Refusals of public resolvers, lists that were given up, and answers that are invented are no listings."""
    (one,) = ask(blocklists.check, beside.dns(zone), config=CONFIG, addresses=(OURS,)).values()
    assert (str(one.state), words in one.found) == (state, True), one
    assert bool(one.mend) is (state != "ok")


def test_issue15_4_a_list_is_asked_about_IPv6_by_its_nibbles(beside: Beside, ask: Ask) -> None:
    """As RFC 5782 §2.4 has it."""
    nibbles = "1.0.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2"
    zone = placed("127.0.0.2", f"{nibbles}.{LIST}")
    (one,) = ask(blocklists.check, beside.dns(zone), config=CONFIG, addresses=("2001:db8::1",)).values()
    assert one.state is State.FAIL


def test_issue15_4_a_list_without_IPv6_does_not_clear_an_IPv6_address(beside: Beside, ask: Ask) -> None:
    """It denies all of them. One that has such addresses has that of RFC 5782 §5, too."""
    test = "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20
    for zone, state in ((WORKS, State.UNKNOWN), ({**WORKS, f"{test}.{LIST}": {"A": ["127.0.0.2"]}}, State.OK)):
        (one,) = ask(blocklists.check, beside.dns(zone), config=CONFIG, addresses=("2001:db8::1",)).values()
        assert one.state is state


def test_issue15_4_the_key_in_a_lists_name_is_not_shown(beside: Beside, ask: Ask) -> None:
    """Who pays for a list asks by a name with a key; findings go to logs, webhooks and the screen."""
    key = "abcd1234efgh5678ijkl9012mn"
    listed = f"{key}.zen.dq.test"
    config = f'[health]\nblocklists = ["{listed}"]\n'
    zones: tuple[dict[str, Any], ...] = (
        {f"2.0.0.127.{listed}": {"A": ["127.0.0.2"]}, f"10.2.0.192.{listed}": {"A": ["127.0.0.2"]}},
        {f"2.0.0.127.{listed}": {"A": ["127.0.0.2"]}, f"10.2.0.192.{listed}": "servfail"},
        {f"1.0.0.127.{listed}": "servfail"},
        {},
    )
    for zone in zones:
        (one,) = ask(blocklists.check, beside.dns(zone), config=config, addresses=(OURS,)).values()
        assert "zen.dq.test" in one.what
        assert key not in f"{one}"


def test_issue15_4_without_lists_nobody_is_asked(beside: Beside, ask: Ask) -> None:
    """Off by default: no list hears of our addresses."""
    server = beside.dns(WORKS)
    assert ask(blocklists.check, server, addresses=(OURS,)) == {}
    assert not server.asked


def test_issue15_4_a_name_server_that_lies_turns_nothing_red(beside: Beside, ask: Ask) -> None:
    """It denies a domain's records, or invents some: what only it told is not known; all else is as it was found."""
    patients: list[Patient] = []

    def check(patient: Patient) -> list[Finding]:
        patients.append(patient)
        return list(sender_domains.check(patient))

    truthful, denier = beside.dns({}), beside.dns({})
    del denier.zone[""]
    inventor = beside.dns({"softbounce-doctor-looks.invalid": {"A": ["203.0.113.1"]}})
    other = Finding(check="disk", what="disk", state=State.FAIL, found="full", mend="free some")
    for server, state in ((truthful, State.FAIL), (denier, State.UNKNOWN), (inventor, State.UNKNOWN)):
        found = ask(check, server, domains=("gone.test",), addresses=(OURS,))
        (one,) = [finding for what, finding in found.items() if what.endswith("bounces")]
        assert one.state is State.FAIL
        told = doubted([*(_of_senders(finding) for finding in found.values()), other], patients[-1])
        assert told[-1] == other
        assert {finding.state for finding in told[:-1] if finding.what == one.what} == {state}


def _of_senders(one: Finding) -> Finding:
    return Finding(check="senders", what=one.what, state=one.state, found=one.found, mend=one.mend)
