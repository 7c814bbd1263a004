"""Asks whether mail would be sent, or is stopped because its address is suppressed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.envelope import Record
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.suppressions import look_up
from softbounce.suppression import Entry, binding, names_for, words

__all__ = ["Mail", "mail_of", "stops", "suppressed_among"]


class Mail(NamedTuple):
    """What is known of a mail that may be stopped: its recipient (canonical), stream and tenant."""

    recipient: str
    stream: str
    tenant: str
    is_forced: bool = False


def suppressed_among(knowledge: Knowledge, mails: Sequence[Mail]) -> Flow[list[str]]:
    """For each of these mails why it would not be sent, in words; empty: nothing stops it."""
    known = yield from knowledge.current()
    names = [name for one in mails for name in names_for(one.recipient)]
    found = yield from repeat(look_up(names, known.shards))
    if not found:
        return [""] * len(mails)
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    entries = [stops(found, one, known.settings, now_ms) for one in mails]
    return ["" if entry is None else words(entry) for entry in entries]


def mail_of(record: Record) -> Mail:
    """What is known of a mail that was accepted."""
    envelope = record.envelope
    return Mail(envelope.recipient, record.stream, envelope.tenant, envelope.forced)


def stops(found: Mapping[str, Iterable[Entry]], mail: Mail, settings: Settings, now_ms: int) -> Entry | None:
    """What stops a mail, among the entries of names."""
    return binding(
        [entry for name in names_for(mail.recipient) for entry in found.get(name, ())],
        stream=mail.stream,
        tenant=mail.tenant,
        now_ms=now_ms,
        is_forced=mail.is_forced,
        is_exempt=settings.is_exempt,
    )
