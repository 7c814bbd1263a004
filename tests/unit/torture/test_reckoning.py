"""The reckoning sees each kind of broken promise: a torture that cannot fail proves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from softbounce_playground import Entry
from torture.evidence import Case, Evidence
from torture.mishaps import find_mishaps
from torture.reckoning import PROMISES, reckon

from softbounce import Shown
from softbounce.client.shown import ShownAttempt

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE_ID = "<1.1@torture.test>"


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return BEGAN + timedelta(seconds=seconds)


def attempt(verdict: str | None = "delivered", *, uncertain: bool = False, stage: str = "end_of_data") -> ShownAttempt:
    """One attempt as the store shows it."""
    return ShownAttempt(
        number=1,
        started_at=at(0),
        ended_at=at(1),
        host="mx1.a.test",
        address="127.77.0.1",
        stage=stage,
        code=None if uncertain else 250,
        enhanced=None,
        text="",
        verdict=None if uncertain else verdict,
        reason=None,
        fault=None,
        rule=None,
        charged=True,
        uncertain=uncertain,
        next_attempt_at=None,
    )


def shown(state: str, *attempts: ShownAttempt, created: float = 0.0) -> Shown:
    """An envelope as the store shows it."""
    return Shown(
        id="x",
        message_id="m",
        state=state,
        sender="",
        recipient="a@a.test",
        stream="",
        site=None,
        policy="default",
        created_at=at(created),
        next_attempt_at=None,
        expires_at=at(1000),
        bounce=None,
        attempts=attempts,
        uncertain=sum(attempt.uncertain for attempt in attempts),
    )


def entry(*, answer: int | None = 250, whole: bool = True, seconds: float = 1.0, message_id: str = MESSAGE_ID) -> Entry:
    """One transaction as a host saw it, from DATA on."""
    return Entry(
        at=at(seconds).isoformat(),
        host="mx",
        address="127.77.0.1",
        peer="",
        ehlo="x",
        sender="",
        recipients=("a@a.test",),
        message_id=message_id,
        data_begun=True,
        complete=whole,
        kept=whole,
        answer=answer,
    )


def case(envelope: Shown | None, *entries: Entry, identity: str | None = "x", was_refused: bool = False) -> Case:
    """One recipient of one letter."""
    return Case(
        recipient="a@a.test",
        message_id=MESSAGE_ID,
        id=identity,
        was_refused=was_refused,
        shown=envelope,
        entries=entries,
    )


def evidence(*cases: Case, strays: tuple[str, ...] = (), unsent: int = 0) -> Evidence:
    """All accounts of a run."""
    return Evidence(cases=cases, strays=strays, unanswered=0, unsent=unsent)


SILENT = {"answer": None}
KEPT = {
    "delivered": case(shown("delivered", attempt()), entry()),
    "bounced": case(shown("bounced", attempt("hard", stage="rcpt"))),
    "copy owned": case(
        shown("delivered", attempt(uncertain=True), attempt()), entry(answer=None, seconds=1), entry(seconds=2)
    ),
    "uncertain, no copy": case(
        shown("delivered", attempt(uncertain=True), attempt()), entry(answer=None, whole=False), entry(seconds=2)
    ),
    "worker lost before the marker": case(shown("delivered", attempt()), entry(answer=None, whole=False), entry()),
    "uncertain, bounced": case(shown("bounced", attempt(uncertain=True)), entry(answer=None)),
    "refused": case(None, identity=None, was_refused=True),
    "never answered": case(None, entry(), identity=None),
}
BROKEN = {
    "lost": case(None),
    "unsettled": case(shown("attempting")),
    "false_claims": case(shown("delivered", attempt()), entry(answer=None)),
    "unowned_copies": case(shown("delivered", attempt()), entry(), entry(seconds=2)),
    "uncertain_without_data": case(shown("delivered", attempt(uncertain=True), attempt()), entry()),
    "false_refusals": case(None, entry(), identity=None, was_refused=True),
    "wrong_messages": case(shown("delivered", attempt()), entry(message_id="<2@torture.test>")),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_promised_is_no_breach(name: str) -> None:
    """Deliveries, bounces, and copies that the envelope owns up to break nothing."""
    result = reckon(evidence(KEPT[name]), at(10))
    assert result.is_kept, result.counts
    assert not result.broken


@pytest.mark.parametrize("name", BROKEN)
def test_each_promise_can_be_seen_to_break(name: str) -> None:
    """A breach counts under its own name, once, and its case is kept."""
    result = reckon(evidence(BROKEN[name], KEPT["delivered"]), at(10))
    assert {promise: result.counts[promise] for promise in PROMISES if result.counts[promise]} == {name: 1}
    assert result.broken == {name: [BROKEN[name]]}
    assert not result.is_kept


@pytest.mark.parametrize(("whole", "excess"), [(10, 0), (9, 2), (0, 20)])
def test_uncertain_attempts_that_mostly_reached_no_host_are_a_breach(whole: int, excess: int) -> None:
    """At least half of them have to match a whole message in the hosts' ledger."""
    reached = [KEPT["copy owned"]] * whole
    missed = [KEPT["uncertain, no copy"]] * (20 - whole)
    result = reckon(evidence(*reached, *missed), at(10))
    assert result.counts["uncertain_whole"] == whole
    assert result.counts["idle_alarms"] == excess
    assert result.is_kept == (not excess)


