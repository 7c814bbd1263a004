"""After an attempt: every outcome, what it records, and what it tells."""

from __future__ import annotations

import msgspec
import pytest
from transit import (
    DAY,
    DEAD,
    HOUR,
    MINUTE,
    NO_HOST,
    NOW,
    SOFT,
    TAKEN,
    bounced_by_promotion,
    claimed,
    event_in,
    reread,
    seen,
    settings,
)

from softbounce import transitions
from softbounce.decide import Cause
from softbounce.deliver_by import DeliverBy
from softbounce.envelope import NO_TOKEN, Flag, State
from softbounce.events import StoredEvent
from softbounce.reply import Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce.transitions import KEPT_TEXT, Seen
from softbounce.verdict import Verdict


def test_a_250_delivers() -> None:
    """The reply is kept, the attempt charged, and the claim gone."""
    change = transitions.conclude(claimed(Flag.MARKED), seen(250, "ok"), TAKEN, settings(), NOW)
    record = reread(change.record)
    assert (record.state, record.token, record.flags, record.claims) == (State.DELIVERED, NO_TOKEN, Flag(0), 0)
    assert (record.charged, record.next_ms) == (1, 0)
    final = record.envelope.final
    assert final is not None
    assert (final.code, final.text, final.cause, final.replaced) == (250, "ok", None, None)
    (attempt,) = record.envelope.attempts
    assert (attempt.number, attempt.verdict, attempt.code, attempt.charged) == (1, "delivered", 250, True)
    event = event_in(change)
    assert (event.kind, event.attempt, event.code, event.stream) == ("delivered", 1, 250, "otp")
    assert change.look_ms is None


def test_a_soft_verdict_defers() -> None:
    """The policy's wait counts from the end of the attempt, and expiry is derived anew."""
    change = transitions.conclude(claimed(), seen(), SOFT, settings(), NOW)
    record = reread(change.record)
    assert (record.state, record.next_ms, record.charged) == (State.SCHEDULED, NOW + 5 * MINUTE, 1)
    assert record.expires_ms == NOW - MINUTE + 5 * DAY
    assert change.look_ms == NOW - MINUTE + 4 * HOUR  # when it is late
    (attempt,) = record.envelope.attempts
    assert (attempt.verdict, attempt.reason, attempt.fault, attempt.rule) == (
        "soft",
        "mailbox_full",
        "recipient",
        "full",
    )
    assert attempt.next_ms == record.next_ms
    event = event_in(change)
    assert (event.kind, event.next_ms, event.text) == ("deferred", record.next_ms, "full")
    assert not record.envelope.planned


@pytest.mark.parametrize(
    ("verdict", "cause", "suppress"),
    [(DEAD, Cause.REJECTED, True), (NO_HOST, Cause.UNROUTABLE, False)],
    ids=["rejected", "unroutable"],
)
def test_a_hard_verdict_bounces(verdict: Verdict, cause: Cause, suppress: bool) -> None:
    """With the reply that said so; only a refused recipient says that the address is dead."""
    change = transitions.conclude(claimed(), seen(550, "who?"), verdict, settings(), NOW)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (final.cause, final.code, final.text, final.suppress) == (cause, 550, "who?", suppress)
    event = event_in(change)
    assert (event.kind, event.cause, event.code) == ("bounced", cause, 550)


def test_max_attempts_promote_what_is_soft() -> None:
    """The last real reply stays with the promotion, which says nothing about the address."""
    change = transitions.conclude(claimed(), seen(), SOFT, settings(max_attempts=1), NOW)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (final.cause, final.code, final.suppress) == (Cause.PROMOTED, 452, False)


def test_without_room_for_another_attempt_nothing_is_planned() -> None:
    """It stays scheduled without a time until its window closes."""
    change = transitions.conclude(claimed(window_ms=3 * MINUTE), seen(), SOFT, settings(), NOW)
    assert (change.record.state, change.record.next_ms) == (State.SCHEDULED, 0)
    assert change.look_ms == NOW + 2 * MINUTE


def test_a_long_reply_is_cut() -> None:
    """A host's text takes a bounded place in the record."""
    change = transitions.conclude(claimed(), seen(text="x" * 5000), SOFT, settings(), NOW)
    assert change.record.envelope.attempts[0].text == "x" * KEPT_TEXT


