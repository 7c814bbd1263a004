"""What is asked of TLS: which session may carry what."""

from __future__ import annotations

import pytest
from softbounce_worker.posture import OPPORTUNISTIC, Posture, Sts, after_losses, posture_for

from softbounce.envelope import Attempt, Tls, TlsAsked
from softbounce.road import MX, Road, TlsMode
from softbounce.settings import BUILT_IN, Settings, TlsRule

NONE, REQUIRED, VERIFIED = (Posture(mode=mode) for mode in ("none", "required", "verified"))
NEWEST = Posture(mode="required", minimum_version="1.3")
OWN = Posture(mode="verified", roots="own")
OTHER = Posture(mode="verified", roots="other")
STS = Posture(sts=Sts())
STS_ELSEWHERE = Posture(sts=Sts(forbids=frozenset({"mx.test"})))
STS_TEST = Posture(sts=Sts(forbids=frozenset({"mx.test"}), is_testing=True))


@pytest.mark.parametrize(
    ("opened", "carries"),
    [
        (NONE, [NONE]),
        (OPPORTUNISTIC, [NONE, OPPORTUNISTIC, STS_TEST]),
        (REQUIRED, [NONE, OPPORTUNISTIC, REQUIRED, STS_TEST]),
        (NEWEST, [NONE, OPPORTUNISTIC, REQUIRED, NEWEST, STS_TEST]),
        (VERIFIED, [NONE, OPPORTUNISTIC, REQUIRED, VERIFIED, STS, STS_TEST]),
        (STS, [NONE, OPPORTUNISTIC, REQUIRED, VERIFIED, STS, STS_TEST]),
        (STS_TEST, [NONE, OPPORTUNISTIC, STS_TEST]),
        (OWN, [NONE, OPPORTUNISTIC, REQUIRED, OWN, STS_TEST]),
        (OTHER, [NONE, OPPORTUNISTIC, REQUIRED, OTHER, STS_TEST]),
    ],
    ids=["none", "opportunistic", "required", "newest", "verified", "mta-sts", "tested", "own roots", "other roots"],
)
def test_issue12_a_session_carries_what_asks_for_no_more(opened: Posture, carries: list[Posture]) -> None:
    """Nor for another proof than it has; and what could have had TLS does not go by one that was opened without."""
    everything = [NONE, OPPORTUNISTIC, REQUIRED, NEWEST, VERIFIED, OWN, OTHER, STS, STS_ELSEWHERE, STS_TEST]
    assert [one for one in everything if opened.covers(one, "mx.test")] == carries


def test_issue12_whose_rule_it_is_makes_no_session_unfit() -> None:
    """Two rules that ask for the same share sessions."""
    assert Posture(mode="required", rule="tls[0]").covers(Posture(mode="required", rule="tls[3]"), "mx.test")


def test_issue12_without_a_rule_TLS_is_taken_where_it_is_offered() -> None:
    """And each rule's posture says which it was."""
    assert posture_for(BUILT_IN, domain="a.test", site="a.test") == OPPORTUNISTIC
    settings = Settings(tls=(TlsRule(mode="none", domain="b.test"), TlsRule(mode="verified", roots="own")))
    asked = posture_for(settings, domain="a.test", site="a.test")
    assert asked == Posture(mode="verified", roots="own", rule="tls[1]")
    assert (asked.may_be_clear, asked.verifies) == (False, True)
    assert posture_for(settings, domain="b.test", site=None).may_be_clear


def test_issue12_a_domains_policy_asks_for_more_and_never_for_less() -> None:
    """Where the operator wants no TLS, or no such policy, it does not count; and it is shown with the rule."""
    asked = posture_for(BUILT_IN, domain="a.test", site="a.test", sts=Sts())
    assert (asked.verifies, asked.may_be_clear, asked.rule) == (True, False, "default + MTA-STS")
    tested = posture_for(BUILT_IN, domain="a.test", site="a.test", sts=Sts(is_testing=True))
    assert (tested.verifies, tested.may_be_clear, tested.rule) == (False, True, "default + MTA-STS testing")
    for rule in (TlsRule(mode="none"), TlsRule(mode="opportunistic", mta_sts=False)):
        asked = posture_for(Settings(tls=(rule,)), domain="a.test", site="a.test", sts=Sts())
        assert (asked.verifies, asked.rule, asked.forbids) == (False, "tls[0]", frozenset())
    demanding = Settings(tls=(TlsRule(mode="verified", minimum_version="1.3"),))
    asked = posture_for(demanding, domain="a.test", site=None, sts=Sts(is_testing=True))
    assert (asked.verifies, asked.minimum_version) == (True, "1.3")


