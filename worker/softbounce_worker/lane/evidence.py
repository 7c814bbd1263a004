"""What a reply, or the want of one, is evidence of: the table of scopes, and which of its rows something falls under.

Trouble has a scope, and only that scope waits. So each kind of evidence says what it speaks against, whether an
envelope's first try counts, and whether it shows that the site talks. First tries are never evidence against anything
wider than their envelope once a recipient was named, unless the host blames itself: greylisting looks like that,
whatever its words. Pure; :mod:`.trouble` counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from softbounce.envelope import Attempt, Record
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

__all__ = [
    "NAMED",
    "SCOPES",
    "Evidence",
    "Row",
    "Scope",
    "blames_by_words",
    "blames_host",
    "evidence_of",
    "first_refusal_ms",
    "is_no_tls",
    "may_be_greylisting",
    "wants_tls",
]

SERVICE_GOES_421 = 421
OUT_OF_ORDER = frozenset({SERVICE_GOES_421, 452})
SYSTEM_4_3 = "4.3."
SYSTEM_RULES = frozenset({"builtin:system-trouble", "builtin:system-space"})
TLS_NEEDED = frozenset({"builtin:tls-needed", "builtin:tls-needed-named"})
ENCRYPTION_NEEDED_523 = 523  # 5.7.10 of RFC 5248
NO_SPACE = "builtin:system-space"
BUILT_IN = "builtin:"
BARE = ("builtin:enhanced-", "builtin:code-")
NAMED = frozenset({Stage.RCPT, Stage.DATA, Stage.END_OF_DATA})
"""Stages at which the host knew a recipient."""


class Scope(StrEnum):
    """What waits."""

    NOTHING = "nothing"
    ENVELOPE = "the envelope, on its own clock"
    DOMAIN = "that recipient domain at that site"
    SENDER = "that sender domain at that site"
    SITE = "the site"
    ADDRESS = "that address, over all sites"
    UNRESOLVED = "that recipient domain, wherever it leads"


class Evidence(StrEnum):
    """What was seen."""

    NO_ROUTE = "no_route"
    ADDRESS = "address"
    NO_SESSION = "no_session"
    CAPS = "caps"
    SENDER = "sender"
    OWN = "own"
    NOT_NOW = "not_now"
    SYSTEM = "system"
    SILENCE = "silence"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table.

    :ivar seen: the evidence in words.
    :ivar scope: what waits because of it, as soon as it is enough.
    :ivar how: when it is enough, and what becomes of the envelope.
    :ivar counts: it adds up against its domain, and through domains against the site.
    :ivar at_first: an envelope's first try counts too.
    :ivar is_reply: the host said it, so the site talks: what closed because no session could be had opens.
    """

    seen: str
    scope: Scope
    how: str
    counts: bool = False
    at_first: bool = False
    is_reply: bool = True


SCOPES: dict[Evidence, Row] = {
    Evidence.NO_ROUTE: Row(
        seen="the DNS of a recipient domain fails",
        scope=Scope.UNRESOLVED,
        how="its lane `?domain` closes; uncharged; its site goes on",
        is_reply=False,
    ),
    Evidence.ADDRESS: Row(
        seen="an address: no connection, no greeting, no EHLO, no TLS",
        scope=Scope.ADDRESS,
        how="the next address or host within the same attempt; uncharged",
        is_reply=False,
    ),
    Evidence.NO_SESSION: Row(
        seen="no session on any host of the site, greetings of 4xx and 5xx and a 421 before MAIL included",
        scope=Scope.SITE,
        how="it closes at once, unless a session stands; uncharged. A host that blames itself at MAIL does not open it",
        is_reply=False,
    ),
    Evidence.CAPS: Row(
        seen='"too many connections", "slow down", a rate',
        scope=Scope.ENVELOPE,
        how="charged; fewer sessions are opened for a while; nothing closes",
    ),
    Evidence.SENDER: Row(
        seen="MAIL refused, or words that blame the sender (reputation, authentication, policy)",
        scope=Scope.SENDER,
        how="the envelope is charged and waits on its own clock; for others it is a sign that the site talks. Five"
        " messages of one sender domain, and nothing of it taken meanwhile, close the site *for that sender domain*."
        " Without words it counts where it is no first try, as above. A final refusal that the policy waits out counts",
    ),
    Evidence.OWN: Row(
        seen="any 5xx; greylisting that says so, a full or busy mailbox, the message",
        scope=Scope.ENVELOPE,
        how="charged, or bounced; a sign that the site talks",
    ),
    Evidence.NOT_NOW: Row(
        seen="4xx to RCPT, DATA or the dot, without such words",
        scope=Scope.DOMAIN,
        how="the envelope is charged and waits on its own clock. A further try counts, longer after the first one than"
        " greylisting waits (`greylist`): five recipients of one domain, and nothing taken meanwhile, close *that"
        " domain*",
        counts=True,
    ),
    Evidence.SYSTEM: Row(
        seen="421 in mid-session, 4.3.x, no space left: the host blames itself, and so did the site's others",
        scope=Scope.DOMAIN,
        how="as the row above, but first tries count, unless further ones get through",
        counts=True,
        at_first=True,
    ),
    Evidence.SILENCE: Row(
        seen="a session that broke, or no reply in time",
        scope=Scope.ENVELOPE,
        how="charged; it neither counts nor speaks for anybody. A canary that meets it failed. While transactions of"
        " one domain go unanswered on as many sessions as they leave to the site's others, *that domain* closes, for"
        " seconds at first",
        is_reply=False,
    ),
    Evidence.TAKEN: Row(
        seen="the host takes a message",
        scope=Scope.NOTHING,
        how="delivered; all evidence against its domain is forgotten",
    ),
}
"""The table of scopes. docs/trouble.md is made from it."""


