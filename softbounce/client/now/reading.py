"""*Now*, made of one look at the store; and what is told of a store that cannot be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from softbounce.client.flow import Flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.now.findings import find
from softbounce.client.now.groups import Group, Place, group, is_closed
from softbounce.client.now.look import SAMPLE, Look, take_look
from softbounce.client.now.view import AgeBand, Finding, Now, Recent
from softbounce.duration import from_epoch_ms
from softbounce.envelope import State
from softbounce.errors import StoreError

__all__ = ["now_of", "read_now", "with_finding", "without_store"]

BANDS = (60, 600, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600)
RECENT_MINUTES = 10
NEARLY_ALL = 0.9
KINDS = ("accepted", "delivered", "deferred", "bounced")
STOPPING = frozenset({"store_full", "store_away", "disk", "no_worker", "no_scheduler", "scheduler_late"})
"""Of these nothing goes, or nothing new is taken."""


def read_now(knowledge: Knowledge) -> Flow[Now]:
    """How the service does.

    :raises StoreError: the store cannot be asked; :func:`without_store` tells what there is to tell then.
    """
    look = yield from take_look(knowledge)
    return now_of(look)


def now_of(look: Look) -> Now:
    """The same of a look."""
    groups = group(look)
    findings, more = find(look, groups)
    flows, sentence = _answer(findings, look)
    created = [one.record.created_ms for one in look.sample]
    closed = sum(is_closed(state, look.now_ms) for state in look.lanes.values())
    probing = sum(state.failures > 0 for state in look.lanes.values()) - closed
    return Now(
        at=look.now,
        flows=flows,
        sentence=sentence,
        states={**{one.word: look.counts[one] for one in sorted(look.counts)}, "ended": look.ended},
        recent=_recent(look),
        traffic=look.traffic,
        ages=_ages(look),
        oldest=from_epoch_ms(min(created)) if created else None,
        is_estimate=look.live > SAMPLE,
        reasons=_reasons(groups),
        findings=findings,
        more=more,
        workers=len(look.workers),
        schedulers=look.schedulers,
        lanes={"owned": look.owned, "closed": closed, "probing": probing},
    )


def without_store(error: StoreError, at: datetime) -> Now:
    """What there is to tell when the store says nothing.

    :param at: this machine's time.
    """
    what = "The store cannot be asked: nothing is taken, and nothing is tried"
    finding = Finding(
        kind="store_away",
        scope="store",
        level="bad",
        what=what,
        why=f"{error}",
        command=("softbounce", "doctor"),
        act="looks whether it runs, can be reached, and writes to its disk; `softbounce up` starts an embedded one",
        place="/ui/health",
    )
    return Now(at=at, flows="no", sentence=f"No. {what}.", findings=(finding,))


def with_finding(now: Now, finding: Finding) -> Now:
    """The same, with what stops all and the store could not tell of itself."""
    others = [one for one in now.findings if one.kind != finding.kind]
    return replace(now, flows="no", sentence=f"No. {finding.what}.", findings=(finding, *others))


def _answer(findings: Sequence[Finding], look: Look) -> tuple[Literal["yes", "partly", "no"], str]:
    bad = [one for one in findings if one.level == "bad"]
    if bad and bad[0].kind in STOPPING:
        return "no", f"No. {bad[0].what}."
    if bad:
        others = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        scope = "Hardly" if bad[0].scope in {"network", "us"} or _is_all(bad[0], look) else "Yes, but not everywhere"
        return "partly", f"{scope}. {bad[0].what}{others}."
    if not look.live:
        return "yes", "Yes. Nothing waits."
    held = look.counts.get(State.HELD, 0)
    moving = look.live - held
    if not moving:
        which = f"all {held:,} envelopes that wait are" if held > 1 else "the one envelope that waits is"
        return "partly", f"Nothing is on its way: {which} held."
    who, whom = (f"{moving:,} envelopes are on their", "them") if moving > 1 else ("1 envelope is on its", "it")
    sentence = f"Yes. {who} way, and nothing holds {whom} up that a person should know."
    return "yes", f"{sentence} {held:,} {'is' if held == 1 else 'are'} held." if held else sentence


def _is_all(finding: Finding, look: Look) -> bool:
    """Whether nearly all that is on its way waits for this, and nothing was delivered of late."""
    recent, moving = _recent(look), look.live - look.counts.get(State.HELD, 0)
    return recent is not None and not recent.counts["delivered"] and (finding.waiting or 0) > NEARLY_ALL * moving


def _recent(look: Look) -> Recent | None:
    """The traffic of the last minutes together; ``None``: there was no scheduler that noted any."""
    points = look.traffic[-RECENT_MINUTES:]
    if not points:
        return None
    counts = {kind: sum(getattr(one, kind) for one in points) for kind in KINDS}
    return Recent(since=points[0].from_at, counts=counts)


def _ages(look: Look) -> list[AgeBand]:
    weights = [0.0] * (len(BANDS) + 1)
    for one in look.sample:
        age = (look.now_ms - one.record.created_ms) / 1000
        weights[sum(age > band for band in BANDS)] += one.weight
    bands = zip((*BANDS, None), weights, strict=True)
    return [AgeBand(seconds=seconds, count=round(weight)) for seconds, weight in bands]


def _reasons(groups: Mapping[Place, Group]) -> dict[str, int]:
    """Why live envelopes wait by their own clock."""
    found: Counter[str] = Counter()
    for place, one in groups.items():
        if place.waits == "own":
            found[place.name or "unknown"] += one.about
    return dict(found.most_common())
