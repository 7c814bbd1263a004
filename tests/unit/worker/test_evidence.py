"""What a reply, or the want of one, is evidence of: the table's rows, and which of them an outcome falls under."""

from __future__ import annotations

import msgspec
import pytest
from softbounce_worker.lane.evidence import (
    SCOPES,
    Evidence,
    Scope,
    blames_by_words,
    blames_host,
    evidence_of,
    first_refusal_ms,
    is_no_tls,
    may_be_greylisting,
    wants_tls,
)

from softbounce.envelope import Attempt, Body, Envelope, Record
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

DELIVERED, SOFT, HARD = VerdictWord
LOST = Trouble(kind=TroubleKind.CONNECTION_LOST, text="lost")
LATER = "builtin:says-not-now"
OWN_RULE = "mine"


def verdict(
    word: VerdictWord = SOFT,
    fault: Fault | None = Fault.SYSTEM,
    reason: Reason | None = Reason.UNKNOWN,
    rule: str = LATER,
) -> Verdict:
    """One, for what is of no account here."""
    return Verdict(word=word, fault=fault, reason=reason, rule=rule)


def reply(code: int = 450, enhanced: str | None = None) -> Reply:
    """One, likewise."""
    return Reply(code=code, enhanced=enhanced, lines=("no",))


RCPT, MAIL = Stage.RCPT, Stage.MAIL
OUTCOMES = [
    (reply(250), verdict(DELIVERED, None, None), RCPT, Evidence.TAKEN, "taken"),
    (LOST, verdict(SOFT, Fault.SYSTEM), RCPT, Evidence.SILENCE, "no reply, theirs"),
    (LOST, verdict(SOFT, Fault.SENDER), RCPT, Evidence.SILENCE, "no reply, ours"),
    (LOST, verdict(SOFT, Fault.MESSAGE), RCPT, Evidence.OWN, "no reply, the message's"),
    (LOST, verdict(HARD, Fault.SYSTEM), RCPT, Evidence.OWN, "no reply, and final"),
    (reply(550), verdict(HARD, Fault.SYSTEM), RCPT, Evidence.OWN, "final"),
    (reply(550), verdict(HARD, Fault.SENDER), MAIL, Evidence.OWN, "final at MAIL"),
    (reply(), verdict(SOFT, Fault.RECIPIENT), RCPT, Evidence.OWN, "the recipient's"),
    (reply(), verdict(SOFT, Fault.MESSAGE), RCPT, Evidence.OWN, "the message's"),
    (reply(), verdict(SOFT, Fault.RECIPIENT), MAIL, Evidence.SENDER, "at MAIL nobody but the sender is known"),
    (reply(), verdict(SOFT, Fault.SENDER, Reason.IP_REPUTATION), RCPT, Evidence.SENDER, "the sender's"),
    (reply(), verdict(SOFT, Fault.SENDER, Reason.RATE_LIMIT), RCPT, Evidence.CAPS, "the sender is too fast"),
    (reply(), verdict(SOFT, Fault.SYSTEM, Reason.RATE_LIMIT), MAIL, Evidence.CAPS, "too many connections"),
    (reply(), verdict(SOFT, Fault.SYSTEM), RCPT, Evidence.NOT_NOW, "not now"),
    (reply(), verdict(SOFT, Fault.SYSTEM), MAIL, Evidence.SENDER, "not now, at MAIL"),
    (reply(421), verdict(SOFT, Fault.SYSTEM), MAIL, Evidence.SYSTEM, "421"),
    (reply(422), verdict(SOFT, Fault.SYSTEM), RCPT, Evidence.NOT_NOW, "422 is no 421"),
    (reply(450, "4.3.2"), verdict(SOFT, Fault.SYSTEM), RCPT, Evidence.SYSTEM, "4.3.2"),
    (reply(450, "4.2.0"), verdict(SOFT, Fault.SYSTEM), RCPT, Evidence.NOT_NOW, "4.2.0"),
    (reply(), verdict(rule="builtin:system-space"), RCPT, Evidence.SYSTEM, "no space left"),
    (reply(), verdict(rule=OWN_RULE), RCPT, Evidence.SYSTEM, "a rule of the user's"),
]


@pytest.mark.parametrize(
    ("what", "judged", "stage", "evidence"), [row[:4] for row in OUTCOMES], ids=[row[4] for row in OUTCOMES]
)
def test_an_outcome_falls_under_one_row(
    what: Reply | Trouble, judged: Verdict, stage: Stage, evidence: Evidence
) -> None:
    """By whether there was a reply, by its word, whose fault it is, its reason, where it stands and who blames whom."""
    assert evidence_of(what, judged, stage) is evidence


def test_what_waits_what_adds_up_and_what_shows_that_the_site_talks() -> None:
    """The table, in its three columns that decide."""
    assert {one: row.scope for one, row in SCOPES.items()} == {
        Evidence.NO_ROUTE: Scope.UNRESOLVED,
        Evidence.ADDRESS: Scope.ADDRESS,
        Evidence.NO_SESSION: Scope.SITE,
        Evidence.CAPS: Scope.ENVELOPE,
        Evidence.SENDER: Scope.SENDER,
        Evidence.OWN: Scope.ENVELOPE,
        Evidence.NOT_NOW: Scope.DOMAIN,
        Evidence.SYSTEM: Scope.DOMAIN,
        Evidence.SILENCE: Scope.ENVELOPE,
        Evidence.TAKEN: Scope.NOTHING,
    }
    assert {one for one, row in SCOPES.items() if row.counts} == {Evidence.NOT_NOW, Evidence.SYSTEM}
    assert {one for one, row in SCOPES.items() if row.at_first} == {Evidence.SYSTEM}
    silent = {Evidence.NO_ROUTE, Evidence.ADDRESS, Evidence.NO_SESSION, Evidence.SILENCE}
    assert {one for one, row in SCOPES.items() if not row.is_reply} == silent


