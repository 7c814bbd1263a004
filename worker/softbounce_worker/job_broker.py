"""dramatiq's broker, asked gently.

Looking for a job writes nothing as long as there is none. dramatiq's own fetch notes with each look that this process
is alive. Workers look every few hundredths of a second, so that a job finds them soon; on a store that syncs each write
to its disk that was a hundred syncs a second for nothing.

And the dead are forgotten here, by the keys that they can have. dramatiq's own maintenance looks for those with KEYS,
which goes through the whole database, the mail's where jobs lie beside it, and which many users may not say. It also
gives back the jobs that the dead had fetched; but a job is a hint, and by then the scheduler has sent another.
"""

from __future__ import annotations

import time
from typing import Any

from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name

from softbounce.jobs import NO_MAINTENANCE, QUEUE

__all__ = ["JobBroker"]

ALIVE_EVERY = 5.0
"""Seconds; who was not heard of for a minute is dead to dramatiq."""
AT_ONCE = 16
"""So many of the dead, and of what each left, are looked at each time."""
FAILED_FOR_MS = 3_600_000
"""How long what could not be run is kept. A job is a hint: nobody asks for it again."""
QUEUES = (QUEUE, dq_name(QUEUE))


class JobBroker(RedisBroker):
    """Fetches where there is something to fetch, and else as often as others have to hear that we are alive.

    :param alive_every: seconds.
    """

    def __init__(self, *, alive_every: float = ALIVE_EVERY, **told: Any) -> None:  # noqa: ANN401 - what dramatiq's takes
        super().__init__(middleware=[], maintenance_chance=NO_MAINTENANCE, **told)  # type: ignore[no-untyped-call]
        self._alive_every = alive_every
        self._fetched_at: dict[str, float] = {}

    def do_fetch(self, queue: str, most: int) -> list[bytes]:
        """The jobs that are taken out of a queue now.

        :raises redis.exceptions.RedisError: the server cannot be asked.
        """
        now = time.monotonic()
        fetched_at = self._fetched_at.get(queue)
        is_due = fetched_at is None or now >= fetched_at + self._alive_every
        # Nobody sends us jobs for later.
        if not is_due and (queue == dq_name(queue) or not self.client.exists(f"{self.namespace}:{queue}")):
            return []
        self._fetched_at[queue] = now
        if is_due:
            self._forget_the_dead()
        fetched: list[bytes] = self._dispatch("fetch")(queue, most)  # type: ignore[no-untyped-call]
        return fetched

    def _forget_the_dead(self) -> None:
        """Remove what dead processes left, and jobs that no process could make anything of long ago.

        Each step may be the last: what is left is looked at again.
        """
        now_ms = time.time_ns() // 1_000_000
        lives = f"{self.namespace}:__heartbeats__"
        client: Any = self.client
        ask = client.zrangebyscore
        for dead in ask(lives, 0, now_ms - self.heartbeat_timeout, start=0, num=AT_ONCE):
            if not any(self._forget_jobs(dead.decode(errors="replace"), queue) for queue in QUEUES):
                client.zrem(lives, dead)
        failed = f"{self.namespace}:{QUEUE}.XQ"
        if old := ask(failed, 0, now_ms - FAILED_FOR_MS, start=0, num=AT_ONCE):
            client.hdel(f"{failed}.msgs", *old)
            client.zrem(failed, *old)

    def _forget_jobs(self, dead: str, queue: str) -> bool:
        """Remove some of the jobs that a dead process had fetched; whether there were any."""
        client: Any = self.client
        taken = f"{self.namespace}:__acks__.{dead}.{queue}"
        if jobs := client.srandmember(taken, AT_ONCE):
            client.hdel(f"{self.namespace}:{queue}.msgs", *jobs)
            client.srem(taken, *jobs)
        return bool(jobs)
