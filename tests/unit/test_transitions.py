"""What a record becomes: every transition, what it records, and what it tells."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from softbounce import transitions
from softbounce.decide import Cause
from softbounce.envelope import NO_TOKEN, Attempt, Body, Envelope, Final, Flag, Record, State
from softbounce.events import StoredEvent, decode_events
from softbounce.history import History
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import AssignRule, Policy, Settings
from softbounce.stage import Stage
from softbounce.transitions import KEPT_ATTEMPTS, KEPT_TEXT, Change, Seen
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

NOW = 1_800_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TOKEN = b"token--1"
PLAIN = Policy(name="default", delays=(timedelta(minutes=5),), jitter=0, final_attempt=False)
SOFT = Verdict(word=VerdictWord.SOFT, fault=Fault.RECIPIENT, reason=Reason.MAILBOX_FULL, rule="full")
DEAD = Verdict(word=VerdictWord.HARD, fault=Fault.RECIPIENT, reason=Reason.BAD_MAILBOX, rule="unknown", suppress=True)
NO_HOST = Verdict(word=VerdictWord.HARD, reason=Reason.BAD_DOMAIN, rule="nxdomain", stage=Stage.ROUTE)
TAKEN = Verdict(word=VerdictWord.DELIVERED, rule="builtin:accepted")


def settings(**changes: object) -> Settings:
    """Settings with one policy, changed as a test says."""
    policy = {name: value for name, value in changes.items() if name in Policy.__struct_fields__}
    rest = {name: value for name, value in changes.items() if name not in policy}
    return Settings(policies={"default": msgspec.structs.replace(PLAIN, **policy)}, **rest)  # type: ignore[arg-type]


def claimed(flags: Flag = Flag(0), **envelope: object) -> Record:
    """A claimed envelope, created a minute ago."""
    record = Record(
        id=bytes(16),
        state=State.ATTEMPTING,
        flags=flags,
        claims=2,
        version=7,
        token=TOKEN,
        created_ms=NOW - MINUTE,
        next_ms=NOW - MINUTE,
        expires_ms=NOW + 5 * DAY,
        lane="mx.example",
        stream="otp",
    )
    record.envelope = Envelope(
        sender="app@example.com",
        recipient="a@example.net",
        domain="example.net",
        key="k",
        body=Body(octets=1),
        **envelope,  # type: ignore[arg-type]
    )
    return record


def seen(code: int = 452, text: str = "full", *, uncertain: bool = False, at_ms: int = NOW) -> Seen:
    """An attempt that was answered."""
    reply = Reply(code=code, enhanced=f"{code // 100}.2.2", lines=(text,))
    what: Reply | Trouble = (
        Trouble(kind=TroubleKind.CONNECTION_LOST, text="lost", enhanced="4.4.2") if uncertain else reply
    )
    return Seen(
        what=what,
        stage=Stage.END_OF_DATA,
        started_ms=at_ms - 1000,
        ended_ms=at_ms,
        host="mx.example",
        address="192.0.2.1",
        uncertain=uncertain,
    )


def event_in(change: Change) -> StoredEvent:
    """The event of a change, read as readers do."""
    return decode_events(b"\x91" + change.event)[0]


def reread(record: Record) -> Record:
    """The record as it comes back from the store."""
    return Record.unpack(record.id, record.pack())


# -- conclude -------------------------------------------------------------------------------------------------------


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
    assert record.expires_ms == change.look_ms == NOW - MINUTE + 5 * DAY
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


def test_what_was_asked_changes_no_end() -> None:
    """Delivered is delivered, refused is refused."""
    flags = Flag.CANCEL_ASKED | Flag.HOLD_ASKED
    assert transitions.conclude(claimed(flags), seen(250), TAKEN, settings(), NOW).record.state is State.DELIVERED
    assert transitions.conclude(claimed(flags), seen(550), DEAD, settings(), NOW).record.state is State.BOUNCED


# -- long histories -------------------------------------------------------------------------------------------------


def defer_often(times: int, **changes: object) -> Record:
    """An envelope that was deferred so often, a minute apart."""
    record = claimed()
    for turn in range(times):
        record.state = State.ATTEMPTING
        at_ms = NOW + turn * MINUTE
        transitions.conclude(record, seen(at_ms=at_ms), SOFT, settings(window=timedelta(days=50), **changes), at_ms)
        record = reread(record)
    return record


def test_a_long_history_keeps_its_count() -> None:
    """Waits and max_attempts go by all charged attempts, not by those that are still recorded."""
    record = defer_often(KEPT_ATTEMPTS + 30)
    assert len(record.envelope.attempts) == KEPT_ATTEMPTS
    assert record.charged == KEPT_ATTEMPTS + 30
    history = History.of(record)
    assert (history.charged, history.forgotten) == (KEPT_ATTEMPTS + 30, 30)


def test_max_attempts_beyond_what_is_kept() -> None:
    """A limit that is larger than the record's memory still promotes, at the right attempt."""
    limit = KEPT_ATTEMPTS + 10
    record = defer_often(limit, max_attempts=limit)
    assert (record.state, record.charged) == (State.BOUNCED, limit)
    assert defer_often(limit - 1, max_attempts=limit).state is State.SCHEDULED


