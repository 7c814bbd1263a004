"""Writes the notices that are due: looks up what they are about, and hands them over like any other mail.

Each has a key of its own, so one that is written again, by this scheduler or by another, is the one that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.send.accepting import send_each
from softbounce.client.send.arguments import TENANT, Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record
from softbounce.errors import KeyReused, StoreError
from softbounce.events import StoredEvent
from softbounce.ids import format_id
from softbounce.settings import Notices, Settings
from softbounce.store.notices import read_stored
from softbounce.store.reading import fetch
from softbounce.store.shards import AsyncShards
from softbounce_scheduler.notices.due import Action, Due, is_wanted
from softbounce_scheduler.notices.hourly import Hourly
from softbounce_scheduler.notices.report import Notice, Outcome, write_notice
from softbounce_scheduler.notices.returned import MESSAGE_ID, returned

__all__ = ["Writing"]

AT_ONCE = 20
"""Notices that are in memory together, each with what it returns."""
HEADERS_ONLY = "HDRS"
POSTMASTER = "MAILER-DAEMON"
ROUND = re.compile("10*")
log = structlog.get_logger("softbounce.scheduler")


@dataclass(frozen=True, slots=True)
class Found:
    """A notice that is to be written, with the records of its recipients.

    :ivar to: whom it is for.
    :ivar is_whole: it returns the whole message.
    """

    due: Due
    told: Sequence[tuple[StoredEvent, Record]]
    to: str
    is_whole: bool
    is_last: bool

    @property
    def record(self) -> Record:
        """That of one recipient; what they have in common is in each."""
        return self.told[0][1]


class Writing:
    """Writes them.

    :param hostname: ours.
    :param hourly: how many each address got.
    """

    def __init__(self, store: AsyncShards, hostname: str, hourly: Hourly) -> None:
        self._store = store
        self._hostname = hostname
        self._knowledge = Knowledge("notice")
        self._hourly = hourly

    async def write(self, wanted: Sequence[Due], settings: Settings) -> None:
        """Write these, as far as their senders want them.

        :raises StoreError: some may not be written: do it again.
        """
        for start in range(0, len(wanted), AT_ONCE):
            await self._write(wanted[start : start + AT_ONCE], settings)

    async def _write(self, some: Sequence[Due], settings: Settings) -> None:
        ids = [event.id for due in some for event in due.events]
        records = {record.id: record for record in await self._store.run(fetch(ids)) if record is not None}
        found = [one for one in self._find(some, records, settings) if one is not None]
        if not found:
            return
        try:
            stored = await self._store.run(read_stored([(one.record, one.is_whole) for one in found]))
            outgoing = [*self._compose(found, stored, settings.notices)]
            outcomes = await await_flow(send_each(self._knowledge, outgoing), self._store) if outgoing else []
            for outcome in outcomes:
                if isinstance(outcome, StoreError):
                    raise outcome
        except StoreError:
            for one in found:
                self._hourly.give_back(one.to)
            raise
        for sent, outcome in zip(outgoing, outcomes, strict=True):
            if not isinstance(outcome, Receipt | KeyReused):  # with other content it was written before: that will do
                log.error("notice_not_written", key=sent.get("key"), why=str(outcome))
        log.info("notices_written", notices=sum(isinstance(one, Receipt) and not one.known for one in outcomes))

    def _find(self, some: Iterable[Due], records: dict[bytes, Record], settings: Settings) -> Iterable[Found | None]:
        notices = settings.notices
        for due in some:
            told = [(event, records[event.id]) for event in due.events if event.id in records]
            if len(told) < len(due.events):
                log.warning("notice_not_written", key=due.key, why="the envelope is forgotten already")
            told = [(event, one) for event, one in told if is_wanted(one.envelope, due.action, notices)]
            if not told:
                continue
            envelope = told[0][1].envelope
            to = notices.to or envelope.sender
            left = self._hourly.take(to, due.at_ms, notices.most_an_hour)
            if left < 0:
                self._say_too_many(to)
                continue
            wants_header = envelope.dsn is not None and envelope.dsn.ret == HEADERS_ONLY
            fits = envelope.body.octets <= min(notices.whole_up_to, settings.max_message_octets // 2)
            is_whole = due.action is Action.FAILED and fits and not wants_header
            yield Found(due, told, to, is_whole, is_last=left == 0)

    def _say_too_many(self, to: str) -> None:
        number = self._hourly.left_out(to)
        if ROUND.fullmatch(str(number)):
            mend = "the events tell of each; `[notices] most_an_hour` allows more"
            log.warning("notices_left_out", to=to, within_this_hour=number, mend=mend)

    def _compose(self, found: Sequence[Found], stored: Sequence[bytes | None], notices: Notices) -> Iterable[Outgoing]:
        for one, octets in zip(found, stored, strict=True):
            try:
                yield self._outgoing(one, octets, notices)
            except Exception:  # a fault of ours at one is not the others'
                log.exception("notice_not_written", key=one.due.key)

    def _outgoing(self, one: Found, stored: bytes | None, notices: Notices) -> Outgoing:
        record = one.record
        envelope = record.envelope
        by = envelope.deliver_by
        message_id = envelope.message_id_header if MESSAGE_ID.fullmatch(envelope.message_id_header) else ""
        notice = Notice(
            id=one.due.key,
            action=one.due.action,
            to=one.to,
            sent_from=notices.sent_from or f"{POSTMASTER}@{self._hostname}",
            hostname=self._hostname,
            at=from_epoch_ms(one.due.at_ms),
            arrived_at=from_epoch_ms(record.created_ms),
            outcomes=[_outcome(event, told, one.due) for event, told in one.told],
            envid="" if envelope.dsn is None else envelope.dsn.envid,
            message_id=message_id,
            returned=returned(stored, envelope, is_whole=one.is_whole),
            deliver_by=None if by is None else from_epoch_ms(by.at_ms(record.created_ms)),
            returns=by is not None and by.returns,
            is_last=one.is_last,
        )
        return Outgoing(
            sender="",
            recipients=[one.to],
            message=write_notice(notice),
            stream=notices.stream,
            key=one.due.key,
            tenant=envelope.tenant if TENANT.fullmatch(envelope.tenant) else "",
            metadata={"about": format_id(one.due.events[0].id)},
        )


def _outcome(event: StoredEvent, record: Record, due: Due) -> Outcome:
    envelope = record.envelope
    attempts = envelope.attempts
    is_later = event.kind == "returned"  # by a host behind the one that the last attempt was made at
    return Outcome(
        recipient=envelope.recipient,
        log_id=format_id(record.id),
        original="" if envelope.dsn is None else envelope.dsn.orcpt,
        host=event.host or "",
        code=event.code,
        enhanced=event.enhanced or "",
        text=event.text,
        cause=event.cause or "",
        why=event.why,
        tried_at=from_epoch_ms(attempts[-1].ended_ms) if attempts and not is_later else None,
        until=from_epoch_ms(record.expires_ms) if due.action is Action.DELAYED and record.expires_ms else None,
    )
