"""What requests say and answers hold: structs, of which the OpenAPI document is made too."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "ActionPage",
    "ActionsQuery",
    "AfterPage",
    "Answered",
    "Attachment",
    "BatchQuery",
    "BounceQuery",
    "EnvelopesPage",
    "EventsPage",
    "EventsQuery",
    "Explanation",
    "LanesQuery",
    "NewAction",
    "NewMessage",
    "NoLongerSuppressed",
    "Nothing",
    "PlanQuery",
    "Preview",
    "Progress",
    "QueueQuery",
    "RawQuery",
    "ReceiptAnswer",
    "ReplyToJudge",
    "ResendAnswered",
    "ResendQuery",
    "Started",
    "StreamQuery",
    "SuppressionsAdded",
    "SuppressionsPage",
    "SuppressionsQuery",
    "SuppressionsRemoved",
    "ToSuppress",
]

Address = Annotated[str, Meta(max_length=1024, description="`a@example.net` or `Name <a@example.net>`")]
Tags = Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=20)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=500)]], Meta(max_length=50)
]
Pairs = Annotated[
    list[Annotated[str, Meta(max_length=600)]],
    Meta(max_length=50, description="`NAME=VALUE`, of metadata; once for each"),
]


class Attachment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file that goes along; ``content`` is in base64."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content: bytes
    content_type: Annotated[str, Meta(max_length=127)] = "application/octet-stream"


class NewMessage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A message in parts; or its octets in ``raw`` (base64), with none of the parts beside it."""

    sender: Address = msgspec.field(name="from")
    to: list[Address] = []
    cc: list[Address] = []
    bcc: list[Address] = []
    reply_to: Address | list[Address] | None = None
    subject: Annotated[str, Meta(max_length=2000)] | None = None
    text: str | None = None
    html: str | None = None
    headers: Annotated[dict[str, str], Meta(max_length=100)] = {}
    attachments: Annotated[list[Attachment], Meta(max_length=100)] = []
    raw: bytes | None = None
    stream: str = ""
    at: datetime | None = None
    window: Annotated[str, Meta(description='A duration, such as "15m"')] | None = None
    tenant: str = ""
    tags: Tags = []
    metadata: Metadata = {}
    require_tls: bool = False
    force: bool = False
    key: Annotated[str, Meta(description="As the header Idempotency-Key; a batch has one for each message")] | None = (
        None
    )


class RawQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is asked beside a body of type ``message/rfc822``."""

    sender: Address = msgspec.field(name="from", default="")
    to: list[Address] = msgspec.field(default_factory=list)
    stream: str = ""
    at: datetime | None = None
    window: str | None = None
    tenant: str = ""
    tag: Tags = msgspec.field(default_factory=list)
    meta: Pairs = msgspec.field(default_factory=list)
    require_tls: bool = False
    force: bool = False


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No query parameters."""


class BatchQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How a batch is taken."""

    atomic: bool = False


class ReceiptAnswer(msgspec.Struct, kw_only=True):
    """A message that is durably stored; ``envelopes`` has the id of each recipient's envelope.

    :ivar known: it had been taken before, under the same key.
    :ivar suppressed: why a recipient's envelope ended at once: its address gets no mail.
    """

    message_id: str
    key: str
    envelopes: dict[str, str]
    known: bool = False
    suppressed: dict[str, str] = {}


class EventsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """From where on, and which kinds."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    kind: list[str] = msgspec.field(default_factory=list)


class StreamQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """From where on, and which kinds."""

    after: str | None = None
    kind: list[str] = msgspec.field(default_factory=list)


class EventsPage(msgspec.Struct, kw_only=True):
    """Events in order; ``next`` is the cursor to go on from."""

    events: list[dict[str, Any]]
    next: str | None


class EnvelopesPage(msgspec.Struct, kw_only=True):
    """Envelopes in no order; ``next`` asks for the page behind, ``null``: this was the last."""

    envelopes: list[dict[str, Any]]
    next: str | None
    unreadable: list[str]


class Explanation(msgspec.Struct, kw_only=True):
    """Why it is where it is, what binds now, what happens next and when."""

    id: str
    explanation: str


class Answered(msgspec.Struct, kw_only=True):
    """What became of an act: its word."""

    id: str
    answer: str


class ResendAnswered(Answered, kw_only=True):
    """The same of a resend, and the envelope by which it was sent again."""

    envelope: str | None


class BounceQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, in words."""

    reason: Annotated[str, Meta(max_length=200)] = ""


class ResendQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether also what was delivered is sent again, as far as its message is there."""

    force: bool = False


class QueueQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which envelopes; names are globs."""

    site: str | None = None
    domain: str | None = None
    recipient: str | None = None
    sender: str | None = None
    stream: str | None = None
    tenant: str | None = None
    tag: str | None = None
    meta: Pairs = msgspec.field(default_factory=list)
    state: str | None = None
    held_for: str | None = None


class AfterPage(QueueQuery, kw_only=True, forbid_unknown_fields=True):
    """Which envelopes, and which page of them."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class LanesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Of which sites."""

    site: str | None = None


class PlanQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """For which mail."""

    to: str | None = None
    stream: str = ""
    sender: str = msgspec.field(name="from", default="")
    tenant: str = ""
    site: str | None = None


class ReplyToJudge(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A reply of a mail host, and where it was said."""

    reply: Annotated[str, Meta(max_length=65_536)]
    id: str | int | None = None
    stage: str | None = None
    provider: str | None = None


class NewAction(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be done to which envelopes; or the ``token`` of a preview, to have it done."""

    action: Literal["cancel", "bounce", "retry", "hold", "release", "resend"] | None = None
    filter: QueueQuery | None = None
    arguments: Annotated[
        dict[str, str | bool],
        Meta(
            description="`grace` of cancel and bounce: how long what they end is only held, and the action can be "
            "undone; a duration, 5s by default. `reason` of bounce. `force` of resend, with state=delivered. "
            "`spread` of resend: over how long they begin"
        ),
    ] = {}
    token: str | None = None


class Preview(msgspec.Struct, kw_only=True):
    """How many fit now, some of them, what will become of them, and the token that has it done within ten minutes."""

    count: int
    sample: list[dict[str, Any]]
    token: str
    effect: str


class Started(msgspec.Struct, kw_only=True):
    """The action's id."""

    id: str


class Progress(msgspec.Struct, kw_only=True):
    """How far an action is; ``answers`` counts envelopes by what became of them.

    :ivar state: ``waiting``: what it will end is held until ``due_at``.
    :ivar count: how many fitted when it was previewed.
    :ivar held: so many it held while it waited, of which
    :ivar released: so many went on because it was undone.
    """

    id: str
    action: str
    state: Literal["waiting", "running", "done", "failed", "undoing", "undone"]
    filter: dict[str, Any]
    by: str
    reason: str
    force: bool
    count: int | None
    answers: dict[str, int]
    held: int
    released: int
    asked_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    can_undo: bool
    detail: str


class ActionsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many of them."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ActionPage(msgspec.Struct, kw_only=True):
    """Actions: those under way, then those that are over, the latest first."""

    actions: list[Progress]


SuppressedAddress = Annotated[
    str, Meta(min_length=1, max_length=1024, description="`a@example.net`, or `@example.net` for a whole domain")
]


class ToSuppress(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An address that is to get no mail. ``stream`` and ``tenant``: only of these; ``null``: none at all."""

    address: SuppressedAddress
    stream: str | None = None
    tenant: str | None = None
    reason: Annotated[str, Meta(max_length=1000)] = ""
    source: Literal["operator", "import", "verdict", "complaint", "streak"] = "operator"
    expires_at: datetime | None = None
    expires: Annotated[str, Meta(description='A duration, such as "30d"')] | None = None


class SuppressionsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which suppressions, and which page of them; a list as ``text/csv`` has all. Domain and stream are globs."""

    address: SuppressedAddress | None = None
    domain: str | None = None
    stream: str | None = None
    source: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NoLongerSuppressed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to take off, each with a parameter of its own; only what is said of a stream, or of a tenant's mail."""

    address: list[SuppressedAddress] = msgspec.field(default_factory=list)
    stream: str | None = None
    tenant: str | None = None


class SuppressionsPage(msgspec.Struct, kw_only=True):
    """Suppressions in no order; ``next`` asks for the page behind, ``null``: this was the last."""

    suppressions: list[dict[str, Any]]
    next: str | None


class SuppressionsAdded(msgspec.Struct, kw_only=True):
    """How many are new, and how many took the place of one."""

    added: int
    replaced: int


class SuppressionsRemoved(msgspec.Struct, kw_only=True):
    """How many were taken off."""

    removed: int
