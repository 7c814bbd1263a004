"""What answers hold that the library makes as JSON itself: shapes for the OpenAPI document, and no values.

Where the library has a dataclass whose members are those of its JSON, that one is the shape.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from softbounce.client.health import MachineHealth
from softbounce.client.held_streams import HeldStream
from softbounce.client.now.sites import SiteView
from softbounce.client.queue import QueueRow
from softbounce.client.shown import Shown, ShownTranscript
from softbounce.client.standing_holds import ShownHold
from softbounce.client.traffic import TrafficPoint
from softbounce.events import Event

__all__ = [
    "AttemptTranscript",
    "EnvelopesPage",
    "EventsPage",
    "Holds",
    "Judged",
    "Lane",
    "Lanes",
    "Looks",
    "Plan",
    "Queue",
    "Sites",
    "Traffic",
    "Transcript",
]


class EventsPage(msgspec.Struct, kw_only=True):
    """Events in order.

    :ivar next: the cursor to go on from.
    """

    events: list[Event]
    next: str | None


class EnvelopesPage(msgspec.Struct, kw_only=True):
    """Envelopes in no order.

    :ivar next: asks for the page behind; null: this was the last.
    :ivar unreadable: ids of envelopes on the way whose record cannot be read.
    """

    envelopes: list[Shown]
    next: str | None
    unreadable: list[str]


class Looks(msgspec.Struct, kw_only=True):
    """What the last look of each machine found at what mail depends on."""

    machines: list[MachineHealth]


class AttemptTranscript(msgspec.Struct, kw_only=True):
    """What was said in one attempt.

    :ivar transcript: null: it was not kept, or is not any more.
    """

    number: int
    host: str | None
    transcript: ShownTranscript | None


class Transcript(msgspec.Struct, kw_only=True):
    """What was said in an envelope's attempts."""

    id: str
    attempts: list[AttemptTranscript]


class Queue(msgspec.Struct, kw_only=True):
    """How many envelopes there are.

    :ivar at: the store's now.
    :ivar states: by state.
    :ivar held_for: held ones by why they are held.
    :ivar unreadable: envelopes that are set aside because their records cannot be read.
    :ivar held_streams: streams that a brake holds as a whole.
    :ivar lanes: by state, lane and stream, the largest first.
    """

    at: datetime
    total: int
    states: dict[str, int]
    held_for: dict[str, int]
    unreadable: int
    held_streams: list[HeldStream]
    lanes: list[QueueRow]


class Holds(msgspec.Struct, kw_only=True):
    """The holds that stand, by name."""

    holds: list[ShownHold]


class Traffic(msgspec.Struct, kw_only=True):
    """What went in and out, the oldest first."""

    points: list[TrafficPoint]


class LaneLimits(msgspec.Struct, kw_only=True):
    """What is in force on a lane, as ``[[lane]]`` has it."""

    connections: int
    connections_per_address: int
    rate: float
    messages_per_connection: int
    recipients_per_message: int
    parts: int
    adaptive: bool
    close_first: str
    close_factor: float
    close_cap: str
    family: str


class Lane(msgspec.Struct, kw_only=True):
    """One lane.

    :ivar site: null while its domain is not resolved.
    :ivar opens_at: when it opens, where it is closed.
    :ivar failures: in a row.
    :ivar last: what was seen last of its trouble.
    :ivar closed_domains: recipient domains that are closed there alone.
    :ivar closed_senders: sender domains that it is closed for.
    :ivar owner: the worker process that has it.
    :ivar envelopes: how many it has, by state.
    :ivar limits_from: the rule that they are of.
    :ivar learned: what the site said by refusing; null: nothing of late.
    """

    lane: str
    site: str | None
    state: Literal["open", "closed", "probing"]
    opens_at: datetime | None
    failures: int
    last: str
    closed_domains: list[str]
    closed_senders: list[str]
    owner: str | None
    envelopes: dict[str, int]
    limits: LaneLimits
    limits_from: str
    learned: dict[str, Any] | None


class Lanes(msgspec.Struct, kw_only=True):
    """The lanes that have mail now, those with most first."""

    lanes: list[Lane]


class ProbedLane(msgspec.Struct, kw_only=True):
    """A lane with something closed.

    :ivar answer: `asked`: its worker heard it; `noted`: none has it, and who takes it asks at once; `unheard`: say it
        again.
    :ivar site: whether the site as a whole is closed.
    :ivar domains: what is closed there alone.
    :ivar senders: for whose mail it is closed.
    :ivar ready: so many wait of which one may go ahead.
    """

    lane: str
    answer: str
    site: bool
    domains: list[str]
    senders: list[str]
    ready: int


class Probed(msgspec.Struct, kw_only=True):
    """The lanes of the site that have something closed; none: nothing is."""

    lanes: list[ProbedLane]


class Sites(msgspec.Struct, kw_only=True):
    """The sites that are known now, those in trouble first.

    :ivar more: so many further ones are.
    """

    sites: list[SiteView]
    more: int


class PlannedAttempt(msgspec.Struct, kw_only=True):
    """An attempt that would be made.

    :ivar offset_ms: behind the moment of acceptance.
    :ivar last: it is the last one before the window closes.
    """

    number: int
    offset_ms: int
    last: bool


class Plan(msgspec.Struct, kw_only=True):
    """Every attempt that would be made if each failed softly.

    :ivar promoted_ms: when the envelope bounces, behind the moment of acceptance.
    :ivar promoted_by: what ends it: ``window`` or ``max_attempts``.
    :ivar sample: a strategy of the operator's own was asked: it may answer otherwise next time.
    :ivar cut: there would be more attempts than are shown.
    """

    policy: str
    window_ms: int
    jitter: float
    attempts: list[PlannedAttempt]
    promoted_ms: int
    promoted_by: str
    sample: bool
    cut: bool


class Judged(msgspec.Struct, kw_only=True):
    """What a reply means.

    :ivar id: as it was asked.
    :ivar retry: whether to try again; null: knowledgeable sources differ.
    :ivar dead_address: no other message will ever reach it.
    :ivar fault: whose it is; null, as the reason: it says that all is well.
    :ivar rule: the rule that says so.
    """

    id: str | int | None
    retry: bool | None
    dead_address: bool
    fault: str | None
    reason: str | None
    rule: str
