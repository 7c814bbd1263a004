"""What an operator is told once all mail of a restored store is held: its age, what may be duplicated, what to do.

Counted from what is held in the store, so that it is the same after a run that was killed and repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from softbounce.client.selection import site_of_lane
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms, in_words
from softbounce.envelope import Record, State
from softbounce.store import reading
from softbounce.store.shards import AsyncShards

__all__ = ["Report", "make_report"]

STEP = 500
TOP = 10
MAY_DUPLICATE, RESTORED = "may_duplicate", "restored"


@dataclass(slots=True, kw_only=True)
class Report:
    """What is held, and why.

    :ivar until_ms: where the store's history ends.
    :ivar now_ms: the store's now.
    :ivar held_for: held envelopes by why they are held; those that operators and policies held before among them.
    :ivar uncertain: of those that may be duplicated: their last attempt ended while the dot may have left, unanswered.
    :ivar since_ms: since when the last of those held because of the restore is held: where the history ends.
    :ivar streams: those that may be duplicated, by stream.
    :ivar sites: the same by site, or by domain where the site is not known.
    """

    until_ms: int
    now_ms: int
    held_for: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    since_ms: int = 0
    streams: Counter[str] = field(default_factory=Counter)
    sites: Counter[str] = field(default_factory=Counter)

    @property
    def held(self) -> int:
        """How many are held because of the restore."""
        return self.held_for[MAY_DUPLICATE] + self.held_for[RESTORED]

    @property
    def held_before(self) -> dict[str, int]:
        """Those that were held anyway."""
        return {why: number for why, number in self.held_for.items() if why not in {MAY_DUPLICATE, RESTORED}}

    def add(self, record: Record) -> None:
        """Count a held envelope."""
        why = record.envelope.held_why or "operator"
        self.held_for[why] += 1
        if why in {MAY_DUPLICATE, RESTORED}:
            self.since_ms = max(self.since_ms, record.envelope.held_since_ms or 0)
        if why != MAY_DUPLICATE:
            return
        attempts = record.envelope.attempts
        self.uncertain += bool(attempts and attempts[-1].uncertain and attempts[-1].verdict is None)
        self.streams[record.stream] += 1
        self.sites[site_of_lane(record.lane) or record.envelope.domain] += 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "report": "hold_all",
            "store_knows_until": rfc3339(from_epoch_ms(self.until_ms)),
            "at": rfc3339(from_epoch_ms(self.now_ms)),
            "age_seconds": max(0, self.now_ms - self.until_ms) / 1000,
            "held": self.held,
            "may_duplicate": {
                "count": self.held_for[MAY_DUPLICATE],
                "uncertain": self.uncertain,
                "streams": dict(self.streams.most_common()),
                "sites": dict(self.sites.most_common(TOP)),
            },
            "restored": self.held_for[RESTORED],
            "held_before": self.held_before,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        end = from_epoch_ms(self.until_ms)
        age = in_words(from_epoch_ms(max(self.now_ms, self.until_ms)) - end)
        yield f"This store knows of nothing after {end:%Y-%m-%d %H:%M:%S} UTC: it is {age} old."
        yield f"All its mail is held: {_many(self.held)}."
        yield f"  {self.held_for[MAY_DUPLICATE]:>8,}  may have been delivered since (held for may_duplicate)"
        if self.uncertain:
            yield f"  {'':>8}  of these, {self.uncertain:,} ended unanswered after their last dot may have left"
        yield f"  {self.held_for[RESTORED]:>8,}  were not due since: not sent, unless somebody hurried them (restored)"
        for why, number in self.held_before.items():
            yield f"  {number:>8,}  were held already ({why}): released since, they may have been delivered"
        if self.streams:
            yield f"What may be duplicated, by stream: {_top(self.streams)}"
            yield f"                      and by site: {_top(self.sites)}"
        yield f"Mail accepted after {end:%H:%M:%S} UTC is not in this store. Have the apps send it again, with the same"
        yield "idempotency keys: what is here keeps its ids, and nothing that is sent with its key goes twice."
        yield "Results in the workers' journals still count: what they know as delivered becomes delivered."
        yield "Now:"
        for command, does in (
            ("softbounce queue --held-for may_duplicate --list", "look at them; compare with the hosts' logs"),
            ("softbounce release --held-for restored", "send these when they are due"),
            (
                "softbounce release --held-for may_duplicate",
                "send these, perhaps a second time (--stream, --domain ...)",
            ),
            ("softbounce cancel --held-for may_duplicate", "or give them up, perhaps undelivered"),
        ):
            yield f"  {command:<50}  {does}"


async def make_report(store: AsyncShards, shards: int, until_ms: int) -> Report:
    """Count what is held."""
    report = Report(until_ms=until_ms, now_ms=until_ms)
    for shard in range(shards):
        cursor = "0"
        while True:
            told, entries, cursor = await store.run(reading.walk_held(shard, cursor, STEP))
            report.now_ms = told.now_ms
            for _, record in entries:
                if isinstance(record, Record) and record.state is State.HELD:
                    report.add(record)
            if cursor == "0":
                break
    return report


def _many(number: int) -> str:
    return f"{number:,} envelope{'' if number == 1 else 's'}"


def _top(counts: Counter[str]) -> str:
    named = [f"{name or '(none)'} {number:,}" for name, number in counts.most_common(TOP)]
    others = len(counts) - TOP
    return ", ".join([*named, *([f"{others:,} more"] if others > 0 else [])])