def test_waits_grow_beyond_what_is_kept() -> None:
    """The delay of attempt 105 is that of a list's 105th entry."""
    delays = tuple(timedelta(seconds=number) for number in range(1, 200))
    record = defer_often(KEPT_ATTEMPTS + 5, delays=delays)
    last = record.envelope.attempts[-1]
    assert last.next_ms == last.ended_ms + (KEPT_ATTEMPTS + 5) * 1000
    long_window = settings(window=timedelta(days=50), delays=delays)
    assert transitions.replan(record, long_window, last.ended_ms) is None


def test_numbers_are_not_used_again() -> None:
    """The first attempt stays, the second-oldest goes, and numbers go on."""
    attempts = defer_often(KEPT_ATTEMPTS + 3).envelope.attempts
    assert [attempt.number for attempt in attempts] == [1, *range(5, KEPT_ATTEMPTS + 4)]


def test_uncharged_attempts_are_forgotten_first() -> None:
    """What a closed lane left behind matters less than contacts with the host."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    for _ in range(KEPT_ATTEMPTS + 5):
        transitions.return_to_lane(record, seen(), SOFT)
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    attempts = record.envelope.attempts
    assert len(attempts) == KEPT_ATTEMPTS
    assert [attempt.charged for attempt in attempts] == [True, *[False] * (KEPT_ATTEMPTS - 2), True]
    assert History.of(record).charged == record.charged == 2


# -- uncertain ------------------------------------------------------------------------------------------------------


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


# -- late 250s ------------------------------------------------------------------------------------------------------


def bounced_by_promotion() -> Record:
    """Deferred once, then promoted."""
    record = claimed()
    transitions.conclude(record, seen(at_ms=NOW - HOUR), SOFT, settings(), NOW - HOUR)
    transitions.promote(record, settings(), NOW)
    return reread(record)


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


# -- back without an attempt ----------------------------------------------------------------------------------------


def test_given_back_is_as_if_not_claimed() -> None:
    """Ready in its lane; the claim just made does not count, those lost before it do."""
    change = transitions.give_back(claimed(Flag.MARKED | Flag.UNCERTAIN))
    record = reread(change.record)
    assert (record.state, record.token, record.claims) == (State.READY, NO_TOKEN, 1)
    assert record.flags == Flag.UNCERTAIN
    assert (change.event, change.look_ms, record.envelope.attempts) == (b"", None, [])


def test_the_lane_s_trouble_is_not_charged() -> None:
    """The attempt is recorded, nothing is planned, and the record waits in its lane."""
    change = transitions.return_to_lane(claimed(), seen(), SOFT)
    record = reread(change.record)
    assert (record.state, record.charged, record.claims, record.next_ms) == (State.READY, 0, 0, NOW - MINUTE)
    (attempt,) = record.envelope.attempts
    assert (attempt.charged, attempt.code, attempt.next_ms) == (False, 452, None)
    assert event_in(change).kind == "deferred"


@pytest.mark.parametrize(
    ("claims", "wait_ms"),
    [(1, 2000), (2, 4000), (3, 8000), (8, 256_000), (9, 5 * MINUTE), (255, 5 * MINUTE)],
)
def test_a_lost_worker_s_envelope_waits_longer_each_time(claims: int, wait_ms: int) -> None:
    """So a crash can never hammer a host."""
    record = claimed()
    record.claims = claims
    change = transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    assert (record.state, record.token, record.claims) == (State.SCHEDULED, NO_TOKEN, claims)
    assert record.next_ms == NOW + wait_ms
    assert event_in(change).kind == "released"


def test_without_a_claim_wait_it_is_due_at_once() -> None:
    """Where its process said goodbye there is nothing to be careful about."""
    assert transitions.reschedule(claimed(), claim_wait=False, now_ms=NOW).record.next_ms == NOW


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        (Flag.CANCEL_ASKED, State.CANCELLED),
        (Flag.HOLD_ASKED, State.HELD),
        (Flag.CANCEL_ASKED | Flag.HOLD_ASKED, State.CANCELLED),
    ],
    ids=["cancel", "hold", "both"],
)
def test_a_lost_worker_s_envelope_obeys_what_was_asked(flags: Flag, state: State) -> None:
    """Nobody else will."""
    change = transitions.reschedule(claimed(flags), claim_wait=True, now_ms=NOW)
    assert (change.record.state, change.record.token) == (state, NO_TOKEN)


def test_what_was_alone_with_its_lost_worker_is_quarantined() -> None:
    """It may well be what ended the worker: a person looks at it, and its window runs on."""
    record = claimed(Flag.ALONE)
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    change = transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    assert (record.state, record.flags, record.claims) == (State.HELD, Flag(0), 0)
    assert record.envelope.held_why == "quarantined"
    assert event_in(change).kind == "quarantined"
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == expires_ms
    transitions.release(record, settings(), NOW + HOUR)
    assert (record.state, record.envelope.held_why) == (State.SCHEDULED, None)


def test_alone_and_given_back_is_not_alone_any_more() -> None:
    """The flag belongs to the claim."""
    assert transitions.give_back(claimed(Flag.ALONE)).record.flags == Flag(0)


# -- promotion ------------------------------------------------------------------------------------------------------


def test_promotion_keeps_the_last_real_reply() -> None:
    """Not the trouble that came after it."""
    record = claimed()
    transitions.conclude(record, seen(421, "busy"), SOFT, settings(), NOW)
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(), NOW)
    change = transitions.promote(record, settings(), NOW + 6 * DAY)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (final.cause, final.code, final.text) == (Cause.PROMOTED, 421, "busy")
    assert "after 2 attempts when its window of 5 d closed (policy default)" in final.why
    assert event_in(change).cause == Cause.PROMOTED


def test_promotion_without_an_attempt_carries_the_lane_s_failure() -> None:
    """And tells that there was no attempt of its own."""
    record = claimed(window_ms=MINUTE)
    trouble = Final(at_ms=NOW, code=421, enhanced="4.3.2", text="closing", reason="system")
    final = transitions.promote(record, settings(), NOW, trouble).record.envelope.final
    assert final is not None
    assert (final.code, final.text, final.reason, final.cause) == (421, "closing", "system", Cause.PROMOTED)
    assert "after 0 attempts when its window of 1 min closed (the send's own window)" in final.why
    assert record.charged == 0


def test_promotion_of_what_nobody_knows_anything_about() -> None:
    """No attempt, no lane trouble: then there is no reply to show."""
    final = transitions.promote(claimed(), settings(), NOW).record.envelope.final
    assert final is not None
    assert (final.code, final.text) == (None, "")


def test_an_own_attempt_outranks_the_lane_s_failure() -> None:
    """An uncharged one too: it was this envelope's."""
    record = claimed()
    transitions.return_to_lane(record, seen(452, "own"), SOFT)
    final = transitions.promote(record, settings(), NOW, Final(at_ms=NOW, code=421)).record.envelope.final
    assert final is not None
    assert (final.code, final.text) == (452, "own")


