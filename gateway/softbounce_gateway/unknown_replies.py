"""The replies of the last days that no rule knew but the bare code: what a rule of one's own would be worth.

Read from the event log. Replies that differ in their numbers and addresses only are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from softbounce_worker.route.site import site_of

from softbounce.classify import classify
from softbounce.classify.rule_pack import PREFIX
from softbounce.classify.wording import read_text
from softbounce.events import Event
from softbounce.reply import Reply
from softbounce.settings import Settings
from softbounce.site import shown_of
from softbounce.stage import Stage

__all__ = ["UnknownReply", "unknown_replies"]

TELLING = frozenset({"deferred", "bounced"})
BY_CODE = f"{PREFIX}code-"
NUMBERED = re.compile(r"\S*\d\S*")
MOST_KINDS = 20_000
STAGES = {str(stage): stage for stage in Stage}


class _Kind(NamedTuple):
    """What makes two replies alike."""

    code: int
    stage: str | None
    words: str


@dataclass(slots=True, kw_only=True)
class UnknownReply:
    """Replies that are alike.

    :ivar count: how many there were.
    :ivar text: the latest of them.
    :ivar rule: what judged it in the end: the code.
    """

    count: int
    code: int
    enhanced: str | None
    text: str
    stage: str | None
    host: str | None
    rule: str
    last_at: datetime


def unknown_replies(events: Iterable[Event], settings: Settings) -> list[UnknownReply]:
    """The unknown among the replies that the events tell of, by today's rules; the most frequent first."""
    rules: dict[tuple[_Kind, str | None], str] = {}
    found: dict[_Kind, UnknownReply] = {}
    for event in events:
        if event.kind not in TELLING or event.code is None or not event.attempt:
            continue
        kind = _Kind(event.code, event.stage, NUMBERED.sub("", read_text(event.text).words))
        site = shown_of(site_of([[event.host]])) if event.host else None
        rule = rules.get((kind, site))
        if rule is None:
            if len(rules) >= MOST_KINDS:
                continue
            rule = rules[kind, site] = _rule_for(event, event.code, site, settings)
        if not rule.startswith(BY_CODE):
            continue
        known = found.get(kind)
        if known is None:
            known = found[kind] = UnknownReply(
                count=0,
                code=event.code,
                enhanced=event.enhanced,
                text=event.text,
                stage=event.stage,
                host=event.host,
                rule=rule,
                last_at=event.at,
            )
        known.count += 1
        known.text, known.host, known.last_at = event.text, event.host, event.at
    return sorted(found.values(), key=lambda one: (-one.count, one.code, one.text))


def _rule_for(event: Event, code: int, site: str | None, settings: Settings) -> str:
    """The rule that judges it. Rules for one site's replies know them there only."""
    reply = Reply(code=code, enhanced=event.enhanced, lines=(event.text,))
    return classify(reply, stage=STAGES.get(event.stage or ""), site=site, settings=settings).rule
