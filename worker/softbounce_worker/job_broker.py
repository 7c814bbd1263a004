"""dramatiq's broker, asked gently: looking for a job writes nothing as long as there is none.

dramatiq's own fetch notes with each look that this process is alive. Workers look every few hundredths of a second, so
that a job finds them soon; on a store that syncs each write to its disk that was a hundred syncs a second for nothing.
"""

from __future__ import annotations

import time
from typing import Any

from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name

__all__ = ["JobBroker"]

ALIVE_EVERY = 5.0
"""Seconds; who was not heard of for a minute is dead to dramatiq, and what it had fetched goes back."""
MAINTENANCE = 20_000
"""Of a million commands, so many look for what the dead had fetched: with those few, about one a minute."""


class JobBroker(RedisBroker):
    """Fetches where there is something to fetch, and else as often as others have to hear that we are alive.

    :param alive_every: seconds.
    """

    def __init__(self, *, alive_every: float = ALIVE_EVERY, **told: Any) -> None:  # noqa: ANN401 - what dramatiq's takes
        super().__init__(maintenance_chance=MAINTENANCE, **told)  # type: ignore[no-untyped-call]
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
        fetched: list[bytes] = self._dispatch("fetch")(queue, most)  # type: ignore[no-untyped-call]
        return fetched
