"""The border to dramatiq: one actor that hands a lane to the engine and returns.

It blocks only while the engine is full, which is how dramatiq spreads lanes over processes and machines: a process
takes one job at a time. A process that is full, or cannot reach the store, gives the hint back to the queue, so that
no lane waits for it. A process counts as full when it has its share of the lanes with work that it can see: so all may
count as full while some lanes have nobody. Whoever gave back a few in a row knows, because others would have taken
them: while sessions are left, its share counts for nothing then.
"""

from __future__ import annotations

import time

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import JSONEncoder

from softbounce.jobs import ACTOR, DEAD_JOBS_MS, QUEUE, JobsPlace, open_jobs

from .engine import DeliveryEngine

__all__ = ["JobTaker"]

POLL_MS = 40
PATIENCE = 0.3
GIVEN_BACK = 4
IN_A_ROW = 2.0
"""Seconds from one hint to the next, at most."""
log = structlog.get_logger("softbounce.worker")


class JobTaker:
    """Takes jobs for one engine."""

    def __init__(self, place: JobsPlace, engine: DeliveryEngine) -> None:
        dramatiq.set_encoder(JSONEncoder())
        self._engine = engine
        self._broker = RedisBroker(
            client=open_jobs(place), namespace=place.namespace, middleware=[], dead_message_ttl=DEAD_JOBS_MS
        )
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

    def send(self, lane: str) -> None:
        """Send a job for a lane."""
        self._broker.enqueue(
            dramatiq.Message(
                queue_name=QUEUE, actor_name=ACTOR, args=(lane, time.time_ns() // 1_000_000), kwargs={}, options={}
            )
        )

    def send_or_keep(self, lane: str) -> None:
        """Send a job for a lane; where dramatiq's store takes none, the lane is ours for now."""
        try:
            self.send(lane)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises
            log.warning("hint_lost", lane=lane, error=str(error))
            self._engine.loop.call_soon_threadsafe(self._engine.offer, lane)

    def drain(self, lane: str, sent_ms: int, *_later: object) -> None:
        """The actor: this lane has work. What else a newer version says in a job is passed over."""
        engine = self._engine
        if not self._may_take(lane):
            self._given_back += 1
            self.send(lane)
            time.sleep(PATIENCE)  # not until there is place: one more job may have been fetched, and waits here
            return
        log.debug("lane_offered", lane=lane, sent_ms=sent_ms)
        engine.loop.call_soon_threadsafe(engine.offer, lane)

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
