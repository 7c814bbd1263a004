"""What a run came to: a table for people, one JSON object for programs, and the evidence where a promise was broken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from torture.reckoning import PROMISES, Reckoning

__all__ = ["as_json", "print_tables", "write_cases"]

FIGURES = {
    "faults": "faults",
    "accepted": "accepted envelopes",
    "delivered": "delivered",
    "bounced": "bounced",
    "lost": "lost",
    "unsettled": "neither lost nor at an end",
    "extra_copies": "extra copies",
    "owned_copies": "extra copies owned as uncertain",
    "unowned_copies": "extra copies that nothing owns up to",
    "uncertain": "uncertain attempts",
    "uncertain_whole": "uncertain attempts whose whole message reached a host",
    "uncertain_without_copy": "uncertain attempts that were no copy",
    "uncertain_without_data": "uncertain attempts where the host saw no DATA begin",
    "idle_alarms": "uncertain attempts too many for half of them to have reached a host whole",
    "late": "250s that were recorded late",
    "false_claims": "called delivered, and no host took it",
    "refused": "refused: the app was told that nothing was taken",
    "false_refusals": "refused, and sent all the same",
    "wrong_messages": "another message than was sent",
    "strays": "recipients that nobody ever wrote to",
    "false_bounces": "strangers' recipients that are there, and bounced",
    "mishaps": "processes that ended by themselves, errors that nobody expected",
    "miscounted": "counters that do not agree with the event log",
    "unsent": "committed to the outbox, and never handed over",
    "untold": "events that no webhook told",
    "unanswered": "letters that the app got no answer for",
}
LONGEST_LIST = 50


def as_json(reckoning: Reckoning, faults: Mapping[str, int], extra: Mapping[str, object]) -> dict[str, Any]:
    """The object that ends ``--json``."""
    counts = Counter(reckoning.counts)
    counts["faults"] = sum(faults.values())
    counts["owned_copies"] = counts["extra_copies"] - counts["unowned_copies"]
    figures = {name: counts[name] for name in FIGURES}
    return {
        **figures,
        "longest_stall_s": round(reckoning.longest_stall_s, 1),
        "is_kept": reckoning.is_kept,
        "faults_by_kind": dict(faults),
        **extra,
    }


def print_tables(console: Console, found: Mapping[str, Any]) -> None:
    """What was done, and what it came to."""
    done = Table("fault", "times", title="What was done")
    done.columns[1].justify = "right"
    for kind, number in sorted(found["faults_by_kind"].items()):
        done.add_row(kind, str(number))
    console.print(done)
    table = Table("", "number", "promised", title="What it came to")
    table.columns[1].justify = "right"
    for name, words in FIGURES.items():
        is_broken = name in PROMISES and found[name]
        promise = ("[red]0: BROKEN[/]" if is_broken else "0: kept") if name in PROMISES else ""
        table.add_row(words, f"{found[name]:,}", promise)
    table.add_row("longest time in which mail waited and no host got any", f"{found['longest_stall_s']:g} s", "")
    console.print(table)


def write_cases(folder: Path, reckoning: Reckoning) -> None:
    """Write down the cases that broke a promise, for whoever looks for the cause."""
    cases = {name: [case.to_dict() for case in broken[:LONGEST_LIST]] for name, broken in reckoning.broken.items()}
    (folder / "broken.json").write_text(json.dumps(cases, indent=1, default=str))