def test_mail_to_someone_nobody_wrote_to_is_a_breach() -> None:
    """A recipient in the ledger that no letter names is a stray."""
    assert not reckon(evidence(strays=("b@b.test",)), at(10)).is_kept
    assert not reckon(evidence(unsent=1), at(10)).is_kept
    assert not reckon(evidence(), at(10), untold=1).is_kept
    assert reckon(evidence(), at(10)).is_kept


@pytest.mark.parametrize(("local", "broken"), [("somebody", 1), ("nobody", 0)])
def test_strangers_bounce_nobody_but_nobody(local: str, broken: int) -> None:
    """What a stranger says out of turn, or lacks, bounces no letter to one who is there."""
    one = case(shown("bounced", attempt("hard", stage="rcpt")))
    found = evidence(replace(one, recipient=f"{local}+1.0@d1.odd.test"))
    assert reckon(found, at(10)).counts["false_bounces"] == broken


def test_a_process_that_ends_by_itself_is_a_breach(tmp_path: Path) -> None:
    """So is an error that nobody expected; our signals, lost leases and a store that is away explain the others."""
    log = tmp_path / "a.out"
    lines = [
        "softbounce: worker-1 was ended by SIGKILL; restarting it in 0.2 s",
        "softbounce: worker-1 failed (exit code 75); restarting it in 0.2 s",
        "softbounce: store failed (exit code 1): No space left on device; restarting it in 0.2 s",
        '{"event": "lane_closed", "level": "warning"}',
        "-- 1795762823.971 a ended with 3",
    ]
    log.write_text("\n".join(lines))
    assert not find_mishaps([log])
    lines += [
        "softbounce: worker-2 failed (exit code 1); restarting it in 0.2 s",
        "softbounce: scheduler was ended by SIGSEGV; restarting it in 0.2 s",
        '{"event": "session_failed", "level": "error", "exception": "Traceback ...\\nValueError: no"}',
    ]
    log.write_text("\n".join(lines))
    found = find_mishaps([log])
    assert found.total() == 3
    assert not reckon(replace(evidence(), mishaps=found), at(10)).is_kept


def test_a_bounced_envelope_has_no_right_to_an_unowned_copy() -> None:
    """A host that kept a message that is called bounced has a copy too many, unless an attempt was uncertain."""
    result = reckon(evidence(case(shown("bounced", attempt("hard", stage="rcpt")), entry())), at(10))
    assert (result.counts["unowned_copies"], result.counts["extra_copies"]) == (1, 0)


def test_the_longest_stall_counts_only_while_mail_waits() -> None:
    """From the acceptance of the oldest waiting mail, or the last copy before, to the next copy."""
    mails = [(0.0, 1.0), (1.0, 2.0), (8.0, 9.0), (9.5, 14.0), (13.0, 30.0)]
    cases = [case(shown("delivered", attempt(), created=created), entry(seconds=kept)) for created, kept in mails]
    assert reckon(evidence(*cases), at(20)).longest_stall_s == pytest.approx(6.0)
    assert reckon(evidence(*cases[:4]), at(20)).longest_stall_s == pytest.approx(4.5)
