"""Much mail over many domains: each worker does its part, and no lane more than it may."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from checks import Checks
from deployment import Delivery, Deployment, until

__all__ = ["WORKERS", "check_deliveries", "spread"]

WORKERS = 3
CONNECTIONS = 2
LEAST_SHARE = 0.15
TRANSACTION = timedelta(seconds=1.4)
"""A little less than a message takes: three replies of 500 ms each (RCPT, DATA, the final dot)."""


def spread(checks: Checks, deployment: Deployment) -> None:
    """Three thousand messages over thirty domains, by three workers."""
    messages, domains = 3000, 30
    began = time.monotonic()
    taken = deployment.send("spread", messages, domains)
    checks.check(f"{messages} messages over {domains} domains are accepted", holds=taken == messages, found=taken)
    checks.note("hosts take 500 ms for each reply, and a lane has 2 connections")
    until(lambda: deployment.states()["delivered"] >= messages, 600)
    seconds = time.monotonic() - began
    found = deployment.deliveries("spread")
    check_deliveries(checks, found, messages, f"all are delivered, once each, within {seconds:.0f} s")
    workers = deployment.addresses("worker")
    by_worker = Counter(workers.get(one.peer, one.peer) for one in found)
    shares = sorted(by_worker[worker] / messages for worker in {*workers.values(), *by_worker})
    checks.check(
        f"each of {WORKERS} workers, told apart by its address, took {LEAST_SHARE:.0%} or more",
        holds=len(shares) == WORKERS and shares[0] >= LEAST_SHARE,
        found=", ".join(f"{share:.1%}" for share in shares),
    )
    most = most_at_once(found)
    checks.check(f"no lane had more than {CONNECTIONS} transactions at a time", holds=most <= CONNECTIONS, found=most)


def check_deliveries(
    checks: Checks, found: Sequence[Delivery], messages: int, what: str, *, most_twice: int = 0
) -> None:
    """Check that each recipient of a batch is in the ledger.

    :param most_twice: how many may be there again: those whose final dot was sent when a worker was killed.
    """
    times = Counter(one.recipient for one in found)
    twice = sum(times.values()) - len(times)
    checks.check(
        what,
        holds=len(times) == messages and twice <= most_twice,
        found=f"{len(times)} of {messages} delivered, {twice} twice",
    )


def most_at_once(found: Sequence[Delivery]) -> int:
    """The most transactions that a domain had under way at one time, by when they ended and how long each takes."""
    most = 0
    for domain in {one.domain for one in found}:
        ends = sorted(datetime.fromisoformat(one.at) for one in found if one.domain == domain)
        first = 0
        for number, end in enumerate(ends):
            while end - ends[first] >= TRANSACTION:
                first += 1
            most = max(most, number - first + 1)
    return most
