"""What safety costs: mail out without marker and journal, and mail in for each kind of durability.

    python benchmarks/safety.py [--only drain | enqueue] [--quick] [--json] [--write docs/promises.md]

Out: queued mail leaves as in the drain benchmark, by the code as shipped, without the marker before the dot, without
the journal before the commit, and without both. In: how long a ``send`` waits, and how many messages a second are
taken. All kinds take turns, round after round, so that what else the machine does meets all of them; each is compared
with its neighbour of the same round. A ratio is the median of the rounds', with the quartiles. Ends by itself, after
about four minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bursts import Burst, drainers
from enqueue import ALWAYS, CALLERS, STORES, Slice, stores
from running import percentiles
from variants import AS_SHIPPED, VARIANTS, variants

BEGIN, END = "<!-- safety: begin", "<!-- safety: end -->"
LIMIT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    :ivar part_seconds: no round of a part begins later than so long after its first.
    """

    rounds: int = 20
    part_seconds: float = 110.0
    messages: int = 2000
    slice_seconds: float = 0.25

    def numbers(self) -> Iterator[int]:
        """The number of each round, while there is time."""
        began = time.monotonic()
        for number in range(self.rounds):
            if number and time.monotonic() - began > self.part_seconds:
                return
            yield number


QUICK = Effort(rounds=1, messages=200, slice_seconds=0.1)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["drain", "enqueue"])
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works, not for figures")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page, between its marks")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(LIMIT_SECONDS)
    effort = QUICK if options.quick else Effort()
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "sync_ms": [sync_ms()]}
    if options.only in {None, "drain"}:
        figures["drain"] = measure_drain(effort)
    if options.only in {None, "enqueue"}:
        figures["enqueue"] = measure_enqueue(effort)
    figures["sync_ms"].append(sync_ms())
    if options.write:
        write(options.write, tables(figures))
    print(json.dumps(figures) if options.json else tables(figures))
    return 0


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(f"ended by {signal.Signals(number).name}")


def tell(words: str) -> None:
    """Progress."""
    print(words, file=sys.stderr, flush=True)


# -- measuring --------------------------------------------------------------------------------------------------------


def sync_ms() -> float:
    """What the disk takes to sync 2 KB, median: without it the figures of ``always`` say little.

    Asked before and after the rest, since others may use the disk too.
    """
    waits = []
    with tempfile.NamedTemporaryFile(prefix="sb-", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 2000)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(waits), 2)


def turned(names: Sequence[str], by: int) -> list[str]:
    """Another begins each round."""
    by %= len(names)
    return [*names[by:], *names[:by]]


def measure_drain(effort: Effort) -> dict[str, Any]:
    """Each variant's runs, and what they say."""
    bursts: dict[str, list[Burst]] = {name: [] for name in VARIANTS}
    with variants() as paths, drainers(paths) as services:
        for number in effort.numbers():
            for name in turned(list(VARIANTS), number):
                bursts[name].append(services[name].burst(effort.messages))
            last = ", ".join(f"{name}: {some[-1].per_second:.0f}" for name, some in bursts.items())
            tell(f"drain, round {number + 1}: messages/s {last}")
    rates = {name: [one.per_second for one in some] for name, some in bursts.items()}
    costs = {name: [one.cpu_ms for one in some] for name, some in bursts.items()}
    return {
        "messages": effort.messages,
        "rounds": len(rates[AS_SHIPPED]),
        "variants": {
            name: {
                "messages_per_second": round(statistics.median(rates[name])),
                "messages_per_second_ratio": ratio(rates[name], rates[AS_SHIPPED]),
                "cpu_ms_per_message": round(statistics.median(costs[name]), 3),
                "cpu_ratio": ratio(costs[name], costs[AS_SHIPPED]),
            }
            for name in VARIANTS
        },
    }


def measure_enqueue(effort: Effort) -> dict[str, Any]:
    """Each store's slices with each kind of callers, and what they say."""
    slices: dict[str, dict[str, list[Slice]]] = {store: {kind: [] for kind in CALLERS} for store in STORES}
    with stores() as urls:
        for number in effort.numbers():
            for kind, call in CALLERS.items():
                for store in turned(STORES, number):
                    slices[store][kind].append(call(urls[store], effort.slice_seconds))
                rates = ", ".join(f"{store}: {slices[store][kind][-1].per_second:.0f}" for store in STORES)
                tell(f"enqueue, round {number + 1}: {kind}: messages/s {rates}")
    return {
        "rounds": len(slices[ALWAYS]["1 caller"]),
        "slice_seconds": effort.slice_seconds,
        "stores": {
            store: {
                kind: {
                    **percentiles([wait for one in some for wait in one.waits]),
                    "messages_per_second": round(statistics.median(one.per_second for one in some)),
                    "messages_per_second_ratio": ratio(
                        [one.per_second for one in some], [one.per_second for one in slices[ALWAYS][kind]]
                    ),
                }
                for kind, some in kinds.items()
            }
            for store, kinds in slices.items()
        },
    }


def ratio(values: Sequence[float], bases: Sequence[float]) -> dict[str, float]:
    """Of the rounds' ratios the median and the quartiles, between which half of them are."""
    ratios = [value / base for value, base in zip(values, bases, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


# -- showing ----------------------------------------------------------------------------------------------------------


def tables(figures: dict[str, Any]) -> str:
    """The figures for people, as Markdown."""
    before, after = figures["sync_ms"]
    machine = f"A machine of {figures['cores']} cores, load {figures['load']} before the benchmark began"
    lines = [f"{machine}; its disk took {before} ms to sync 2 KB then, {after} ms at the end."]
    if drained := figures.get("drain"):
        lines += [
            "",
            f"Out: {drained['rounds']} rounds, in bursts of {drained['messages']:,} queued messages of 2 KB.",
            "",
            "| | messages a second | to as shipped | CPU a message | to as shipped |",
            "|---|---|---|---|---|",
        ]
        for name, row in drained["variants"].items():
            rate = f"{row['messages_per_second']:,} | {spread(row['messages_per_second_ratio'])}"
            cost = f"{row['cpu_ms_per_message']:.2f} ms | {spread(row['cpu_ratio'])}"
            lines.append(f"| {name} | {rate} | {cost} |")
    if enqueued := figures.get("enqueue"):
        lines += [
            "",
            f"In: {enqueued['rounds']} rounds, messages of 2 KB, {enqueued['slice_seconds']:g} s for each line.",
            "",
            "| callers | store | p50 of a call | p99 | messages a second | to `always` |",
            "|---|---|---|---|---|---|",
        ]
        for kind in CALLERS:
            for store, kinds in enqueued["stores"].items():
                row = kinds[kind]
                rate = f"{row['messages_per_second']:,} | {spread(row['messages_per_second_ratio'])}"
                lines.append(f"| {kind} | {store} | {row['p50_ms']:.2f} ms | {row['p99_ms']:.2f} ms | {rate} |")
    return "\n".join(lines)


def spread(one: dict[str, float]) -> str:
    """A ratio in words."""
    if one["low"] == one["high"]:
        return f"{one['median']:.2f}"
    return f"{one['median']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


def write(page: Path, text: str) -> None:
    """Put the tables between the marks of a page.

    :raises SystemExit: it has no marks.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no {BEGIN} ... --> and {END}")
    page.write_text(f"{before}{begin}{old.partition('-->')[0]}-->\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
