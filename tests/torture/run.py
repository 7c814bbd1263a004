"""One run from start to end: start, faults, settling, reckoning; and nothing left behind, however it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from clusters import Watched
from servers import valkey_binary

from softbounce import Client, StoreError
from torture.evidence import Evidence, Watch, gather
from torture.faults import Faults
from torture.house import House
from torture.reckoning import reckon
from torture.report import as_json, write_cases
from torture.schedule import BY_OTHER_WAYS, ONE_SERVER, WATCHED, Fault, Kind, schedule
from torture.telling import Telling

__all__ = ["Options", "State", "torture"]

SAMPLE_AFTER = 15.0
LONG_RUN = 240.0
LIVE = ("scheduled", "ready", "attempting", "held")
LETTERS_UNBOUNDED = 10_000_000  # as far as the numbers of a way go
DOWN_AFTER_MS = 3000
"""What docs/operations.md advises."""
ENVELOPES_PER_LETTER = 1 + 2 / 12
CLOCKS = (Kind.STEP_STORE_CLOCK, Kind.STEP_WORKER_CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is asked for.

    :ivar envelopes: about so many in all; 0: by the rate alone.
    :ivar rate: envelopes a second.
    :ivar settle: how long everything may take to come to its end, once the faults are over.
    :ivar kinds: which faults; empty: all.
    :ivar ways: the ways in that mail comes by; with more than the library webhooks are told too.
    :ivar is_watched: the store is a primary with replicas that sentinels watch.
    """

    minutes: float
    seed: int
    envelopes: int
    rate: float
    faults_per_minute: float
    settle: float
    kinds: tuple[Kind, ...]
    ways: tuple[str, ...]
    is_watched: bool
    keep: bool


@dataclass(slots=True)
class State:
    """How far a run is, for whoever shows it."""

    phase: str = "starting"
    elapsed: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    delivered: int = 0
    waiting: int = 0
    last_fault: str = ""


async def torture(options: Options, show: Callable[[State], object]) -> dict[str, Any]:
    """Run it; what it came to, as the JSON object has it.

    :param show: told about every half second how far it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="sb-torture-", dir="/tmp"))  # a short path: sockets need that
    rate = options.envelopes / (options.minutes * 60) if options.envelopes else options.rate
    letters = round(options.envelopes / ENVELOPES_PER_LETTER) if options.envelopes else LETTERS_UNBOUNDED
    with ExitStack() as servers:
        watched = servers.enter_context(Watched(valkey_binary(), DOWN_AFTER_MS)) if options.is_watched else None
        house = House(
            folder, options.seed, rate / ENVELOPES_PER_LETTER * 1.1, letters, ways=options.ways, watched=watched
        )
        return await _torture(house, options, show)


async def _torture(house: House, options: Options, show: Callable[[State], object]) -> dict[str, Any]:
    folder = house.folder
    run = _Run(options, house, show)
    is_wanted = options.keep
    try:
        found = await run.go()
        is_wanted = is_wanted or not found["is_kept"]
    except Exception as error:
        is_wanted = True
        error.add_note(f"the evidence is in {folder}")
        raise
    finally:
        await house.clear()
        if is_wanted:
            _save(house)
        house.unmount()
        if not is_wanted:
            shutil.rmtree(folder, ignore_errors=True)
    found["evidence"] = str(folder) if is_wanted else None
    return found


def _save(house: House) -> None:
    """Take the evidence off the volumes, and out of the servers' folders, that are about to vanish."""
    if house.watched is not None:
        for log in house.watched.folder.glob("*/log"):
            shutil.copy(log, house.folder / f"server-{log.parent.name}.log")
    for name, volume in house.volumes.items():
        with suppress(OSError, shutil.Error):
            volume.empty()
            shutil.copytree(volume.folder, house.folder / f"{name}-saved", dirs_exist_ok=True)


