"""Compares the three accounts, envelope by envelope, with what is promised. Pure.

Promised: no accepted envelope is lost; nothing is called delivered that no host took; for each envelope there are no
more extra copies than it owns up to by uncertain attempts; no attempt is uncertain where the hosts saw no DATA begin;
at least half of the uncertain attempts did reach a host whole, so that the word means something; no letter to
strangers or neighbours bounces but those to nobody; what a transaction committed to the outbox is handed over; the
receiver of webhooks is told of every event; no process ends, or meets an error that nobody expected, but by a fault of
ours; and the counters of `/metrics` agree with the event log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from torture.evidence import Case, Evidence
from torture.neighbours import CROWD
from torture.odd_names import ODD
from torture.strangers import NOBODY

__all__ = ["Reckoning", "reckon"]

ENDS = frozenset({"delivered", "bounced", "cancelled"})
END_OF_DATA = "end_of_data"
FEWEST_FOR_A_SHARE = 20
PROMISES = (
    "lost",
    "unsettled",
    "false_claims",
    "unowned_copies",
    "uncertain_without_data",
    "false_refusals",
    "wrong_messages",
    "strays",
    "false_bounces",
    "idle_alarms",
    "mishaps",
    "miscounted",
    "unsent",
    "untold",
)
"""Figures that have to be zero."""


@dataclass(slots=True, kw_only=True)
class Reckoning:
    """What it came to.

    :ivar counts: figures by name; missing is zero.
    :ivar broken: the cases that broke a promise, by promise.
    """

    counts: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[Case]] = field(default_factory=dict)
    longest_stall_s: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether every promise was."""
        return not any(self.counts[name] for name in PROMISES)


def reckon(evidence: Evidence, ended_at: datetime, *, untold: int = 0) -> Reckoning:
    """Compare.

    :param untold: events that the receiver of webhooks was never told.
    :param ended_at: when the faults ended: stalls are looked for up to then.
    """
    result = Reckoning()
    result.counts["strays"] = len(evidence.strays)
    result.counts["unanswered"] = evidence.unanswered
    result.counts["unsent"] = evidence.unsent
    result.counts["untold"] = untold
    result.counts["mishaps"] = evidence.mishaps.total()
    result.counts["miscounted"] = len(evidence.miscounted)
    for case in evidence.cases:
        figures = _figures(case)
        result.counts.update(figures)
        for name in PROMISES:
            if figures.get(name):
                result.broken.setdefault(name, []).append(case)
    result.counts["idle_alarms"] = _idle_alarms(result.counts)
    result.longest_stall_s = _longest_stall(evidence, ended_at)
    return result


def _idle_alarms(counts: Counter[str]) -> int:
    """How many uncertain attempts there are too many for half of them to have reached a host whole.

    A handful says nothing about a share, so a few are let be.
    """
    uncertain = counts["uncertain"]
    return max(0, uncertain - 2 * counts["uncertain_whole"]) if uncertain >= FEWEST_FOR_A_SHARE else 0


def _figures(case: Case) -> dict[str, int]:
    copies = sum(entry.kept for entry in case.entries)
    wrong = sum(entry.complete and entry.message_id != case.message_id for entry in case.entries)
    figures = {"copies": copies, "wrong_messages": wrong}
    if case.id is None:
        figures["false_refusals"] = int(case.was_refused and bool(case.entries))
        figures["refused"] = int(case.was_refused)
        return figures
    figures["accepted"] = 1
    shown = case.shown
    if shown is None:
        figures["lost"] = 1
        return figures
    figures[shown.state] = 1
    figures["unsettled"] = int(shown.state not in ENDS)
    figures["lost"] = int(shown.state == "cancelled")  # nobody ever cancels here
    figures["false_bounces"] = int(
        shown.state == "bounced" and case.recipient.endswith((ODD, CROWD)) and not case.recipient.startswith(NOBODY)
    )
    is_delivered = shown.state == "delivered"
    figures["false_claims"] = int(is_delivered and not any(entry.is_taken for entry in case.entries))
    uncertain = shown.uncertain
    surplus = max(0, copies - is_delivered)
    figures["extra_copies"] = max(0, copies - 1)
    figures["uncertain"] = uncertain
    figures["unowned_copies"] = max(0, surplus - uncertain)
    was_answered = any(attempt.verdict == "delivered" and not attempt.uncertain for attempt in shown.attempts)
    figures["uncertain_without_copy"] = max(0, uncertain - max(0, copies - was_answered))
    begun = sum(entry.data_begun for entry in case.entries)
    answered = sum(not attempt.uncertain and attempt.stage == END_OF_DATA for attempt in shown.attempts)
    figures["uncertain_without_data"] = max(0, uncertain - max(0, begun - answered))
    whole = sum(entry.complete for entry in case.entries)
    figures["uncertain_whole"] = min(uncertain, max(0, whole - answered))
    figures["late"] = int(is_delivered and any(attempt.uncertain and attempt.code for attempt in shown.attempts))
    return figures


def _longest_stall(evidence: Evidence, ended_at: datetime) -> float:
    """The longest time, while the faults went on, in which no host kept anything though mail was waiting.

    Mail waits from its acceptance to its first copy, its own pauses between attempts included.
    """
    spans = sorted(_spans(evidence))
    longest = 0.0
    oldest = ended_at  # of the mail that is still to be kept
    after = ended_at
    for kept_at, created_at in reversed(spans):
        if kept_at <= ended_at:
            longest = max(longest, (after - max(kept_at, oldest)).total_seconds())
            after = kept_at
        oldest = min(oldest, created_at)
    return longest


def _spans(evidence: Evidence) -> Iterator[tuple[datetime, datetime]]:
    """When each delivered envelope was first kept, and when it was accepted."""
    for case in evidence.cases:
        kept = [entry.at for entry in case.entries if entry.kept]
        if kept and case.shown is not None and case.shown.state == "delivered":
            yield datetime.fromisoformat(min(kept)), case.shown.created_at