def evidence_of(what: Reply | Trouble, verdict: Verdict, stage: Stage) -> Evidence:
    """Which row of the table an outcome falls under."""
    if verdict.word is VerdictWord.DELIVERED:
        return Evidence.TAKEN
    is_soft = verdict.word is VerdictWord.SOFT
    if not isinstance(what, Reply):
        is_theirs = verdict.fault in {Fault.SYSTEM, Fault.SENDER}
        return Evidence.SILENCE if is_soft and is_theirs else Evidence.OWN
    if not is_soft or verdict.fault in {Fault.RECIPIENT, Fault.MESSAGE}:
        return Evidence.SENDER if is_soft and stage is Stage.MAIL else Evidence.OWN
    if verdict.fault is Fault.SENDER:
        return Evidence.CAPS if verdict.reason is Reason.RATE_LIMIT else Evidence.SENDER
    return _of_the_system(what, verdict, stage)


def _of_the_system(reply: Reply, verdict: Verdict, stage: Stage) -> Evidence:
    if verdict.reason is Reason.RATE_LIMIT:
        return Evidence.CAPS
    if _blames_itself(reply, verdict):
        return Evidence.SYSTEM
    return Evidence.SENDER if stage is Stage.MAIL else Evidence.NOT_NOW


def _blames_itself(reply: Reply, verdict: Verdict) -> bool:
    """By its code or words; or a rule of the user's says so."""
    is_said = (reply.enhanced or "").startswith(SYSTEM_4_3) or verdict.rule == NO_SPACE
    return reply.code == SERVICE_GOES_421 or is_said or not verdict.rule.startswith(BUILT_IN)


def blames_host(what: Reply | Trouble, verdict: Verdict) -> bool:
    """Whether a reply is about the one host that gave it, by its words or its code: another may be better off.

    A plain 450 or 451 is not: greylisting looks like that. Nor is what a rule of the user's judged.
    """
    if not isinstance(what, Reply) or verdict.word is not VerdictWord.SOFT or verdict.reason is not Reason.SYSTEM:
        return False
    return _says_own_trouble(what.code, what.enhanced, verdict.rule) and verdict.fault is Fault.SYSTEM


def _says_own_trouble(code: int, enhanced: str | None, rule: str | None) -> bool:
    return code in OUT_OF_ORDER or (enhanced or "").startswith(SYSTEM_4_3) or rule in SYSTEM_RULES


def blames_by_words(verdict: Verdict) -> bool:
    """Whether a reply blames the sender beyond doubt: ``4.7.0`` or ``4.7.1`` without words may mean greylisting."""
    return verdict.reason is not Reason.POLICY or not verdict.rule.startswith(BARE)


def may_be_greylisting(attempt: Attempt) -> bool:
    """Whether a host that was told sender and recipient said "later", and blamed nothing of its own.

    It may have noted when it saw them first, whatever its words are.
    """
    if attempt.code is None or attempt.verdict != VerdictWord.SOFT or attempt.stage not in NAMED:
        return False
    blames_itself = _says_own_trouble(attempt.code, attempt.enhanced, attempt.rule)
    return attempt.reason != Reason.SYSTEM or not blames_itself


def first_refusal_ms(record: Record) -> int | None:
    """When a host said no to an envelope for the first time, its recipient being named; ``None``: none did yet."""
    for attempt in record.envelope.attempts:
        if attempt.code is not None and attempt.stage in NAMED:
            return attempt.ended_ms
    return None


def wants_tls(reply: Reply, verdict: Verdict) -> bool:
    """Whether a host takes nothing in clear (RFC 3207 §4)."""
    return verdict.rule in TLS_NEEDED or reply.code == ENCRYPTION_NEEDED_523


def is_no_tls(what: Reply | Trouble) -> bool:
    """Whether TLS failed, and nothing goes without."""
    return isinstance(what, Trouble) and what.kind is TroubleKind.TLS_FAILED