class _Run:
    def __init__(self, options: Options, house: House, show: Callable[[State], object]) -> None:
        self._options = options
        self._house = house
        self._state = State()
        self._show = show
        self._skipped: list[str] = []
        self._began = time.monotonic()
        self._quarantined = 0
        self._log = (house.folder / "faults.jsonl").open("a", buffering=1)
        self._watch = Watch(house.app_logs.values(), house.ledger)

    async def go(self) -> dict[str, Any]:
        """Everything."""
        house, state = self._house, self._state
        telling = asyncio.create_task(self._tell())
        try:
            await house.start()
            faults = self._plan()
            state.phase = "faults"
            await self._inflict(faults)
            ended_at = datetime.now(UTC)
            state.phase = "settling"
            house.heal()
            if not await house.end_apps():
                self._skipped.append("an app got no answers in time once the faults were over")
            settled = await self._settle()
            telling_of = Telling(house.store_url, house.told_log)
            untold = await telling_of.ended(self._options.settle) if house.has_gateway else 0
            state.phase = "reckoning"
            for name in ("relay", "gateway", "receiver"):
                await house.end_part(name)
            await house.end_part("a")
            await house.end_part("b")
            await house.end_part("scheduler")
            await house.end_part("hosts")
            evidence = await asyncio.to_thread(self._gather)
            await house.end_part("store")
        finally:
            telling.cancel()
            self._log.close()
        reckoning = reckon(evidence, ended_at, untold=untold)
        write_cases(house.folder, reckoning)
        extra = {
            "seed": self._options.seed,
            "minutes": self._options.minutes,
            "settled_after_s": settled,
            "quarantined": self._quarantined,
            "skipped": self._skipped,
            "mishaps_by_kind": dict(evidence.mishaps),
            "miscounted_as": list(evidence.miscounted),
            "restarts": {name: part.restarts for name, part in house.parts.items() if part.restarts},
        }
        return as_json(reckoning, state.faults, extra)

    def _plan(self) -> list[Fault]:
        impossible = ONE_SERVER if self._options.is_watched else WATCHED
        impossible |= frozenset() if self._house.has_gateway else BY_OTHER_WAYS
        kinds = [kind for kind in self._options.kinds or Kind if kind not in impossible]
        for kind, volume in ((Kind.FULL_WORKER_DISK, "b"), (Kind.FULL_STORE_DISK, "store")):
            if kind in kinds and volume not in self._house.volumes:
                kinds.remove(kind)
                self._skipped.append(f"{kind}: no file system of its own could be mounted (that needs root)")
        if not self._house.clocks:
            kinds = [kind for kind in kinds if kind not in CLOCKS]
            self._skipped.append("clock steps: they need a C compiler")
        seconds = self._options.minutes * 60
        if seconds < LONG_RUN and not self._options.kinds:
            kinds = [kind for kind in kinds if kind is not Kind.PAUSE_LONG]
        return schedule(self._options.seed, seconds, self._options.faults_per_minute, kinds)

    async def _inflict(self, planned: list[Fault]) -> None:
        """Each at its time; one that lasts stands beside those that follow."""
        faults = Faults(self._house)
        self._began = time.monotonic()
        end = self._began + self._options.minutes * 60
        doing: set[asyncio.Task[None]] = set()
        for fault in planned:
            await asyncio.sleep(max(0.0, self._began + fault.at - time.monotonic()))
            task = asyncio.create_task(self._one(faults, fault))
            doing.add(task)
            task.add_done_callback(doing.discard)
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        await asyncio.gather(*doing)

    async def _one(self, faults: Faults, fault: Fault) -> None:
        began = time.time()
        hit = await faults.inflict(fault)
        if hit:
            self._state.faults[fault.kind] += 1
            self._state.last_fault = f"{fault.kind} ({hit})"
        record = {"at": round(fault.at, 2), "began": began, "ended": time.time(), "kind": fault.kind, "hit": hit}
        self._log.write(json.dumps(record) + "\n")

    async def _settle(self) -> float | None:
        """Wait until every envelope has ended, and lift what was quarantined. How long it took; ``None``: too long."""
        began = time.monotonic()
        samples = 0
        while time.monotonic() - began < self._options.settle:
            await asyncio.sleep(1.0)
            try:
                waiting = await asyncio.to_thread(self._waiting)
            except (StoreError, redis.RedisError, OSError):
                continue
            self._state.waiting = waiting
            if waiting and time.monotonic() - began > SAMPLE_AFTER * (1 + samples):
                samples += 1
                with suppress(StoreError, redis.RedisError, OSError):
                    await asyncio.to_thread(self._sample, samples)
            if not waiting:
                return round(time.monotonic() - began, 1)
        return None

    def _waiting(self) -> int:
        with Client(self._house.store_url) as mail:
            states = mail.queue().states
            if held := states.get("held", 0):
                self._quarantined = max(self._quarantined, held)
                mail.act_on_matching("release", state="held")
            return sum(states.get(state, 0) for state in LIVE)

    def _sample(self, number: int) -> None:
        """Write down some of what is not at its end yet: why work is late is as worth knowing as whether it is lost."""
        found: list[object] = []
        with Client(self._house.store_url) as mail:
            for state in LIVE:
                shown = mail.page(state=state, limit=5).envelopes[:5]
                found += [{**one.to_dict(), "explained": mail.explain(one.id)} for one in shown]
        (self._house.folder / f"waiting-{number}.json").write_text(json.dumps(found, indent=1))

    def _gather(self) -> Evidence:
        house = self._house
        seed = self._options.seed
        return gather(house.app_logs, house.ledger, house.logs, house.store_url, seed=seed, tell=self._looked)

    def _looked(self, envelopes: int) -> None:
        self._state.waiting = envelopes

    async def _tell(self) -> None:
        while True:
            self._state.elapsed = time.monotonic() - self._began
            await asyncio.to_thread(self._watch.look)
            self._state.accepted, self._state.delivered = self._watch.accepted, self._watch.delivered
            self._show(self._state)
            await asyncio.sleep(0.5)
