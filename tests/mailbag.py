"""Mail for tests of the store: makes messages, moves them along with real scripts, and audits the books afterwards.

Every step is one call of an operation of :mod:`softbounce.store`; the audit reads the raw keys beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import redis

from softbounce.envelope import Body, Envelope, Record, State
from softbounce.events import StoredEvent, decode_events, encode_events
from softbounce.ids import envelope_id, new_message_id
from softbounce.settings import Settings
from softbounce.store import accepting, claiming, keys, membership, moving, published, reading, releasing
from softbounce.store.accepting import AcceptAnswer, NewMessage
from softbounce.store.call import Call
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move
from softbounce.store.scripts import script
from softbounce.store.shards import Shards

__all__ = ["DAY", "LANE", "PROCESS", "TOKEN", "Mailbag", "new_message", "open_bag"]

DAY = 86_400_000
LANE = "?example.net"
PROCESS = "worker-1"
TOKEN = b"token--1"
_numbers = count()


@dataclass(kw_only=True)
class Draft:
    """What a test may say about a message; the rest is made up."""

    key: str = ""
    digest: bytes = bytes(16)
    recipients: int = 1
    not_before_ms: int = 0
    window_ms: int = DAY
    chunks: Sequence[bytes] = (b"a body",)
    stream: str = ""
    lane: str = LANE
    message: bytes = b""


def new_message(shard: int = 0, **said: Any) -> NewMessage:  # noqa: ANN401 - the fields of Draft
    """A message that is ready to be stored."""
    draft = Draft(**said)
    message = draft.message or new_message_id(shard)
    key = draft.key or f"key-{next(_numbers)}"
    records = []
    for number in range(draft.recipients):
        record = Record(id=envelope_id(message, number), lane=draft.lane, stream=draft.stream)
        record.envelope = Envelope(
            sender="app@example.com",
            recipient=f"r{number}@example.net",
            domain="example.net",
            key=key,
            body=Body(octets=6, chunks=len(draft.chunks)),
        )
        records.append(record)
    return NewMessage(
        message=message,
        key=key,
        digest=draft.digest,
        not_before_ms=draft.not_before_ms,
        window_ms=draft.window_ms,
        records=records,
        chunks=list(draft.chunks),
        events=encode_events([StoredEvent(kind="accepted", id=record.id) for record in records]),
    )


@dataclass(kw_only=True)
class Mailbag:
    """One store with its shards, and the steps that tests take on it."""

    store: Shards
    raw: Any  # redis.Redis, whose answers have many types
    shards: int
    settings: Settings = field(default_factory=Settings)

    # -- steps ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Write the schema of every shard."""
        for shard in range(self.shards):
            self.store.call([published.schema(shard, shards=self.shards)])

    def enlist(self, process: str = PROCESS, lease_ms: int = 60_000) -> int:
        """Make a process known."""
        info = ProcessInfo(pid=1, host="here", started_ms=1)
        return self.store.run(membership.enlist(process, info, shards=self.shards, lease_ms=lease_ms)).now_ms

    def accept(self, new: NewMessage) -> AcceptAnswer:
        """Store a message."""
        answer = self.store.call([accepting.accept(new, shards=self.shards, settings=self.settings)])[0]
        return accepting.read_accept(answer)

    def scheduled(self, shard: int = 0, **said: Any) -> list[Record]:  # noqa: ANN401
        """Accept a message; its records as stored."""
        new = new_message(shard, **said)
        assert self.accept(new).outcome == "stored"
        return self.records([record.id for record in new.records])

    def release(self, shard: int = 0, lane: str | None = None) -> int:
        """Move all that is due to the ready lists (of *lane*, or their own lanes)."""
        headers = self.store.run(releasing.due(shard)).headers
        lists: dict[tuple[str, str], list[tuple[bytes, int]]] = {}
        for record in (Record.unpack(identity, header) for identity, header in headers if header):
            lists.setdefault((lane or record.lane, record.stream), []).append((record.id, record.version))
        return self.store.run(releasing.release(shard, lists)) if lists else 0

    def ready(self, shard: int = 0, **said: Any) -> list[Record]:  # noqa: ANN401
        """Accept a message and release it."""
        ids = [record.id for record in self.scheduled(shard, **said)]
        self.release(shard)
        return self.records(ids)

    def claim(
        self, number: int = 1000, *, process: str = PROCESS, token: bytes = TOKEN, shard: int = 0, lane: str = LANE
    ) -> list[Record]:
        """Claim from one list, the default stream's."""
        batch = Batch(shard, [(lane, "", number)])
        return self.store.run(claiming.claim(process, token, [batch]))[0].records

    def claimed(self, shard: int = 0, **said: Any) -> list[Record]:  # noqa: ANN401
        """Accept a message, release it and claim it under ``TOKEN`` by ``PROCESS``."""
        ids = {record.id for record in self.ready(shard, **said)}
        claimed = self.claim(shard=shard)
        assert {record.id for record in claimed} == ids
        return sorted(claimed, key=lambda record: record.id)

    def move(self, *moves: Move, process: str = PROCESS) -> list[int]:
        """Carry out moves."""
        return self.store.run(moving.move(moves, process=process, keep_events=self.settings.keep_events_max))

    def put(self, record: Record, state: State, *, token: bytes | None = None, look_ms: int | None = None) -> int:
        """Move one envelope to *state*, guarded by *token* or by the version it has."""
        record.state = state
        move = Move(record=record, token=token, version=None if token else record.version, look_ms=look_ms)
        return self.move(move)[0]

    # -- looks ------------------------------------------------------------------------------------------------------

    def records(self, ids: Sequence[bytes]) -> list[Record]:
        """Records that must be there."""
        found = self.store.run(reading.fetch(ids))
        return [record for record in found if record is not None]

    def record(self, identity: bytes) -> Record:
        """A record that must be there."""
        return self.records([identity])[0]

    def key(self, name: str, shard: int = 0) -> bytes:
        """The full name of a key."""
        return keys.key(shard, name)

    def list_of(self, lane: str = LANE, stream: str = "", shard: int = 0, share: int = 0) -> list[bytes]:
        """The entries of a ready list, stale ones included."""
        return self.raw.lrange(keys.ready(shard, keys.ready_name(lane, stream, share)), 0, -1)

    def lists(self) -> set[tuple[int, str]]:
        """The names of all ready lists that may have work, with their shard."""
        return {
            (shard, name.decode())
            for shard in range(self.shards)
            for name in self.raw.smembers(self.key("lanes", shard))
        }

    def zset(self, name: str, shard: int = 0) -> dict[bytes, int]:
        """A sorted set: member -> score."""
        return {member: int(score) for member, score in self.raw.zrange(self.key(name, shard), 0, -1, withscores=True)}

    def live_of(self, message: bytes) -> int:
        """How many live envelopes the store counts for a message."""
        return int(self.raw.hget(self.key("m", int.from_bytes(message[:2])), message) or 0)

    def has_body(self, message: bytes) -> bool:
        """Whether a message's body is stored."""
        return bool(self.raw.exists(keys.body(message)))

    def events(self, shard: int = 0) -> list[StoredEvent]:
        """All events, decoded as readers do."""
        entries = self.raw.xrange(self.key("events", shard))
        return [event for _, fields in entries for event in decode_events(fields[b"b"])]

    # -- the audit --------------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """Whether states, queues, counts and bodies agree, in every shard."""
        for shard in range(self.shards):
            self._audit(shard)

    def _audit(self, shard: int) -> None:
        stored = self.raw.hgetall(self.key("e", shard))
        records = {identity: Record.unpack(identity, octets) for identity, octets in stored.items()}

        def ids(*states: State) -> set[bytes]:
            return {identity for identity, record in records.items() if record.state in states}

        due = {one for one in ids(State.SCHEDULED) if records[one].next_ms > 0}
        assert self.zset("due", shard) == {identity: records[identity].next_ms for identity in due}
        live = ids(State.SCHEDULED, State.READY, State.ATTEMPTING, State.HELD)
        final = set(records) - live
        assert set(self.zset("exp", shard)) == live
        assert set(self.zset("held", shard)) == ids(State.HELD)
        assert set(self.zset("done", shard)) == final
        octets = int(self.raw.hget(self.key("totals", shard), "done_octets") or 0)
        assert octets == sum(len(stored[identity]) for identity in final)
        self._audit_lists(shard, {one: records[one] for one in ids(State.READY)})
        self._audit_claims(shard, {one: records[one].token for one in ids(State.ATTEMPTING)})
        self._audit_messages(shard, live)

    def _audit_lists(self, shard: int, ready: dict[bytes, Record]) -> None:
        named = self.raw.smembers(self.key("lanes", shard))
        for identity, record in ready.items():
            names = {keys.ready_name(record.lane, record.stream, share).encode() for share in (0, record.share)}
            lists = (self.raw.lrange(keys.ready_of(shard, name), 0, -1) for name in names & named)
            assert any(identity in entries for entries in lists)

    def _audit_claims(self, shard: int, attempting: dict[bytes, bytes]) -> None:
        claims: dict[bytes, bytes] = {}
        for key in self.raw.keys(self.key("claims:*", shard)):
            for identity, token in self.raw.hgetall(key).items():
                assert identity not in claims, "claimed twice at once"
                claims[identity] = token
        assert claims == attempting

    def _audit_messages(self, shard: int, live: set[bytes]) -> None:
        numbers: dict[bytes, int] = {}
        for identity in live:
            numbers[identity[:-2]] = numbers.get(identity[:-2], 0) + 1
        assert {message: int(n) for message, n in self.raw.hgetall(self.key("m", shard)).items()} == numbers
        kept = set(self.zset("kept", shard))
        bodies = {keys.body(message) for message in numbers.keys() | kept}
        assert set(self.raw.keys(self.key("b:*", shard))) == bodies
        sizes = {message: int(octets) for message, octets in self.raw.hgetall(self.key("kept_octets", shard)).items()}
        assert sizes.keys() == kept
        assert int(self.raw.hget(self.key("totals", shard), "kept_octets") or 0) == sum(sizes.values())

    def run(self, name: str, names: Sequence[bytes], *arguments: bytes | str | int) -> Any:  # noqa: ANN401
        """Run a script by itself; a :class:`softbounce.errors.StoreError` is returned, not raised."""
        return self.store.call([Call(0, script(name), names, arguments)])[0]


@contextmanager
def open_bag(url: str, shards: int = 1, raw: Any = None) -> Iterator[Mailbag]:  # noqa: ANN401
    """A bag on an empty store: its schema is written, and ``PROCESS`` may claim. *raw* looks at a cluster's keys."""
    store = Shards(url)
    with raw or redis.Redis.from_url(url) as raw:  # noqa: PLR1704 - one name for one thing
        bag = Mailbag(store=store, raw=raw, shards=shards)
        bag.begin()
        bag.enlist()
        try:
            yield bag
        finally:
            store.close()


def token() -> bytes:
    """A claim token of its own."""
    return secrets.token_bytes(8)