# -- holds ----------------------------------------------------------------------------------------------------------


def test_held_time_does_not_count() -> None:
    """Expiry stands still under an operator's hold, while it lasts and after it."""
    record = claimed()
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    transitions.hold(record, NOW)
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == expires_ms + HOUR
    change = transitions.release(record, settings(), NOW + 2 * HOUR)
    assert change.look_ms == expires_ms + 2 * HOUR
    assert transitions.expiry_ms(record, settings(), NOW + DAY) == expires_ms + 2 * HOUR
    envelope = reread(record).envelope
    assert (envelope.held_ms, envelope.held_since_ms, envelope.held_why) == (2 * HOUR, None, None)
    assert (record.state, record.next_ms) == (State.SCHEDULED, NOW + 2 * HOUR)
    assert event_in(change).kind == "released"


def test_holds_may_let_the_window_run_on() -> None:
    """When the settings say so."""
    record = claimed()
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    transitions.hold(record, NOW)
    running = settings(hold_pauses_window=False)
    assert transitions.expiry_ms(record, running, NOW + HOUR) == expires_ms
    assert transitions.release(record, running, NOW + HOUR).look_ms == expires_ms


def test_an_uncertain_hold_lets_the_window_run_on() -> None:
    """Only an operator's hold makes it stand still."""
    record = claimed(Flag.MARKED)
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(on_uncertain="hold"), NOW)
    before_ms = transitions.expiry_ms(record, settings(), NOW)
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == before_ms


