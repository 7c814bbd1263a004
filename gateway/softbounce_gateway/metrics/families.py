"""The metrics themselves: names, labels, and what each means, made of one reading.

Names and labels are public. Labels are words of closed sets; of what the store has beside these nothing is shown. A
counter whose labels are few stands at 0 from the beginning, so that its first step is seen as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from softbounce.counting import (
    ACCEPTED,
    ATTEMPTS,
    COUNTERS,
    DELIVERY,
    DELIVERY_SECONDS,
    ENDED,
    ENDS,
    SMTP,
    SMTP_SECONDS,
    UNCERTAIN,
    WAYS,
    field_of,
    slots,
)
from softbounce.envelope import State
from softbounce.stage import Stage
from softbounce.store.health import CHECKS, Checkup
from softbounce.store.metrics import Heads, Presence

__all__ = ["Reading", "families", "registry"]

LIVE = tuple(state for state in State if not state.is_final)
UNKNOWN, OTHER = "unknown", "other"
HEALTH_STATES = ("fail", "warn", UNKNOWN)
DAY_MS = 24 * 3_600_000
ALL_ATTEMPTS = tuple(name for name in COUNTERS if name.startswith(f"{ATTEMPTS}|"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of a store; without a presence it was away."""

    counters: Mapping[str, int] = field(default_factory=dict)
    presence: Presence | None = None
    heads: Heads | None = None
    webhook_lags: Mapping[str, float] = field(default_factory=dict)
    untold: Mapping[str, int] = field(default_factory=dict)
    checkups: Collection[Checkup] = ()


def families(reading: Reading) -> Iterator[Metric]:
    """All metrics of a reading."""
    told = "Whether the store answers: 1, or 0. Of a store that does not, nothing else is shown."
    yield _gauge("store_up", told, {(): reading.presence is not None})
    if reading.presence is None or reading.heads is None:
        return
    yield from _counters(reading.counters)
    yield from _histograms(reading.counters)
    yield from _queues(reading.heads, reading.presence.now_ms)
    yield from _parts(reading.presence, reading.heads)
    lags = {(endpoint,): seconds for endpoint, seconds in reading.webhook_lags.items()}
    yield _gauge("webhook_lag_seconds", "Age of the oldest event that a webhook was not told.", lags, "endpoint")
    untold = {(alert,): number for alert, number in reading.untold.items()}
    yield _gauge("alerts_untold", "Alerts in a row that reached nobody; 0: the last one did.", untold, "alert")
    yield from _health(reading.checkups, reading.presence.now_ms)


def _counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    taken = {(way,): counters.get(field_of(ACCEPTED, way), 0) for way in WAYS}
    yield _counter("accepted", "Envelopes that were taken, by how they came in.", taken, "way")
    tried = {tuple(name.split("|")[1:]): counters[name] for name in ALL_ATTEMPTS if name in counters}
    yield _counter("attempts", "Attempts, uncharged ones too.", tried, "verdict", "stage", "reason")
    ended = {(kind, cause): counters.get(field_of(ENDED, kind, cause), 0) for kind, cause in ENDS}
    yield _counter("ended", "Envelopes that ended, by the event that tells of it.", ended, "end", "cause")
    unanswered = {(): counters.get(UNCERTAIN, 0)}
    yield _counter("uncertain", "Attempts that ended unanswered after the final dot may have left.", unanswered)


def _histograms(counters: Mapping[str, int]) -> Iterator[Metric]:
    told = "From when an envelope could begin (accepted, or its `at`) to its delivery."
    delivery = HistogramMetricFamily("softbounce_delivery_seconds", told)
    delivery.add_metric([], *_buckets(counters, (DELIVERY,), DELIVERY_SECONDS))
    yield delivery
    told = "From what was said to a host last until it has answered, or did not in time."
    smtp = HistogramMetricFamily("softbounce_smtp_seconds", told, labels=["stage"])
    for stage in Stage:
        if stage is not Stage.ROUTE:  # that asks no host
            smtp.add_metric([str(stage)], *_buckets(counters, (SMTP, str(stage)), SMTP_SECONDS))
    yield smtp