@pytest.mark.parametrize(
    ("what", "judged", "blames"),
    [
        pytest.param(reply(421), verdict(reason=Reason.SYSTEM), True, id="421"),
        pytest.param(reply(452), verdict(reason=Reason.SYSTEM), True, id="452"),
        pytest.param(reply(451, "4.3.0"), verdict(reason=Reason.SYSTEM), True, id="4.3.0"),
        pytest.param(reply(), verdict(reason=Reason.SYSTEM, rule="builtin:system-trouble"), True, id="its words"),
        pytest.param(reply(), verdict(reason=Reason.SYSTEM, rule="builtin:system-space"), True, id="no space"),
        pytest.param(reply(451), verdict(reason=Reason.SYSTEM), False, id="a plain 451 may be greylisting"),
        pytest.param(reply(453), verdict(reason=Reason.SYSTEM), False, id="453 is no 452"),
        pytest.param(reply(422), verdict(reason=Reason.SYSTEM), False, id="422 is no 421"),
        pytest.param(reply(421), verdict(reason=Reason.RATE_LIMIT), False, id="another reason"),
        pytest.param(reply(421), verdict(HARD, reason=Reason.SYSTEM), False, id="final"),
        pytest.param(reply(421), verdict(fault=Fault.RECIPIENT, reason=Reason.SYSTEM), False, id="another's fault"),
        pytest.param(LOST, verdict(reason=Reason.SYSTEM, rule="builtin:system-trouble"), False, id="no reply"),
    ],
)
def test_who_blames_one_host(what: Reply | Trouble, judged: Verdict, blames: bool) -> None:
    """A soft reply of the system, whose code, status or words are about the host that gave it."""
    assert blames_host(what, judged) is blames


def test_only_a_bare_policy_code_blames_nobody_by_words() -> None:
    """``4.7.1`` without words may be greylisting; with words, or of another reason, it is not."""
    assert not blames_by_words(verdict(reason=Reason.POLICY, rule="builtin:enhanced-4.7.1"))
    assert not blames_by_words(verdict(reason=Reason.POLICY, rule="builtin:code-450"))
    assert blames_by_words(verdict(reason=Reason.POLICY, rule="builtin:policy"))
    assert blames_by_words(verdict(reason=Reason.AUTH, rule="builtin:enhanced-4.7.26"))


def attempt(
    code: int | None = 450,
    *,
    word: str = "soft",
    stage: str = "rcpt",
    reason: str = "system",
    rule: str = LATER,
    enhanced: str | None = None,
) -> Attempt:
    """One that was refused with a plain "later" unless told otherwise."""
    return Attempt(
        number=1,
        started_ms=0,
        ended_ms=1,
        code=code,
        verdict=word,
        stage=stage,
        reason=reason,
        rule=rule,
        enhanced=enhanced,
    )


@pytest.mark.parametrize(
    ("one", "may"),
    [
        pytest.param(attempt(), True, id="later"),
        pytest.param(attempt(stage="data"), True, id="at DATA"),
        pytest.param(attempt(stage="end_of_data"), True, id="after the dot"),
        pytest.param(attempt(stage="mail"), False, id="no recipient was named"),
        pytest.param(attempt(None), False, id="no reply"),
        pytest.param(attempt(word="hard"), False, id="final"),
        pytest.param(attempt(421), False, id="it goes away"),
        pytest.param(attempt(452), False, id="no space"),
        pytest.param(attempt(enhanced="4.3.1"), False, id="its status"),
        pytest.param(attempt(rule="builtin:system-trouble"), False, id="its words"),
        pytest.param(attempt(421, reason="rate_limit"), True, id="another reason, whatever the code"),
    ],
)
def test_what_may_be_greylisting(one: Attempt, may: bool) -> None:
    """A soft reply to somebody who named a recipient, that blames nothing of the host's own."""
    assert may_be_greylisting(one) is may


def test_who_takes_nothing_in_clear() -> None:
    """By the words, or by 523; not by a policy that says nothing of it."""
    assert wants_tls(reply(), verdict(rule="builtin:tls-needed"))
    assert wants_tls(reply(), verdict(rule="builtin:tls-needed-named"))
    assert wants_tls(reply(523), verdict())
    assert not wants_tls(reply(524), verdict())
    assert not wants_tls(reply(), verdict(rule="builtin:policy"))


def test_tls_that_failed() -> None:
    """That, and no other trouble, nor a reply."""
    assert is_no_tls(Trouble(kind=TroubleKind.TLS_FAILED, text="expired"))
    assert not is_no_tls(LOST)
    assert not is_no_tls(reply())


def record_with(*attempts: Attempt) -> Record:
    """A record of these attempts."""
    record = Record(id=bytes(16), lane="l")
    record.envelope = Envelope(
        sender="app@b.test",
        recipient="r@a.test",
        domain="a.test",
        key="k",
        body=Body(octets=1),
        attempts=list(attempts),
    )
    return record


def test_since_when_somebody_who_named_a_recipient_is_refused() -> None:
    """By a reply, at RCPT or later; the first of them."""
    nobody = attempt(None), attempt(stage="mail")
    first = msgspec.structs.replace(attempt(), ended_ms=7)
    assert first_refusal_ms(record_with()) is None
    assert first_refusal_ms(record_with(*nobody)) is None
    assert first_refusal_ms(record_with(*nobody, first, attempt(stage="data"))) == 7
