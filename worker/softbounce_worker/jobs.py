"""The border to dramatiq: one actor that hands a lane, or several, to the engine and returns.

It blocks only while the engine is full, which is how dramatiq spreads lanes over processes and machines: a process
takes one job at a time. A process that is full, or cannot reach the store, gives the hint back to the queue, so that
no lane waits for it. A process counts as full when it has its share of the lanes with work that it can see: so all may
count as full while some lanes have nobody. Whoever gave back a few in a row knows, because others would have taken
them: while sessions are left, its share counts for nothing then.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import dramatiq
import structlog
from dramatiq.encoder import JSONEncoder
from dramatiq.errors import DecodeError

from softbounce.jobs import ACTOR, MOST_LANES, QUEUE, JobsPlace, open_jobs
from softbounce.store.keys import is_lane
from softbounce.store.nonsense import ignore
from softbounce_worker.engine import DeliveryEngine
from softbounce_worker.job_broker import JobBroker

__all__ = ["JobTaker"]

POLL_MS = 40
PATIENCE = 0.3
GIVEN_BACK = 4
IN_A_ROW = 2.0
"""Seconds from one hint to the next, at most."""
NUMBER = "redis_message_id"
"""The option by which dramatiq's store knows a job, and forgets it when it is done."""
JOB: dict[str, type] = {
    "queue_name": str,
    "actor_name": str,
    "args": list,
    "kwargs": dict,
    "options": dict,
    "message_id": str,
    "message_timestamp": int,
}
log = structlog.get_logger("softbounce.worker")


class JobEncoder(JSONEncoder):
    """Reads jobs. One that dramatiq could not hold would end its reading for three seconds: it becomes an empty one."""

    def decode(self, data: bytes) -> dict[str, Any]:
        """What a job says."""
        job: Any = None
        with suppress(DecodeError, ValueError, RecursionError):
            job = super().decode(data)
        if not isinstance(job, dict):
            job = {}
        if _is_job(job):
            return {name: job[name] for name in JOB}
        ignore("job", data)
        options = job.get("options")
        number = options.get(NUMBER) if isinstance(options, dict) else None
        empty = {
            "queue_name": QUEUE,
            "actor_name": ACTOR,
            "args": [],
            "kwargs": {},
            "message_id": "",
            "message_timestamp": 0,
        }
        return {**empty, "options": {NUMBER: number if isinstance(number, str) else ""}}


def _is_job(job: dict[str, Any]) -> bool:
    return (
        all(isinstance(job.get(name), kind) for name, kind in JOB.items())
        and job["actor_name"] == ACTOR
        and isinstance(job["options"].get(NUMBER), str)
        and "eta" not in job["options"]
    )


def _lanes_in(others: object) -> list[str]:
    """The lanes that a job names beside its first; what are none are passed over, and what is too much."""
    if not isinstance(others, list | tuple):
        ignore("job", others)
        return []
    lanes = []
    for lane in others[: MOST_LANES - 1]:
        if isinstance(lane, str) and is_lane(lane):
            lanes.append(lane)
        else:
            ignore("job", lane)
    return lanes


class JobTaker:
    """Takes jobs for one engine."""

    def __init__(self, place: JobsPlace, engine: DeliveryEngine) -> None:
        dramatiq.set_encoder(JobEncoder())
        self._engine = engine
        self._broker = JobBroker(client=open_jobs(place), namespace=place.namespace)
        dramatiq.actor(broker=self._broker, actor_name=ACTOR, queue_name=QUEUE)(self.drain)
        self._given_back = 0
        self._last_at = 0.0
        self._worker = dramatiq.Worker(self._broker, worker_threads=1, worker_timeout=POLL_MS)

    def start(self) -> None:
        """Begin to take jobs."""
        self._worker.start()

    def stop(self) -> None:
        """Take no more, and give back what was fetched. Blocks for a moment."""
        self._worker.stop(timeout=2000)
        self._broker.close()

    def send(self, lane: str, *others: str) -> None:
        """Send a job for a lane, and for others with it."""
        sent_ms = time.time_ns() // 1_000_000
        args = (lane, sent_ms, others) if others else (lane, sent_ms)
        self._broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=args, kwargs={}, options={}))

    def send_or_keep(self, lane: str) -> None:
        """Send a job for a lane; where dramatiq's store takes none, the lane is ours for now."""
        try:
            self.send(lane)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises
            log.warning("hint_lost", lane=lane, error=str(error))
            self._engine.loop.call_soon_threadsafe(self._engine.offer, lane)

    def drain(
        self, lane: object = None, sent_ms: object = None, others: object = (), *_later: object, **_more: object
    ) -> None:
        """The actor: these lanes have work. What else a newer version says in a job is passed over.

        A job that names no lane is done: whoever made it, no process has more use for it than this one.
        """
        engine = self._engine
        if not isinstance(lane, str) or not is_lane(lane):
            ignore("job", lane)
            return
        lanes = [lane, *_lanes_in(others)]
        if not self._may_take(lane):
            self._given_back += 1
            self.send(*lanes)
            time.sleep(PATIENCE)  # not until there is place: one more job may have been fetched, and waits here
            return
        log.debug("lanes_offered", lanes=lanes, sent_ms=sent_ms)
        engine.loop.call_soon_threadsafe(self._offer, lanes)

    def _offer(self, lanes: list[str]) -> None:
        """Hand lanes to the engine, in its loop's thread; it takes those that come together in one call."""
        for lane in lanes:
            self._engine.offer(lane)

    def _may_take(self, lane: str) -> bool:
        """Whether this process can do something for a lane; waits a moment for place.

        Without the store it cannot, whatever it owned: the lane may have another owner soon.
        """
        engine = self._engine
        if not engine.is_live():
            return False
        now, last_at, self._last_at = time.monotonic(), self._last_at, time.monotonic()
        if engine.place.is_set() or now - last_at > IN_A_ROW:
            self._given_back = 0
        if self._given_back >= GIVEN_BACK and engine.has_room:
            return True
        return engine.owns(lane) or engine.place.wait(PATIENCE)