def _buckets(
    counters: Mapping[str, int], prefix: tuple[str, ...], bounds: tuple[float, ...]
) -> tuple[list[tuple[str, float]], float]:
    """The buckets, each with all below it, and the sum in seconds."""
    *names, total = slots(bounds)
    numbers = accumulate(counters.get(field_of(*prefix, name), 0) for name in names)
    bucket_bounds = (*(repr(float(bound)) for bound in bounds), "+Inf")
    return list(zip(bucket_bounds, numbers, strict=True)), counters.get(field_of(*prefix, total), 0) / 1000


def _queues(heads: Heads, now_ms: int) -> Iterator[Metric]:
    def age(since_ms: int | None) -> float:
        return 0.0 if since_ms is None else max(0, now_ms - since_ms) / 1000

    there = {(state.word,): number for state, number in heads.envelopes.items()}
    yield _gauge("envelopes", "Envelopes that the store has. What ended is kept for a while.", there, "state")
    due = {(): age(heads.oldest_due_ms)}
    yield _gauge("oldest_due_seconds", "For how long the scheduler has not released what is due.", due)
    oldest = {(state.word,): age(heads.oldest_ms.get(state)) for state in LIVE}
    yield _gauge("oldest_accepted_seconds", "Age of the oldest envelope, as a walk saw it last.", oldest, "state")
    owned, closed, probing = heads.lanes
    lanes = {("open",): max(0, owned - closed - probing), ("closed",): closed, ("probing",): probing}
    told = "Lanes that workers have and that are open; closed ones; those that are being asked again."
    yield _gauge("lanes", told, lanes, "state")


def _parts(presence: Presence, heads: Heads) -> Iterator[Metric]:
    sessions = sum(presence.sessions.get(name, 0) for name in presence.workers)
    yield _gauge("sessions", "Open sessions with mail hosts.", {(): sessions})
    roles = {("worker",): len(presence.workers), ("scheduler",): presence.schedulers}
    yield _gauge("processes", "Processes that are at work.", roles, "role")
    alarms = {
        ("stream_held",): presence.held_streams,
        ("envelope_unreadable",): heads.unreadable,
        ("store_restored",): int(presence.is_restored),
    }
    yield _gauge("alarms", "What waits for a person: how many of each kind.", alarms, "kind")


def _health(checkups: Collection[Checkup], now_ms: int) -> Iterator[Metric]:
    """Of machines that were looked at within a day. What only another version looks at is called *other*."""
    looked = [one for one in checkups if one.at_ms]
    if not looked:
        return
    counts: Counter[tuple[str, str]] = Counter()
    for finding in (one for checkup in looked if now_ms - checkup.at_ms < DAY_MS for one in checkup.findings):
        check = finding.check if finding.check in CHECKS else OTHER
        counts[check, finding.known] += 1
        counts[check, UNKNOWN] += finding.state == UNKNOWN
    things = {(check, state): counts[check, state] for check in (*CHECKS, OTHER) for state in HEALTH_STATES}
    told = "Things that are known to be so, on all machines; unknown: that could not be looked at last time."
    yield _gauge("health", told, things, "check", "state")
    age = max(0, now_ms - max(one.at_ms for one in looked)) / 1000
    yield _gauge("health_looked_seconds", "How long ago anybody looked last.", {(): age})


Samples = Mapping[Any, float]
"""Values by the labels' values, which are a tuple of strings."""


def _counter(name: str, told: str, samples: Samples, *labels: str) -> Metric:
    metric = CounterMetricFamily(f"softbounce_{name}", told, labels=labels)
    for values, value in samples.items():
        metric.add_metric(values, value)
    return metric


def _gauge(name: str, told: str, samples: Samples, *labels: str) -> Metric:
    metric = GaugeMetricFamily(f"softbounce_{name}", told, labels=labels)
    for values, value in samples.items():
        metric.add_metric(values, value)
    return metric


class _Reader(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterable[Metric]:
        return families(self._reading)


def registry(reading: Reading) -> CollectorRegistry:
    """What the encoders of the library take."""
    made = CollectorRegistry()
    made.register(_Reader(reading))
    return made
