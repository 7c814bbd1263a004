"""An envelope as it is shown: a value of its own, so that the stored form can change without breaking readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from softbounce import transitions
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.record import find_record, may_have_come_back
from softbounce.duration import MILLISECOND, format_duration, from_epoch_ms
from softbounce.envelope import BRAKE, GATE, STANDING, Attempt, Final, Record, State, Tls
from softbounce.events import Event
from softbounce.ids import format_id
from softbounce.settings import Settings
from softbounce.store.returns import CameBack, came_back
from softbounce.transcript import unpack_transcript

__all__ = [
    "HELD_HOW",
    "Shown",
    "ShownAttempt",
    "ShownBounce",
    "ShownCameBack",
    "ShownLine",
    "ShownTls",
    "ShownTranscript",
    "event_as_json",
    "rfc3339",
    "show",
    "shown_of_record",
]

HELD_HOW: Mapping[str, str] = {
    "operator": "by an operator",
    "quarantined": "in quarantine",
    "uncertain": "because an attempt went unanswered",
    "may_duplicate": "because it may have been delivered already",
    "restored": "because its store was restored",
    BRAKE: "by the brake",
    STANDING: "by a standing hold",
    GATE: "at the staging gate",
}
"""Why an envelope is held, in words behind *held*: see :data:`softbounce.envelope.HELD_WHY`."""


def rfc3339(instant: datetime) -> str:
    """An instant as RFC 3339 has it, in UTC, to the millisecond: ``2026-01-31T08:00:00.000Z``."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def event_as_json(event: Event) -> dict[str, Any]:
    """An event as JSON has it."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON can hold
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, (ShownAttempt, ShownBounce, ShownCameBack, ShownLine, ShownTls, ShownTranscript)):
        return value.to_dict()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTls:
    """How an attempt's session was protected.

    :ivar rule: what it was asked for by: ``default``, or ``tls[0]`` as the configuration counts.
    :ivar version: ``TLSv1.3``, or ``None``: in clear, or there was no session.
    :ivar verified: the name that the host's certificate was checked for, if it was.
    :ivar by: how, where not by authorities: ``DANE-EE`` or ``DANE-TA``.
    :ivar clear: why it was in clear.
    :ivar words: all of it in a line.
    """

    rule: str
    version: str | None
    cipher: str | None
    verified: str | None
    clear: str
    words: str
    by: str = ""

    @classmethod
    def of(cls, tls: Tls) -> ShownTls:
        """The public form of what was recorded."""
        return cls(
            rule=tls.rule,
            version=tls.version,
            cipher=tls.cipher,
            verified=tls.verified,
            clear=tls.clear,
            words=tls.words,
            by=tls.by,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """One line of a transcript.

    :ivar ms: since the host was dialled.
    :ivar by: ``>``: we said it; ``<``: the host did; ``*``: what happened beside.
    """

    ms: int
    by: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTranscript:
    """What was said in an attempt: within bounds, without the message and without secrets.

    :ivar stage_ms: milliseconds that were waited for the host, by stage; ``content`` is the writing of the message.
    """

    lines: tuple[ShownLine, ...]
    stage_ms: Mapping[str, int]

    @classmethod
    def of(cls, stored: bytes) -> ShownTranscript | None:
        """The public form of what was recorded, if anything was that can be read."""
        transcript = unpack_transcript(stored)
        if transcript is None:
            return None
        lines = tuple(ShownLine(ms=line.ms, by=line.by, text=line.text) for line in transcript.lines)
        return cls(lines=lines, stage_ms=transcript.stage_ms)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"lines": _plain(self.lines), "stage_ms": dict(self.stage_ms)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAttempt:
    """One attempt.

    :ivar verdict: ``delivered``, ``soft``, ``hard``, or ``None``: unanswered.
    :ivar charged: it advanced the envelope's backoff; not so when the lane or nobody is to blame.
    :ivar uncertain: it ended while the final dot may have left, without an answer.
    :ivar next_attempt_at: what was decided after it.
    :ivar tls: how its session was protected; ``None``: there was none, or an older version made it.
    :ivar transcript: what was said; ``None``: that was not kept, or is not any more, or this is one of a list.
    """

    number: int
    started_at: datetime
    ended_at: datetime
    host: str | None
    address: str | None
    stage: str
    code: int | None
    enhanced: str | None
    text: str
    verdict: str | None
    reason: str | None
    fault: str | None
    rule: str | None
    charged: bool
    uncertain: bool
    next_attempt_at: datetime | None
    tls: ShownTls | None = None
    transcript: ShownTranscript | None = None

    @classmethod
    def of(cls, attempt: Attempt, *, with_transcript: bool = False) -> ShownAttempt:
        """The public form of a recorded attempt."""
        return cls(
            number=attempt.number,
            started_at=from_epoch_ms(attempt.started_ms),
            ended_at=from_epoch_ms(attempt.ended_ms),
            host=attempt.host,
            address=attempt.address,
            stage=attempt.stage,
            code=attempt.code,
            enhanced=attempt.enhanced,
            text=attempt.text,
            verdict=attempt.verdict,
            reason=attempt.reason,
            fault=attempt.fault,
            rule=attempt.rule,
            charged=attempt.charged,
            uncertain=attempt.uncertain,
            next_attempt_at=None if attempt.next_ms is None else from_epoch_ms(attempt.next_ms),
            tls=None if attempt.tls is None else ShownTls.of(attempt.tls),
            transcript=ShownTranscript.of(attempt.transcript) if with_transcript else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBounce:
    """How it failed.

    :ivar cause: ``rejected``, ``unroutable``, ``promoted``, ``uncertain``, ``suppressed`` or ``operator``.
    :ivar suppress: the address is dead: no other message will ever reach it.
    :ivar own_attempts: charged attempts that the envelope had itself.
    """

    cause: str
    code: int | None
    enhanced: str | None
    text: str
    reason: str | None
    suppress: bool
    own_attempts: int

    @classmethod
    def of(cls, final: Final, own_attempts: int) -> ShownBounce:
        """The public form of a recorded end."""
        return cls(
            cause=str(final.cause),
            code=final.code,
            enhanced=final.enhanced,
            text=final.text,
            reason=final.reason,
            suppress=final.suppress,
            own_attempts=own_attempts,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCameBack:
    """A report that came after it had left.

    :ivar kind: ``returned``: it came back; ``complained``: its recipient called it spam.
    :ivar text: what the host said, its beginning; of a complaint: its type.
    :ivar host: whose words these are; of a complaint: the address of ours that it names.
    :ivar suppress: the address is dead: no other message will ever reach it.
    """

    kind: str
    at: datetime
    code: int | None
    enhanced: str | None
    text: str
    reason: str | None
    host: str | None
    suppress: bool
    why: str

    @classmethod
    def of(cls, stored: CameBack) -> ShownCameBack:
        """The public form of what was recorded."""
        return cls(
            kind=stored.kind,
            at=from_epoch_ms(stored.at_ms),
            code=stored.code,
            enhanced=stored.enhanced,
            text=stored.text,
            reason=stored.reason,
            host=stored.host,
            suppress=stored.suppress,
            why=stored.why,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An envelope: its state, every attempt, and what comes next.

    :ivar state: ``scheduled ready attempting held delivered bounced cancelled``.
    :ivar site: where its mail goes, once that is known.
    :ivar policy: the policy that binds it under the settings published now.
    :ivar next_attempt_at: ``None`` where it has no time of its own: waiting in its lane, under way, or ended.
    :ivar expires_at: when no attempt starts any more; of one that ended: when that would have been.
    :ivar attempts: the first, the latest hundred, and of the uncertain ones a hundred more.
    :ivar held_for: while held, why: ``operator quarantined uncertain may_duplicate restored``.
    :ivar put_off: while its first attempt waits for its time, what made that later than was asked for: ``spread``,
        ``quiet``, or ``quota:NAME``.
    :ivar uncertain: how many attempts were uncertain, also those that are not shown any more.
    :ivar tenant: whose mail it is: as the send said, else the sender's domain; empty for the null sender.
    :ivar tags: the app's own words for it, and
    :ivar metadata: its own values by name.
    :ivar set_policy: the policy that an operator chose for it,
    :ivar set_window: the window, ``2h``, and
    :ivar set_route: the name of the route; ``None``: as configured.
    :ivar resent_as: the envelope by which it was sent again, and
    :ivar resent_from: the one that it sends again; ``None``: there is none.
    :ivar came_back: that it came back after it had left, or was complained of; empty in lists.
    """

    id: str
    message_id: str
    state: str
    sender: str
    recipient: str
    stream: str
    site: str | None
    policy: str
    created_at: datetime
    next_attempt_at: datetime | None
    expires_at: datetime
    bounce: ShownBounce | None
    attempts: tuple[ShownAttempt, ...]
    held_for: str | None = None
    uncertain: int = 0
    tenant: str = ""
    put_off: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    resent_as: str | None = None
    resent_from: str | None = None
    came_back: tuple[ShownCameBack, ...] = ()
    set_policy: str | None = None
    set_window: str | None = None
    set_route: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: times are RFC 3339 in UTC."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def shown_of_record(record: Record, settings: Settings, now_ms: int, *, with_transcripts: bool = False) -> Shown:
    """The public form of a record, under these settings."""
    envelope = record.envelope
    final = envelope.final
    is_planned = record.state in {State.SCHEDULED, State.HELD} and record.next_ms > 0
    expires_ms = record.expires_ms if record.state.is_final else transitions.expiry_ms(record, settings, now_ms)
    return Shown(
        id=format_id(record.id),
        message_id=format_id(record.message),
        state=record.state.word,
        sender=envelope.sender,
        recipient=envelope.recipient,
        stream=record.stream,
        site=envelope.site,
        policy=transitions.policy_of(record, settings).name,
        created_at=from_epoch_ms(record.created_ms),
        next_attempt_at=from_epoch_ms(record.next_ms) if is_planned else None,
        expires_at=from_epoch_ms(expires_ms),
        bounce=ShownBounce.of(final, record.charged) if final and record.state is State.BOUNCED else None,
        attempts=tuple(ShownAttempt.of(attempt, with_transcript=with_transcripts) for attempt in envelope.attempts),
        held_for=envelope.held_why if record.state is State.HELD else None,
        uncertain=record.uncertain,
        tenant=envelope.tenant,
        put_off=(envelope.put_off or None) if is_planned and not envelope.attempts else None,
        tags=envelope.tags,
        metadata=envelope.metadata,
        resent_as=format_id(envelope.resent_as) if envelope.resent_as else None,
        resent_from=format_id(envelope.resent_from) if envelope.resent_from else None,
        set_policy=envelope.set_policy or None,
        set_window=format_duration(envelope.set_window_ms * MILLISECOND) if envelope.set_window_ms else None,
        set_route=envelope.set_route or None,
    )


def show(knowledge: Knowledge, identity: str) -> Flow[Shown]:
    """The envelope with this id.

    :raises NotFound: there is none (any more).
    """
    known = yield from knowledge.current()
    record, now_ms = yield from find_record(identity)
    shown = shown_of_record(record, known.settings, now_ms, with_transcripts=True)
    if not may_have_come_back(record):
        return shown
    reports = yield from repeat(came_back(record.id))
    return replace(shown, came_back=tuple(ShownCameBack.of(one) for one in reports))
