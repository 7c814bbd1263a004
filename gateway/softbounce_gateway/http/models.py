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
    "SitesQuery",
    "Started",
    "StreamQuery",
    "SuppressionsAdded",
    "SuppressionsPage",
    "SuppressionsQuery",
    "SuppressionsRemoved",
    "ToSuppress",
    "TrafficQuery",
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


Envelopes = Annotated[list[dict[str, Any]], Meta(extra_json_schema={"items": {"$ref": "#/components/schemas/Shown"}})]
"""They are JSON already when they get here; the document tells what they are."""


class Attachment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file that goes along; ``content`` is in base64.

    :ivar content_id: makes it a picture of the ``html``, which names it as ``cid:`` and this.
    """

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content: bytes
    content_type: Annotated[str, Meta(max_length=512)] = "application/octet-stream"
    content_id: Annotated[str, Meta(max_length=128)] = ""


class NewMessage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A message in parts; or its octets in ``raw`` (base64), with none of the parts beside it.

    :ivar to: who gets it; 1,000 at most, ``cc`` and ``bcc`` among them, and one at least.
    :ivar cc: who gets it too, and is named in the message.
    :ivar bcc: who gets it too, and is not.
    :ivar reply_to: one or more.
    :ivar text: one of this and ``html``, or both.
    :ivar headers: further fields, such as ``List-Unsubscribe``; not those that the parts make.
    :ivar raw: the message's octets, in base64.
    :ivar stream: your class of mail, which picks its policy.
    :ivar at: not before, such as ``2026-01-31T08:00:00Z``; what is past is now.
    :ivar tenant: whose mail it is; empty: the sender's domain.
    :ivar tags: words of your own, by which it is found.
    :ivar metadata: values of your own by name, which come with each event.
    :ivar require_tls: rather fail than go in clear.
    :ivar force: send also to addresses that are suppressed.
    """

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
    """What is asked beside a body of type ``message/rfc822``.

    :ivar sender: the envelope's sender.
    :ivar to: a recipient; once for each.
    :ivar stream: your class of mail, which picks its policy.
    :ivar at: not before, such as ``2026-01-31T08:00:00Z``; what is past is now.
    :ivar window: how long it may be tried: a duration, such as ``15m``.
    :ivar tenant: whose mail it is; empty: the sender's domain.
    :ivar tag: a word of your own; once for each.
    :ivar require_tls: rather fail than go in clear.
    :ivar force: send also to addresses that are suppressed.
    """

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
    """How a batch is taken.

    :ivar atomic: all are checked before one is stored.
    """

    atomic: bool = False


class ReceiptAnswer(msgspec.Struct, kw_only=True):
    """A message that is durably stored; ``envelopes`` has the id of each recipient's envelope.

    :ivar known: it had been taken before, under the same key.
    :ivar suppressed: why a recipient's envelope ended at once: its address gets no mail.
    :ivar held: why a recipient's envelope is held at the staging gate.
    :ivar warnings: what large providers will hold against it, a sentence each.
    """

    message_id: str
    key: str
    envelopes: dict[str, str]
    known: bool = False
    suppressed: dict[str, str] = {}
    held: dict[str, str] = {}
    warnings: list[str] = []


class EventsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """From where on, and which kinds.

    :ivar after: the cursor of an event, which is passed over; none: from the first one that is kept.
    :ivar kind: only events of this kind; once for each.
    :ivar limit: events at most.
    """

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    kind: list[str] = msgspec.field(default_factory=list)


class StreamQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """From where on, and which kinds.

    :ivar after: the cursor of an event, which is passed over; none: from the first one that is kept.
    :ivar kind: only events of this kind; once for each.
    """

    after: str | None = None
    kind: list[str] = msgspec.field(default_factory=list)


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
    """Why it is ended.

    :ivar reason: in words.
    """

    reason: Annotated[str, Meta(max_length=200)] = ""


class ChangeQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is chosen for it by hand; one or both. ``-`` is as configured.

    :ivar policy: the name of one that is published.
    :ivar window: from when it was accepted: ``2h``.
    """

    policy: Annotated[str, Meta(max_length=64)] | None = None
    window: Annotated[str, Meta(max_length=64)] | None = None


class RedirectQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which way it goes.

    :ivar route: the ``name`` of a route that is published; ``-``: as the routes say.
    """

    route: Annotated[str, Meta(max_length=64)] | None = None


class ReleaseQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is released.

    :ivar past_gate: also what the staging gate holds: its recipient gets this message.
    """

    past_gate: bool = False


class ResendQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is sent again.

    :ivar force: also what was delivered, as far as its message is there.
    """

    force: bool = False


class QueueQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which envelopes; names are globs.

    :ivar site: of the mail hosts.
    :ivar domain: of the recipient.
    :ivar recipient: an address.
    :ivar sender: the envelope's, an address.
    :ivar stream: the class of mail.
    :ivar tenant: whose mail it is.
    :ivar tag: one of its tags.
    :ivar state: ``scheduled ready attempting held delivered bounced cancelled``: one of these, no glob.
    :ivar held_for: only held ones, and held for this.
    :ivar older: accepted longer ago than this: ``2h``.
    :ivar younger: accepted since: not longer ago than this.
    :ivar reply: words of the last reply, case aside; ``*`` is anything.
    """

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
    older: str | None = None
    younger: str | None = None
    reply: str | None = None


class AfterPage(QueueQuery, kw_only=True, forbid_unknown_fields=True):
    """Which envelopes, and which page of them.

    :ivar after: the ``next`` of the page before.
    :ivar limit: envelopes at most.
    """

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class TrafficQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Of which time.

    :ivar minutes: the last ones.
    :ivar step: minutes in a point.
    """

    minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    step: Annotated[int, Meta(ge=1, le=60)] = 1


class LanesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Of which sites.

    :ivar site: a glob.
    """

    site: str | None = None


class SitesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many.

    :ivar limit: sites at most.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class PlanQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """For which mail.

    :ivar to: a recipient.
    :ivar stream: the class of mail.
    :ivar sender: the envelope's sender.
    :ivar tenant: whose mail it is.
    :ivar site: of the mail hosts, where it is known.
    """

    to: str | None = None
    stream: str = ""
    sender: str = msgspec.field(name="from", default="")
    tenant: str = ""
    site: str | None = None


class ReplyToJudge(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A reply of a mail host, and where it was said.

    :ivar reply: as the host said it, such as ``550 5.1.1 User unknown``.
    :ivar id: of your own; it comes back.
    :ivar stage: ``connect greeting ehlo starttls auth mail rcpt data end_of_data``: one of these.
    :ivar provider: the site.
    """

    reply: Annotated[str, Meta(max_length=65_536)]
    id: str | int | None = None
    stage: str | None = None
    provider: str | None = None


class NewAction(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be done to which envelopes; or the ``token`` of a preview, to have it done."""

    action: Literal["cancel", "bounce", "retry", "hold", "release", "resend", "change", "redirect"] | None = None
    filter: QueueQuery | None = None
    arguments: Annotated[
        dict[str, str | bool],
        Meta(
            description="`grace` of cancel, bounce and change: how long what they end is only held, and the action can "
            "be undone; a duration, 5s by default. `reason` of bounce. `force` of resend, with state=delivered. "
            "`spread` of resend: over how long they begin. `policy` and `window` of change, `route` of redirect: a "
            "published name, a duration, or `-` for what is configured"
        ),
    ] = {}
    token: str | None = None


class Preview(msgspec.Struct, kw_only=True):
    """How many fit now, some of them, what will become of them, and the token that has it done within ten minutes.

    :ivar ends: of a change: so many are older than their window would be, and bounce.
    """

    count: int
    sample: Envelopes
    token: str
    effect: str
    ends: int = 0


class Started(msgspec.Struct, kw_only=True):
    """The action's id."""

    id: str


class Progress(msgspec.Struct, kw_only=True):
    """How far an action is; ``answers`` counts envelopes by what became of them.

    :ivar state: ``waiting``: what it will end is held until ``due_at``; ``begun``: whoever asked for it carries it out,
        and its end was not heard (yet).
    :ivar count: how many fitted when it was previewed.
    :ivar held: so many it held while it waited, of which
    :ivar released: so many went on because it was undone.
    :ivar chosen: of a change or a redirect: ``policy``, ``window``, ``route``.
    """

    id: str
    action: str
    state: Literal["waiting", "running", "begun", "done", "failed", "undoing", "undone"]
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
    chosen: dict[str, str]


class ActionsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many of them.

    :ivar limit: actions at most.
    """

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
    """Which suppressions, and which page of them; a list as ``text/csv`` has all.

    :ivar domain: a glob.
    :ivar stream: a glob.
    :ivar source: who said so: ``operator import verdict complaint streak``.
    :ivar after: the ``next`` of the page before.
    :ivar limit: suppressions at most.
    """

    address: SuppressedAddress | None = None
    domain: str | None = None
    stream: str | None = None
    source: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NewHold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A hold of all mail of something from now on, what comes later included.

    :ivar value: its name, exact. A sender is an address, or the domain of all of them.
    :ivar until: when it ends by itself; neither this nor ``for``: when somebody ends it.
    """

    of: Literal["site", "domain", "sender", "stream", "tenant", "tag"]
    value: Annotated[str, Meta(min_length=1, max_length=320)]
    reason: Annotated[str, Meta(max_length=200)] = ""
    until: datetime | None = None
    length: Annotated[str | None, Meta(description='A duration, such as "2h"')] = msgspec.field(
        default=None, name="for"
    )


class HoldQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which hold.

    :ivar hold: its name as the list has it: ``site:google.com``.
    """

    hold: Annotated[str, Meta(min_length=1, max_length=330)]


class NoLongerSuppressed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to take off.

    :ivar address: once for each.
    :ivar stream: only what is said of this stream.
    :ivar tenant: only what is said of this tenant's mail.
    """

    address: list[SuppressedAddress] = msgspec.field(default_factory=list)
    stream: str | None = None
    tenant: str | None = None


class SuppressionsPage(msgspec.Struct, kw_only=True):
    """Suppressions in no order; ``next`` asks for the page behind, ``null``: this was the last."""

    suppressions: list[dict[str, Any]]
    next: str | None


class SuppressionsAdded(msgspec.Struct, kw_only=True):
    """How many are new, and how many took the place of one.

    :ivar unread: times of a CSV list that could not be read, some of them: the addresses were taken without.
    """

    added: int
    replaced: int
    unread: list[str] | msgspec.UnsetType = msgspec.UNSET


class SuppressionsRemoved(msgspec.Struct, kw_only=True):
    """How many were taken off."""

    removed: int
