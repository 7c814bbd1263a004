"""Sends jobs: one dramatiq message a lane, saying that it has work. JSON, names only, no delay, no retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import JSONEncoder

from softbounce.jobs import ACTOR, DEAD_JOBS_MS, QUEUE, JobsPlace, open_jobs

__all__ = ["JOB_AGE_MS", "JobSender"]

JOB_AGE_MS = 30_000
"""A job that nobody took for so long is sent again."""
MOST_JOBS = 10_000
"""That wait: a job that nobody took is sent again each half a minute, also while there is no worker for days."""

log = structlog.get_logger("softbounce.scheduler")


class TooManyJobs(Exception):
    """Jobs pile up; one more would say nothing new."""


class JobSender:
    """The border to dramatiq, for whoever only sends."""

    def __init__(self, place: JobsPlace) -> None:
        dramatiq.set_encoder(JSONEncoder())
        self._broker = RedisBroker(
            client=open_jobs(place), namespace=place.namespace, middleware=[], dead_message_ttl=DEAD_JOBS_MS
        )
        self._broker.declare_queue(QUEUE)
        self._waiting = f"{place.namespace}:{QUEUE}"
        self._jobs = f"{place.namespace}:{QUEUE}.msgs"  # dramatiq keeps a job here until it is done

    async def send(self, lanes: Sequence[str]) -> bool:
        """Send a job for each lane. False: dramatiq's store did not take them; find another way."""
        if not lanes:
            return True
        try:
            await asyncio.to_thread(self._send, lanes)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, a hint may be lost
            log.warning("hint_lost", lanes=len(lanes), error=str(error))
            return False
        return True

    def _send(self, lanes: Sequence[str]) -> None:
        if self._broker.client.llen(self._waiting) >= MOST_JOBS:
            raise TooManyJobs(f"{MOST_JOBS} jobs wait already, and no worker takes them")
        now_ms = time.time_ns() // 1_000_000
        for lane in lanes:
            self._broker.enqueue(
                dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=(lane, now_ms), kwargs={}, options={})
            )

    async def are_gone(self) -> bool:
        """Whether dramatiq has no job at all, neither waiting nor taken: somebody may have flushed them away."""
        try:
            return not await asyncio.to_thread(self._broker.client.exists, self._jobs)
        except Exception:  # noqa: BLE001 - as above; the next job that cannot be sent says so
            return False

    def close(self) -> None:
        """Close the connection to the broker."""
        self._broker.close()
