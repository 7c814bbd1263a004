"""Ends claimed envelopes whose address gets no mail: nothing is read, signed or dialled for them.

Asked with each claim, because an address may be suppressed while its mail waits, and together with the messages, so
that it takes no time of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.store.call import Operation
from softbounce.store.suppressions import LookUp
from softbounce.suppression import Entry, binding, names_for
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger

__all__ = ["Found", "SuppressedMail"]

T = TypeVar("T")
Found = Mapping[str, Sequence[Entry]]


class SuppressedMail:
    """What one process knows of it: nothing that lasts longer than a claim."""

    def __init__(self, process: WorkerProcess, ledger: ClaimLedger) -> None:
        self._process = process
        self._ledger = ledger

    def asked_with(self, operation: Operation[T], records: Sequence[Record]) -> Operation[tuple[T, Found]]:
        """The same operation, and what is kept of the addresses and domains of these."""
        names = [name for record in records for name in names_for(record.envelope.recipient)]
        asked = LookUp(names, self._process.shards)
        number = len(operation.calls)
        return Operation(
            [*operation.calls, *asked.calls],
            lambda answers: (operation.read(answers[:number]), asked.read(answers[number:])),
        )

    def end(self, records: list[Record], found: Found) -> list[Record]:
        """End those that may not be sent; the others."""
        return [record for record in records if not self._ends(record, found)] if found else records

    def _ends(self, record: Record, found: Found) -> bool:
        envelope = record.envelope
        entries = [entry for name in names_for(envelope.recipient) for entry in found.get(name, ())]
        if not entries:
            return False
        now_ms = self._process.clock.now_of(record.id)
        stops = binding(
            entries,
            stream=record.stream,
            tenant=envelope.tenant,
            now_ms=now_ms,
            is_forced=envelope.forced,
            is_exempt=self._process.settings.is_exempt,
        )
        if stops is None:
            return False
        token = record.token
        self._ledger.commit_unread(record, transitions.suppress(record, stops, now_ms), token)
        return True