@pytest.mark.parametrize(
    ("flags", "state", "kind"),
    [
        (Flag.CANCEL_ASKED, State.CANCELLED, "cancelled"),
        (Flag.HOLD_ASKED, State.HELD, "held"),
        (Flag.CANCEL_ASKED | Flag.HOLD_ASKED, State.CANCELLED, "cancelled"),
    ],
    ids=["cancel", "hold", "both"],
)
def test_what_was_asked_turns_a_deferral(flags: Flag, state: State, kind: str) -> None:
    """Cancel asked turns deferred into cancelled, hold asked into held, with the planned time kept."""
    change = transitions.conclude(claimed(flags), seen(), SOFT, settings(), NOW)
    assert (change.record.state, event_in(change).kind) == (state, kind)
    assert change.record.envelope.attempts[0].code == 452
    if state is State.HELD:
        assert change.record.next_ms == NOW + 5 * MINUTE
        assert (change.record.envelope.held_since_ms, change.record.envelope.held_why) == (NOW, "operator")
        assert not change.record.flags & Flag.HOLD_ASKED


@pytest.mark.parametrize(
    ("by", "keeps_time", "is_told"),
    [
        (DeliverBy(within_ms=120_000), False, True),
        (DeliverBy(within_ms=120_000), True, False),
        (DeliverBy(within_ms=60_000), False, False),
        (DeliverBy(within_ms=120_000, traces=True), True, True),
        (DeliverBy(within_ms=120_000, returns=True, traces=True), True, True),
        (DeliverBy(within_ms=120_000, returns=True), True, False),
        (None, False, False),
    ],
    ids=["N-not-kept", "N-kept", "N-over", "N-trace", "R-trace", "R", "no-time"],
)
def test_M31_who_said_by_when_hears_that_it_was_passed_on(
    by: DeliverBy | None, keeps_time: bool, is_told: bool
) -> None:
    """RFC 2852 §4.1.4: to a host that does not know of that time, while it lasts; and whoever asked for a trace."""
    taken = msgspec.structs.replace(seen(250), keeps_time=keeps_time)
    change = transitions.conclude(claimed(deliver_by=by), taken, TAKEN, settings(), NOW)
    assert event_in(change).asked == ("SUCCESS" if is_told else "")


def test_what_was_asked_changes_no_end() -> None:
    """Delivered is delivered, refused is refused."""
    flags = Flag.CANCEL_ASKED | Flag.HOLD_ASKED
    assert transitions.conclude(claimed(flags), seen(250), TAKEN, settings(), NOW).record.state is State.DELIVERED
    assert transitions.conclude(claimed(flags), seen(550), DEAD, settings(), NOW).record.state is State.BOUNCED


def test_the_lane_s_trouble_is_not_charged() -> None:
    """The attempt is recorded, nothing is planned, and the record waits in its lane."""
    change = transitions.return_to_lane(claimed(), seen(), SOFT)
    record = reread(change.record)
    assert (record.state, record.charged, record.claims, record.next_ms) == (State.READY, 0, 0, NOW - MINUTE)
    (attempt,) = record.envelope.attempts
    assert (attempt.charged, attempt.code, attempt.next_ms) == (False, 452, None)
    assert event_in(change).kind == "deferred"


@pytest.mark.parametrize(
    ("on_uncertain", "state"),
    [("resend", State.SCHEDULED), ("hold", State.HELD), ("bounce", State.BOUNCED)],
)
def test_on_uncertain_decides(on_uncertain: str, state: State) -> None:
    """Charged and uncertain either way: sent again, held for a person, or given up."""
    change = transitions.close_uncertain(
        claimed(Flag.MARKED), seen(uncertain=True), SOFT, settings(on_uncertain=on_uncertain), NOW
    )
    record = reread(change.record)
    assert (record.state, record.flags, record.charged) == (state, Flag.UNCERTAIN, 1)
    (attempt,) = record.envelope.attempts
    assert (attempt.uncertain, attempt.charged, attempt.verdict, attempt.code) == (True, True, None, None)
    assert "lane" not in attempt.why
    if state is State.HELD:
        assert record.envelope.held_why == "uncertain"
    if state is State.BOUNCED:
        assert record.envelope.final is not None
        assert record.envelope.final.cause == Cause.UNCERTAIN


