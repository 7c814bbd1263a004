"""One worker process, as all its parts know it: its name, its store, what binds now, and whether it may begin anything.

Holds no parts and decides nothing: whoever composes it says when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping

import structlog

from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record
from softbounce.gate import GateRules
from softbounce.return_path import ReturnKeys, date_of_path, make_return_path
from softbounce.settings import BUILT_IN, Settings
from softbounce.standing import NO_HOLDS, StandingHolds
from softbounce.store import keys
from softbounce.store.held_streams import StreamHold
from softbounce.store.shards import AsyncShards
from softbounce_worker.clock import StoreClock

__all__ = ["WorkerProcess"]

ENDS_WITHIN = 2.0
log = structlog.get_logger("softbounce.worker")


class WorkerProcess:
    """The process itself. Made in its loop.

    :ivar name: the name under which it claims.
    :ivar settings: the published ones that bind from the next decision on.
    :ivar holds: the streams that are held as a whole.
    :ivar standing: the holds of other things that stand.
    :ivar own_gate: the staging gate of this process's own file, or the latest that was published while it lives.
    :ivar return_keys: what signs return paths; there whenever the settings have some mail come back to us.
    :ivar is_ending: it takes nothing more, and finishes what it has.
    :ivar is_lost: the store does not list it any more, in some shard or in all: it ends, and begins nothing.
    :ivar lost: called once when that turns out.
    """

    def __init__(
        self, name: str, store: AsyncShards, shards: int, clock: StoreClock, *, own_gate: GateRules | None = None
    ) -> None:
        self.name = name
        self.store = store
        self.shards = shards
        self.clock = clock
        self.settings: Settings = BUILT_IN
        self.holds: Mapping[str, StreamHold] = {}
        self.standing: StandingHolds = NO_HOLDS
        self.own_gate = own_gate
        self.return_keys: ReturnKeys | None = None
        self.loop = asyncio.get_running_loop()
        self.is_ending = False
        self.is_lost = False
        self.lost: Callable[[], object] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def begins_nothing(self) -> bool:
        """Whether it takes nothing more, for either reason."""
        return self.is_ending or self.is_lost

    @property
    def gate(self) -> GateRules | None:
        """Whom mail may go to: as it is published, else as our own file says, or as was published before.

        A store that was copied from production has settings in it that know no gate: they do not open ours.
        """
        return self.settings.gate or self.own_gate

    def tell_of_gate(self) -> None:
        """Say whether there is a staging gate, loudly: where it is meant, and where it is not, somebody must know."""
        if self.gate is None:
            log.info("staging_gate_open")
        else:
            log.warning("staging_gate_closed", allow=self.gate.in_words, others=self.gate.others_in_words)

    def weight_of(self, stream: str) -> float:
        """How much of a lane a stream may have, as weighed against others."""
        return self.settings.weight_of(stream)

    def return_path_of(self, record: Record) -> str:
        """The address that an envelope leaves from, and comes back to."""
        envelope = record.envelope
        domain = self.settings.return_domain_of(sender=envelope.sender, stream=record.stream)
        if not domain or self.return_keys is None:
            return envelope.sender
        now = from_epoch_ms(self.clock.now_ms(keys.HOME))
        day = date_of_path(from_epoch_ms(max(record.created_ms, envelope.at_ms or 0)), now)
        return f"{make_return_path(record.id, envelope.recipient, self.return_keys.current, day)}@{domain}"

    def lose_lease(self) -> None:
        """The store does not list this process any more, if only in one shard: it goes on under a new name."""
        if not self.is_lost:
            self.is_lost = True
            log.error("lease_lost", process=self.name)
            self.lost()

    def spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run something beside."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait_for_spawned(self) -> None:
        """Wait a moment for what still runs beside."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=ENDS_WITHIN)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", exc_info=error)
