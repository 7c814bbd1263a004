"""An outage: mail comes while its host is down or sick, and waits for how long once the host is well again.

    python benchmarks/outage.py [--minutes 10 60] [--scale 20 60] [--kinds down sick] [--repeat 3] [--json]

Messages to one domain come evenly all through the outage, as they do from an app. ``down``: nobody listens; ``sick``:
every RCPT is answered by 4xx. Then the host is well. A message's wait is from that moment to its delivery; told are the
mean, the median and the longest, in the time of the outage as it is named, each the mean of the rounds, whose outages
are of several lengths: how far the next canary is then hangs on that.

All durations that decide are the built-in ones divided by ``--scale``, and so is the outage: an hour at 60 takes one
minute. What they are multiplied by again includes what the machine takes for each step: scales are to be compared with
themselves only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from drain import Sink, messages
from running import Names, Service
from softbounce_playground import Zone

from softbounce import Client
from softbounce.settings import LaneRule, Policy

CONFIG = """
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
[worker]
processes = 2
[policy.default]
window = "{window:.3f}s"
first = "{first:.3f}s"
cap = "{cap:.3f}s"
[[lane]]
site = "*"
close_first = "{close_first:.3f}s"
close_cap = "{close_cap:.3f}s"
greylist = "{greylist:.3f}s"
"""
DOMAIN = "outage.test"
SICK = ("-r", "rcpt")
WITHIN = 300.0
PHASES = 0.4
"""Outages of one kind are up to so much longer than named, each by another share."""


def config(scale: float, nameserver: str, port: int) -> str:
    """The built-in durations, so many times shorter."""
    policy, rule = Policy(name="default"), LaneRule()
    durations = {
        "window": policy.window,
        "first": policy.first,
        "cap": policy.cap,
        "close_first": rule.close_first,
        "close_cap": rule.close_cap,
        "greylist": rule.greylist,
    }
    scaled = {name: one.total_seconds() / scale for name, one in durations.items()}
    return CONFIG.format(nameserver=nameserver, port=port, **scaled)


def measure(kind: str, minutes: float, scale: float, count: int, phase: float) -> dict[str, Any]:
    """One outage.

    :param phase: by which share it is longer: when the next canary goes hangs on it.
    """
    seconds = 60 * minutes / scale * (1 + phase)
    with Sink() as first, Names({DOMAIN: Zone(mx=[(10, f"mx.{DOMAIN}")], a={f"mx.{DOMAIN}": "127.0.0.1"})}) as names:
        port = first.port
        first.stop()
        with ExitStack() as stack:
            service = stack.enter_context(Service(config(scale, names.nameserver, port)))
            stack.enter_context(service.up())
            mail = stack.enter_context(Client(service.url))
            with Sink(port=port, options=SICK) if kind == "sick" else ExitStack():
                ids = _send(mail, count, seconds)
            well_at = datetime.now(UTC)
            stack.enter_context(Sink(port=port))
            waits = sorted(scale * (ended - well_at).total_seconds() / 60 for ended in _delivered(mail, ids))
            tries = statistics.fmean(len(mail.show(one).attempts) for one in ids)
    return {
        "kind": kind,
        "minutes": minutes,
        "scale": scale,
        "messages": count,
        "mean_minutes": round(statistics.fmean(waits), 2),
        "median_minutes": round(statistics.median(waits), 2),
        "longest_minutes": round(waits[-1], 2),
        "tries": round(tries, 2),
    }


def _send(mail: Client, count: int, seconds: float) -> list[str]:
    """Send evenly in so many seconds; the ids."""
    began = time.monotonic()
    ids: list[str] = []
    for number, send in enumerate(messages(count)):
        time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
        recipient = f"u{number}@{DOMAIN}"
        send["recipients"] = [recipient]
        ids.append(mail.send(**send).envelopes[recipient])
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    return ids


def _delivered(mail: Client, ids: list[str]) -> list[datetime]:
    """When each was, once all are."""
    until = time.monotonic() + WITHIN
    while any(mail.queue().states.get(state) for state in ("scheduled", "ready", "attempting")):
        if time.monotonic() > until:
            raise SystemExit(f"not all was delivered within {timedelta(seconds=WITHIN)}")
        time.sleep(0.2)
    return [mail.show(one).attempts[-1].ended_at for one in ids]


def _mean(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them, each figure's mean."""
    return {
        name: one if isinstance(one, str) else round(statistics.fmean(each[name] for each in rounds), 2)
        for name, one in rounds[0].items()
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60], help="of the outages")
    parser.add_argument("--scale", type=float, nargs="+", default=[20, 60], help="one for each")
    parser.add_argument("--kinds", nargs="+", default=["down", "sick"], choices=["down", "sick"])
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for minutes, scale in zip(arguments.minutes, arguments.scale, strict=True):
        for kind in arguments.kinds:
            rounds = [
                measure(kind, minutes, scale, arguments.messages, PHASES * number / arguments.repeat)
                for number in range(arguments.repeat)
            ]
            rows.append(_mean(rounds))
    if arguments.json:
        print(json.dumps(rows))
        return 0
    print("outage    minutes  mean wait  median  longest  tries   (minutes)")
    for row in rows:
        print(
            f"{row['kind']:8} {row['minutes']:8.0f} {row['mean_minutes']:10.2f} {row['median_minutes']:7.2f} "
            f"{row['longest_minutes']:8.2f} {row['tries']:6.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