@pytest.mark.parametrize("on_uncertain", ["resend", "hold"])
def test_a_cancel_asked_ends_what_is_uncertain(on_uncertain: str) -> None:
    """Nobody needs to decide about mail that is not wanted any more."""
    change = transitions.close_uncertain(
        claimed(Flag.CANCEL_ASKED), seen(uncertain=True), SOFT, settings(on_uncertain=on_uncertain), NOW
    )
    assert change.record.state is State.CANCELLED


@pytest.mark.parametrize("on_uncertain", ["resend", "hold", "bounce"])
@pytest.mark.parametrize("flags", [Flag.MARKED, Flag.MARKED | Flag.CANCEL_ASKED, Flag.MARKED | Flag.HOLD_ASKED])
def test_issue10_23_an_attempt_that_closes_uncertain_has_an_event_of_its_own(on_uncertain: str, flags: Flag) -> None:
    """Whatever the policy makes of the envelope then, and whatever was asked of it: the event comes ahead."""
    change = transitions.close_uncertain(
        claimed(flags), seen(uncertain=True), SOFT, settings(on_uncertain=on_uncertain), NOW
    )
    ahead = msgspec.msgpack.decode(change.ahead, type=StoredEvent)
    assert (ahead.kind, ahead.attempt, ahead.stage, ahead.code) == ("uncertain", 1, "end_of_data", None)
    assert "without an answer" in ahead.why
    assert event_in(change).kind in {"deferred", "held", "bounced", "cancelled"}


def test_issue10_23_nothing_else_has_such_an_event() -> None:
    """An attempt with an answer, or one that nobody is charged for, is not uncertain."""
    for record, what, verdict in ((claimed(), seen(250, "ok"), TAKEN), (claimed(), seen(451, "later"), SOFT)):
        assert transitions.conclude(record, what, verdict, settings(), NOW).ahead == b""


def test_a_late_250_wins_over_an_end() -> None:
    """It keeps what it replaced, and says so in an event of its own."""
    change = transitions.deliver_late(bounced_by_promotion(), seen(250, "ok"), NOW + 5)
    record = reread(change.record)
    final = record.envelope.final
    assert final is not None
    assert (record.state, final.replaced, final.cause, final.code) == (State.DELIVERED, "bounced", None, 250)
    assert record.flags == Flag.OVERLAPPED
    assert [attempt.code for attempt in record.envelope.attempts] == [452, 250]
    assert record.charged == 2
    event = event_in(change)
    assert (event.kind, event.code, event.attempt) == ("delivered_late", 250, 2)


def test_a_late_250_ends_what_is_live() -> None:
    """Then nothing was replaced."""
    record = claimed()
    transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    final = transitions.deliver_late(record, seen(250), NOW).record.envelope.final
    assert final is not None
    assert final.replaced is None


@pytest.mark.parametrize("closed_ms", [NOW - 1000, NOW + HOUR], ids=["by-its-worker", "by-the-sweep"])
def test_a_late_250_answers_the_uncertain_attempt(closed_ms: int) -> None:
    """The attempt that was closed as uncertain gets its answer in its place and stays uncertain; none is added."""
    record = claimed()
    transitions.conclude(record, seen(at_ms=NOW - HOUR), SOFT, settings(), NOW - HOUR)
    sweep = Seen(
        what=Trouble(kind=TroubleKind.WORKER_LOST, text="lost", enhanced="4.4.2"),
        stage=Stage.END_OF_DATA,
        started_ms=closed_ms,
        ended_ms=closed_ms,
        uncertain=True,
    )
    transitions.close_uncertain(record, sweep, SOFT, settings(), closed_ms)
    transitions.conclude(record, seen(at_ms=NOW + 2 * HOUR), SOFT, settings(), NOW + 2 * HOUR)
    change = transitions.deliver_late(record, seen(250, at_ms=NOW), NOW + 3 * HOUR)
    attempts = change.record.envelope.attempts
    assert [(one.number, one.code, one.uncertain) for one in attempts] == [
        (1, 452, False),
        (2, 250, True),
        (3, 452, False),
    ]
    assert change.record.charged == 3
    assert event_in(change).attempt == 2


def test_an_earlier_uncertain_attempt_stays_as_it_is() -> None:
    """A 250 answers the attempt that began with it, none before."""
    record = claimed()
    transitions.close_uncertain(record, seen(uncertain=True, at_ms=NOW - HOUR), SOFT, settings(), NOW - HOUR)
    change = transitions.deliver_late(record, seen(250), NOW)
    assert [one.code for one in change.record.envelope.attempts] == [None, 250]
