"""Sends jobs: dramatiq messages that say which lanes have work. JSON, names only, no delay, no retries.

A job names one lane, so that lanes spread over processes. Where many lanes need one at the same time, as when mail goes
to thousands of new domains, jobs name several: there are enough for every process all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import JSONEncoder

from softbounce.jobs import ACTOR, MOST_LANES, NO_MAINTENANCE, QUEUE, JobsPlace, open_jobs

__all__ = ["JOB_AGE_MS", "JobSender"]

JOB_AGE_MS = 30_000
"""A job that nobody took for so long is sent again."""
MOST_JOBS = 10_000
"""That wait: a job that nobody took is sent again each half a minute, also while there is no worker for days."""
JOBS_A_TAKER = 16
"""So many jobs are sent at a time for each process before they name more than one lane."""

log = structlog.get_logger("softbounce.scheduler")


class TooManyJobs(Exception):
    """Jobs pile up; one more would say nothing new."""


class JobSender:
    """The border to dramatiq, for whoever only sends."""

    def __init__(self, place: JobsPlace) -> None:
        dramatiq.set_encoder(JSONEncoder())
        self._broker = RedisBroker(
            client=open_jobs(place), namespace=place.namespace, middleware=[], maintenance_chance=NO_MAINTENANCE
        )
        self._broker.declare_queue(QUEUE)
        self._waiting = f"{place.namespace}:{QUEUE}"
        self._jobs = f"{place.namespace}:{QUEUE}.msgs"  # dramatiq keeps a job here until it is done

    async def send(self, lanes: Sequence[str], *, takers: int = 1) -> bool:
        """Send jobs for lanes. False: dramatiq's store did not take them; find another way.

        :param takers: how many processes may take them.
        """
        if not lanes:
            return True
        try:
            await asyncio.to_thread(self._send, lanes, lanes_a_job(len(lanes), takers))
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, a hint may be lost
            log.warning("hint_lost", lanes=len(lanes), error=str(error))
            return False
        return True

    def _send(self, lanes: Sequence[str], together: int) -> None:
        if self._broker.client.llen(self._waiting) >= MOST_JOBS:
            raise TooManyJobs(f"{MOST_JOBS} jobs wait already, and no worker takes them")
        now_ms = time.time_ns() // 1_000_000
        for start in range(0, len(lanes), together):
            lane, *others = lanes[start : start + together]
            args = (lane, now_ms, others) if others else (lane, now_ms)
            self._broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=args, kwargs={}, options={}))

    async def are_gone(self) -> bool:
        """Whether dramatiq has no job at all, neither waiting nor taken: somebody may have flushed them away."""
        try:
            return not await asyncio.to_thread(self._broker.client.exists, self._jobs)
        except Exception:  # noqa: BLE001 - as above; the next job that cannot be sent says so
            return False

    def close(self) -> None:
        """Close the connection to the broker."""
        self._broker.close()


def lanes_a_job(lanes: int, takers: int) -> int:
    """How many lanes a job names: one, while that makes no more jobs than each process should have in hand."""
    return min(MOST_LANES, max(1, -(-lanes // (JOBS_A_TAKER * max(1, takers)))))
