"""From a checked send to what the store keeps: records, events, and the body, compressed where that pays."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from hashlib import blake2b

import zstandard
from msgspec import structs

from softbounce.address import Address
from softbounce.client.send.arguments import Checked
from softbounce.client.send.putting_off import Turn, putting_off
from softbounce.client.send.receipt import Receipt
from softbounce.client.send.warning import warnings_of
from softbounce.duration import MILLISECOND
from softbounce.envelope import Body, Envelope, Record
from softbounce.events import StoredEvent, encode_events
from softbounce.ids import envelope_id, format_id, new_message_id
from softbounce.settings import SHORTEST_WINDOW, Settings
from softbounce.share import tenant_number
from softbounce.store.accepting import NewMessage

__all__ = ["message_id", "new_message", "pack_body", "receipt", "shard_of_key"]

CHUNK_OCTETS = 256 * 1024
WORTH_IT = 0.9  # of the plain size: less is saved, plain it stays
PLAIN, ZSTANDARD = 0, 1
LEVEL = 1
_compressors = threading.local()  # a compressor serves one thread at a time


def shard_of_key(key: str, shards: int) -> int:
    """The shard of a message: a hash of its idempotency key, so that a repeat finds it."""
    if shards == 1:
        return 0
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) % shards


def pack_body(octets: bytes) -> tuple[int, list[bytes]]:
    """The codec's number and the body in chunks of at most 256 KiB."""
    compressor: zstandard.ZstdCompressor | None = getattr(_compressors, "one", None)
    if compressor is None:
        compressor = _compressors.one = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    packed = compressor.compress(octets)
    codec = ZSTANDARD
    if len(packed) > len(octets) * WORTH_IT:
        codec, packed = PLAIN, octets
    if len(packed) <= CHUNK_OCTETS:
        return codec, [packed]
    return codec, [packed[start : start + CHUNK_OCTETS] for start in range(0, len(packed), CHUNK_OCTETS)]


def message_id(checked: Checked, shards: int) -> bytes:
    """A new id for a message: it tells the shard and the tenant's number."""
    return new_message_id(shard_of_key(checked.key, shards), tenant_number(checked.tenant or checked.sender.domain))


def new_message(  # noqa: PLR0913 - all by name
    checked: Checked,
    *,
    shards: int,
    settings: Settings,
    turn: Turn | None = None,
    message: bytes | None = None,
    way: str = "python",
) -> NewMessage:
    """The message under a new id, ready to be stored. The store's clock fills in the times.

    :param turn: its place among those that are spread together.
    :param message: an id that was made for it.
    :param way: how it came in.
    """
    message = message or message_id(checked, shards)
    checked = checked if settings.speed == 1 else _sped_up(checked, settings.speed)
    codec, chunks = pack_body(checked.prepared.octets)
    records = [
        _record(checked, address, envelope_id(message, number), (codec, len(chunks)), way)
        for number, address in enumerate(checked.recipients)
    ]
    why = " ".join(warnings_of(checked, settings))
    events = [
        StoredEvent(
            kind="accepted",
            id=record.id,
            recipient=record.envelope.recipient,
            stream=checked.stream,
            tenant=record.envelope.tenant,
            tags=checked.tags,
            metadata=checked.metadata,
            why=why,
        )
        for record in records
    ]
    window_ms, look_ms = _first_look(checked, settings)
    return NewMessage(
        message=message,
        key=checked.key,
        digest=checked.digest,
        not_before_ms=checked.at_ms or 0,
        window_ms=window_ms,
        look_ms=look_ms,
        records=records,
        chunks=chunks,
        events=encode_events(events),
        is_key_made=checked.is_key_made,
        putting_off=putting_off(checked, records, settings, shards=shards, turn=turn),
        way=way,
    )


def _sped_up(checked: Checked, speed: float) -> Checked:
    """The same where time passes faster: its own times too."""
    now_ms, window_ms, by = time.time_ns() // 1_000_000, checked.window_ms, checked.deliver_by
    ahead_ms = None if checked.at_ms is None else max(0, checked.at_ms - now_ms)
    return replace(
        checked,
        window_ms=window_ms and max(min(window_ms, SHORTEST_WINDOW // MILLISECOND), round(window_ms / speed)),
        at_ms=None if ahead_ms is None else now_ms + round(ahead_ms / speed),
        spread_ms=round(checked.spread_ms / speed),
        warn_ms=checked.warn_ms and max(1, round(checked.warn_ms / speed)),
        deliver_by=by and structs.replace(by, within_ms=round(by.within_ms / speed)),
    )


def _record(checked: Checked, recipient: Address, identity: bytes, stored: tuple[int, int], way: str) -> Record:
    prepared = checked.prepared
    codec, chunks = stored
    body = Body(
        octets=len(prepared.octets),
        codec=codec,
        chunks=chunks,
        eight_bit=prepared.eight_bit,
        smtputf8=prepared.smtputf8_headers or checked.sender.smtputf8 or recipient.smtputf8,
    )
    record = Record(id=identity, lane=f"?{recipient.domain}", stream=checked.stream)
    record.envelope = Envelope(
        sender=checked.sender.canonical,
        recipient=recipient.canonical,
        domain=recipient.domain,
        key=checked.key,
        body=body,
        message_id_header=prepared.message_id,
        window_ms=checked.window_ms,
        at_ms=checked.at_ms,
        dsn=checked.dsn.get(recipient.canonical),
        tls=checked.tls,
        own_tenant=checked.tenant,
        tags=checked.tags,
        metadata=checked.metadata,
        forced=checked.is_forced,
        way=way,
        warn_ms=checked.warn_ms,
        deliver_by=checked.deliver_by,
    )
    return record


def _first_look(checked: Checked, settings: Settings) -> tuple[int, int]:
    """The window by which the envelopes are stored, the shortest among them, and when to look at them first.

    That is when the first one is late, where that is told.
    """
    sender = checked.sender.canonical
    domains = {address.domain for address in checked.recipients} if settings.assign else {""}
    policies = [
        settings.policy_for(stream=checked.stream, domain=domain, site=None, sender=sender) for domain in domains
    ]
    shortest = min(policy.window for policy in policies) // MILLISECOND
    window_ms = shortest if checked.window_ms is None else checked.window_ms
    late = [checked.warn_ms or policy.warn_after // MILLISECOND or window_ms for policy in policies]
    return window_ms, min(window_ms, *late)


def receipt(checked: Checked, message: bytes, settings: Settings, *, known: bool) -> Receipt:
    """The receipt of a message that the store has under this id."""
    ids = [format_id(envelope_id(message, number)) for number in range(len(checked.recipients))]
    return Receipt(
        message_id=format_id(message),
        key=checked.key,
        envelopes={text: ids[number] for text, number in checked.numbers.items()},
        known=known,
        warnings=warnings_of(checked, settings),
    )
