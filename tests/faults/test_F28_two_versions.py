"""F28: two versions share a store. What the newer one added is borne by the older one, or refused; never misread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
import redis
from mailbag import Mailbag, open_bag
from reckon import BODY, reckon, send_each
from servers import Valkey
from service import PlaygroundProcess

from softbounce import Client, transitions
from softbounce.envelope import LAYOUT, Envelope, Record, State
from softbounce.errors import SchemaMismatch
from softbounce.ids import parse_id
from softbounce.settings import Settings
from softbounce.store.published import read_settings

if TYPE_CHECKING:
    from conftest import StartService


class NewerSettings(Settings, frozen=True, kw_only=True):
    """The settings of a version that has one more."""

    moon: str = "full"


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store."""
    with open_bag(store_server.url) as bag:
        yield bag


def with_more(octets: bytes) -> bytes:
    """The record as a version writes it whose payload has one more field at its end."""
    record = Record.unpack(b"", octets)
    fields = msgspec.msgpack.decode(record.payload)
    return octets[: -len(record.payload)] + msgspec.msgpack.encode([*fields, {"a": "field"}])


def test_F28_a_field_that_an_older_version_does_not_know_is_no_obstacle(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """Mail that a newer version accepted is delivered by this one."""
    service = start("[scheduler]\nsweep = '500ms'\n", "store")
    ids = send_each(service, [f"accept+{number}@d{number % 3}.test" for number in range(12)])
    with redis.Redis.from_url(service.url) as raw:
        for one in ids:
            raw.hset("sb:{0}:e", parse_id(one), with_more(raw.hget("sb:{0}:e", parse_id(one)) or b""))
    assert service.stop() == 0
    service.start()
    assert reckon(playground, service.wait_final(ids, 30)) == 0


def test_F28_settings_of_a_newer_version_are_read_without_what_is_new(bag: Mailbag) -> None:
    """An older process goes on by all that it knows of them."""
    newer = NewerSettings(version=7, keep_finished=timedelta(hours=1))
    octets = (7).to_bytes(4) + msgspec.msgpack.encode(newer)
    bag.raw.set(bag.key("settings"), octets)
    known = bag.store.run(read_settings())
    assert known == Settings(version=7, keep_finished=timedelta(hours=1))


def test_F28_settings_with_an_unknown_word_are_refused_by_name(bag: Mailbag) -> None:
    """Nobody decides by half of what was published; a client stores nothing."""
    newer = msgspec.to_builtins(Settings(version=7))
    newer["policies"]["default"]["on_uncertain"] = "ask"
    bag.raw.set(bag.key("settings"), (7).to_bytes(4) + msgspec.msgpack.encode(newer))
    with pytest.raises(SchemaMismatch, match=r"settings \(version 7\) cannot be read by this softbounce: .*'ask'"):
        bag.store.run(read_settings())
    with Client(bag.store.url) as mail, pytest.raises(SchemaMismatch, match="version 7"):
        mail.send(sender="a@app.test", recipients=["b@c.test"], message=BODY)
    assert bag.raw.hlen(bag.key("e")) == 0


def test_F28_an_older_record_is_read_by_this_version(bag: Mailbag) -> None:
    """What was added since has its default, and the envelope goes on."""
    (record,) = bag.scheduled()
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(record.envelope))
    required = sum(one.required for one in msgspec.structs.fields(Envelope))
    record.payload = msgspec.msgpack.encode(fields[:required])
    record._envelope = None
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    older = bag.record(record.id)
    change = transitions.hold(older, 1)
    version = older.version
    assert older.envelope.attempts == []
    assert bag.put(change.record, State.HELD) == 1
    assert bag.record(record.id).version == version + 1


def test_F28_another_layout_is_refused_by_name(bag: Mailbag) -> None:
    """A record whose header is laid out otherwise is never read as if it were ours."""
    (record,) = bag.scheduled()
    octets = bag.raw.hget(bag.key("e"), record.id)
    with pytest.raises(ValueError, match=f"layout {LAYOUT + 1}, this softbounce knows {LAYOUT}"):
        Record.unpack(record.id, bytes([LAYOUT + 1]) + octets[1:])


def test_F28_a_store_of_a_newer_schema_is_refused_at_start(start: StartService) -> None:
    """Exit code 2, and it says which version to run."""
    service = start("", "store", "scheduler")
    with redis.Redis.from_url(service.url) as raw:
        raw.hset("sb:{0}:schema", "version", "99")
    assert service.stop() == 0
    with pytest.raises(AssertionError, match="ended with 2"):
        service.start()
    assert "newer softbounce (schema 99" in service.log
