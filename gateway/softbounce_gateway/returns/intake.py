"""From what came back to what is told of it, and to the reply that says so.

A 250 is said when the event is in the store, or when there is none to tell; what nobody understood is kept before it.
Where the store is away the client hears a 451, and comes again as SMTP has it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
import structlog

from softbounce.duration import to_epoch_ms
from softbounce.envelope import Record
from softbounce.errors import StoreError, StoreUncertain
from softbounce.events import StoredEvent
from softbounce.ids import format_id
from softbounce.return_path import ReturnPath
from softbounce.store.call import Operation
from softbounce.store.reading import fetch
from softbounce.store.returns import UnreadReport, count_reports, report, shelve
from softbounce.store.shards import AsyncShards
from softbounce_gateway.returns.judging import event_of
from softbounce_gateway.returns.reading.addresses import addresses_of
from softbounce_gateway.returns.reading.reading import read_report
from softbounce_gateway.returns.reading.report import Kind, Report
from softbounce_gateway.returns.return_paths import FORGED_550, STALE_550, TOO_OFTEN_450, Addressee, ReturnPaths
from softbounce_gateway.submission.replies import STORE_AWAY_451
from softbounce_gateway.submission.steps import Store

__all__ = ["Intake"]

THANKS_250 = "250 2.0.0 thank you"
OUR_FAULT_451 = "451 4.3.0 a fault of ours, try again later"
READ_AT_ONCE = 2
TRIES = 3
SHOWN = {FORGED_550: "forged", STALE_550: "stale"}
T = TypeVar("T")
log = structlog.get_logger("softbounce.returns")


class Intake:
    """Takes what comes back."""

    def __init__(self, store: AsyncShards, paths: ReturnPaths, now: Callable[[], datetime]) -> None:
        self._store = store
        self._paths = paths
        self._now = now
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._counts: Counter[str] = Counter()

    async def check(self, address: str, peer: str) -> str | None:
        """Why nothing is taken for an address, as a reply; ``None``: something is."""
        try:
            found = await self._paths.find(address)
        except StoreError as error:
            log.warning("return_path_not_checked", error=str(error))
            return STORE_AWAY_451
        if isinstance(found, str):
            self._counts[SHOWN.get(found, "relay")] += 1
            log.info("return_path_refused", peer=peer, reply=found)
            return found
        if found.path is not None and self._paths.comes_too_often(found.path):
            self._counts["too_often"] += 1
            return TOO_OFTEN_450
        return None

    async def take(self, asked: Store, peer: str) -> str:
        """Read it, and tell of it; the reply."""
        try:
            async with self._reading:
                said = await asyncio.to_thread(read_report, asked.message)
            seen: set[bytes] = set()
            for one in asked.recipients:
                addressee = await self._paths.find(one.address)
                if isinstance(addressee, Addressee):
                    path = addressee.path or await self._path_in(asked.message)
                    if path is None or path.id not in seen:
                        await self._tell(said, path, asked.message, peer)
                    seen |= set() if path is None else {path.id}
        except StoreError as error:
            log.warning("report_not_taken", error=str(error))
            return STORE_AWAY_451
        except Exception:
            log.exception("report_failed")  # whatever it is, nothing was promised
            return OUR_FAULT_451
        return THANKS_250

    async def _path_in(self, message: bytes) -> ReturnPath | None:
        async with self._reading:
            return await self._paths.find_in(message)

    async def _tell(self, said: Report, path: ReturnPath | None, message: bytes, peer: str) -> None:
        """Tell of it, or keep it where nobody knows what it says, or of what."""
        if said.kind is Kind.UNKNOWN or (path is None and said.kind in (Kind.FAILED, Kind.COMPLAINT)):
            why = said.why if said.kind is Kind.UNKNOWN else f"{said.why} that names no return path of ours"
            at_ms = to_epoch_ms(self._now())
            identity = b"" if path is None else path.id
            unread = UnreadReport(at_ms=at_ms, id=identity, peer=peer, why=why, octets=len(message), head=message)
            await self._run(lambda: shelve(unread))
            self._counts["unknown" if said.kind is Kind.UNKNOWN else "unmatched"] += 1
            return
        event = None if path is None else await self._event(said, path, message)
        if event is None:
            self._counts[said.kind.value if said.kind is not Kind.FAILED else "delivered"] += 1
            return
        keep = self._paths.settings.keep_events_max
        is_new = await self._run(lambda: report(event, keep_events=keep))
        self._counts[event.kind if is_new else "repeated"] += 1
        if is_new:
            log.info(event.kind, envelope=format_id(event.id), reason=event.reason, suppress=event.suppress)

    async def _event(self, said: Report, path: ReturnPath, message: bytes) -> StoredEvent | None:
        (record,) = await self._store.run(fetch([path.id]))
        known: Record | None = record
        event = event_of(said, path, known, self._paths.settings)
        if event is None or event.recipient:
            return event
        async with self._reading:  # its record is forgotten, and the report names nobody: the mail that it returns may
            named = await asyncio.to_thread(addresses_of, message)
        return msgspec.structs.replace(event, recipient=next(filter(path.is_for, named), ""))

    async def _run(self, operation: Callable[[], Operation[T]]) -> T:
        """Ask, and ask again where the answer was lost: what was told is known by then, and told once."""
        for _ in range(TRIES - 1):
            try:
                return await self._store.run(operation())
            except StoreUncertain:
                await asyncio.sleep(0.1)
        return await self._store.run(operation())

    async def write_counts(self) -> None:
        """Add what was counted to the store's counts; what cannot be is added the next time."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            await self._store.run(count_reports(counts))
        except StoreUncertain:
            pass  # it may be there: a count that is one too few is no harm
        except StoreError:
            self._counts.update(counts)