def test_released_keeps_a_later_plan() -> None:
    """A hold that is lifted early changes nothing of when the next attempt comes."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    transitions.hold(record, NOW + 1)
    assert transitions.release(record, settings(), NOW + 2).record.next_ms == NOW + 5 * MINUTE


# -- what operators and reloads do ----------------------------------------------------------------------------------


def test_cancelled_has_no_cause() -> None:
    """It ended because somebody wanted it."""
    change = transitions.cancel(claimed(), NOW)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (change.record.state, final.cause, final.at_ms) == (State.CANCELLED, None, NOW)
    assert event_in(change).kind == "cancelled"


def test_retry_now_plans_now() -> None:
    """And the plan outlives a reload."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    transitions.retry_now(record, settings(), NOW + 7)
    assert (record.state, record.next_ms) == (State.SCHEDULED, NOW + 7)
    assert transitions.replan(record, settings(), NOW + 8) is None


def test_replan_follows_the_policy() -> None:
    """From the last charged attempt and what was recorded with it; no event, as nothing happened to the envelope."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    change = transitions.replan(record, settings(delays=(timedelta(hours=1),), window=timedelta(days=1)), NOW + MINUTE)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (NOW + HOUR, NOW - MINUTE + DAY)
    assert (change.look_ms, change.event) == (record.expires_ms, b"")


def test_replan_leaves_what_was_never_tried() -> None:
    """The first attempt stays when it was planned; only its expiry moves."""
    record = claimed()
    record.state = State.SCHEDULED
    change = transitions.replan(record, settings(window=timedelta(days=9)), NOW)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (NOW - MINUTE, NOW - MINUTE + 9 * DAY)


def test_replan_plans_nothing_where_nothing_fits() -> None:
    """A shorter window leaves no room for another attempt: the sweep promotes soon."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    change = transitions.replan(record, settings(window=timedelta(minutes=3)), NOW + MINUTE)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (0, NOW + 2 * MINUTE)


def test_the_policy_is_that_of_the_first_rule_that_fits() -> None:
    """By stream, domain, site and sender of the envelope."""
    chosen = Settings(
        policies={"default": PLAIN, "otp": Policy(name="otp")},
        assign=(AssignRule(policy="otp", stream="otp", domain="*.net", sender="app@*"),),
    )
    assert transitions.policy_of(claimed(), chosen).name == "otp"
    assert transitions.policy_of(claimed(), settings()).name == "default"


def test_a_record_says_what_it_was_given() -> None:
    """An attempt keeps the waits and the window that its rule asked for."""
    verdict = Verdict(
        word=VerdictWord.SOFT, rule="slow", delays=(timedelta(hours=1),), window=timedelta(days=2), suppress=False
    )
    attempt: Attempt = transitions.conclude(claimed(), seen(), verdict, settings(), NOW).record.envelope.attempts[0]
    assert (attempt.delays_ms, attempt.window_ms) == ((HOUR,), 2 * DAY)