@pytest.mark.parametrize("asks", ["", "require", "no"])
@pytest.mark.parametrize(
    ("road", "asked"),
    [
        (MX, (Sts(), True)),
        (Road(hostname="other.test"), (Sts(), True)),
        (Road(host="relay.test"), (None, False)),
        (Road(socket="/run/s"), (None, False)),
    ],
)
def test_issue12_what_a_domain_asks_of_its_own_hosts_is_asked_of_no_smarthost(
    road: Road, asked: tuple[Sts | None, bool], asks: TlsAsked
) -> None:
    """But what a sender asks is; it needs no proof then that the host is the right one. A socket needs no TLS."""
    posture = posture_for(Settings(), domain="a.test", site="mx.test", sts=Sts(), dane=True, road=road)
    assert (posture.sts, posture.dane) == asked
    of_mail = posture.for_sender(asks)
    assert of_mail.verifies == (road.socket is None and (asks == "require" or (asks == "" and asked[0] is not None)))
    assert not of_mail.is_unprovable


def test_issue12_what_one_sender_asks_at_a_smarthost_is_not_what_its_road_asks() -> None:
    """So no mail waits there but his, where the certificate is not what he asks for."""
    cases: list[tuple[TlsMode | None, bool]] = [(None, False), ("required", False), ("verified", True)]
    for tls, is_of_road in cases:
        posture = posture_for(Settings(), domain="a.test", site="relay.test", road=Road(host="relay.test", tls=tls))
        assert posture.is_of_road == (tls is not None)
        assert posture.for_sender("require").is_of_road == is_of_road


def tried(*, version: str | None = "TLSv1.3", rule: str = "builtin:connection-lost", charged: bool = True) -> Attempt:
    """One try of an envelope."""
    return Attempt(number=1, started_ms=0, ended_ms=1, rule=rule, charged=charged, tls=Tls(version=version))


LOST, LOST_IN_CLEAR, SILENT = tried(), tried(version=None), tried(rule="builtin:timeout")
REFUSED, CLOSED = tried(rule="builtin:greylisted"), tried(charged=False)


@pytest.mark.parametrize(
    ("attempts", "is_clear"),
    [
        ([], False),
        ([LOST], False),
        ([LOST, LOST], True),
        ([LOST, SILENT], True),
        ([REFUSED, LOST, LOST], True),
        ([LOST, CLOSED, LOST, CLOSED], True),
        ([LOST, REFUSED], False),
        ([LOST, LOST, REFUSED], False),
        ([LOST, LOST, LOST_IN_CLEAR], False),
        ([LOST, LOST, LOST_IN_CLEAR, LOST], False),
        ([LOST, LOST, LOST_IN_CLEAR, LOST, LOST], True),
        ([LOST_IN_CLEAR, LOST_IN_CLEAR], False),
    ],
)
def test_issue12_what_is_lost_over_TLS_twice_running_goes_in_clear(attempts: list[Attempt], is_clear: bool) -> None:
    """Of the tries that its host had part in; what is lost in clear as well goes by TLS again."""
    posture = after_losses(OPPORTUNISTIC, attempts)
    assert (posture.mode == "none") == is_clear
    assert posture.is_clear_as_asked is False
    for stronger in (REQUIRED, VERIFIED, STS, OPPORTUNISTIC.for_sender("require")):
        assert after_losses(stronger, attempts) == stronger


def test_issue12_what_shall_go_in_clear_goes_by_no_session_that_may_be_over_TLS() -> None:
    """Other than mail for which TLS is not wanted: that goes by any."""
    last_resort = after_losses(OPPORTUNISTIC, [LOST, LOST])
    assert [one.covers(last_resort, "mx.test") for one in (NONE, OPPORTUNISTIC, REQUIRED, last_resort)] == [
        True,
        False,
        False,
        True,
    ]
    assert last_resort.covers(NONE, "mx.test")
    assert not last_resort.covers(OPPORTUNISTIC, "mx.test")


def test_issue12_what_was_lost_over_TLS_asks_DNS_as_before() -> None:
    """An attacker who breaks two sessions does not have the third in clear, where DANE or a policy asks for more."""
    signed = after_losses(Posture(dane=True), [LOST, LOST])
    assert (signed.mode, signed.dane, signed.beside_dane.mode) == ("none", True, "required")
    assert not after_losses(OPPORTUNISTIC, [LOST, LOST]).covers(signed, "mx.test")
    assert after_losses(STS, [LOST, LOST]) == STS
    wanted = OPPORTUNISTIC.for_sender("require")
    assert after_losses(wanted, [LOST, LOST]) == wanted
