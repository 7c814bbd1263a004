"""Worker processes as the store knows them: their leases, what they hold, and whose journal was replayed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple

import msgspec

from softbounce.envelope import Record
from softbounce.errors import StoreUnavailable
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.clock import StoreTime, ask_time, time_of
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.reading import Unreadable, read_record
from softbounce.store.scripts import script

__all__ = [
    "Leases",
    "ProcessInfo",
    "enlist",
    "forget_infos",
    "forget_process",
    "is_listed",
    "lapse",
    "leases",
    "list_claims",
    "members",
    "no_members",
    "renew",
    "replayed",
    "tell_replayed",
]


NOT_LET_IN = -1


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process tells about itself."""

    pid: int
    host: str
    started_ms: int
    journal: str = ""


def enlist(process: str, info: ProcessInfo, *, shards: int, lease_ms: int) -> Operation[StoreTime]:
    """Make a process known in all shards, with a first lease. Answers the home shard's time.

    Reading the answer raises :class:`StoreUnavailable` while the mail of a restored store is being held.
    """
    what = msgspec.msgpack.encode(info)
    calls = [_listing(shard, "on", process, lease_ms if shard == HOME else None, what) for shard in range(shards)]

    def read(answers: list[StoreAnswer]) -> StoreTime:
        if NOT_LET_IN in every(answers):
            raise StoreUnavailable(
                "the mail of this restored store is being held, and no worker is let in before that is over: "
                "`softbounce up --hold-all` sees it to its end"
            )
        return StoreTime(*answers[HOME])

    return Operation(calls, read)


def forget_process(process: str | bytes, *, shards: int) -> Operation[StoreTime]:
    """Take a process off everywhere: it returned all that it held."""
    calls = [_listing(shard, "off", process, 0 if shard == HOME else None, b"") for shard in range(shards)]
    calls.append(Call(HOME, script("put"), (keys.key(HOME, "replayed"),), (process, "")))
    return Operation(calls, lambda answers: StoreTime(*every(answers)[HOME]))


def _listing(shard: int, how: str, process: str | bytes, lease_ms: int | None, what: bytes) -> Call:
    return Call(
        shard,
        script("enlist"),
        keys.of(shard, "live", "leases", "process", "witness", "clock"),
        (how, process, "" if lease_ms is None else lease_ms, what),
    )


def renew(process: str, lease_ms: int) -> Operation[bool]:
    """Prolong a lease. False: it is gone for good."""
    names = keys.of(HOME, "leases", "live", "clock")
    call = Call(HOME, script("renew"), names, (process, lease_ms))
    return Operation((call,), lambda answers: first(answers) == 1)


def is_listed(process: str, shards: int) -> Operation[bool]:
    """Whether a process may claim in every shard. One that does not answer now says nothing.

    A failover can forget in one shard that a process was let in there, while its lease in the home shard goes on.
    """
    calls = [Call.read(shard, b"SISMEMBER", keys.key(shard, "live"), process) for shard in range(shards)]
    return Operation(calls, lambda answers: 0 not in answers)


class Leases(NamedTuple):
    """All processes at the store's time: lease end, ms, and what they are."""

    time: StoreTime
    ends: dict[str, int]
    infos: dict[str, ProcessInfo]

    @property
    def now_ms(self) -> int:
        """The store's now."""
        return self.time.now_ms


def leases() -> Operation[Leases]:
    """All leases with the store's time."""
    calls = (
        ask_time(HOME),
        Call.read(HOME, b"ZRANGE", keys.key(HOME, "leases"), 0, -1, b"WITHSCORES"),
        Call.read(HOME, b"HGETALL", keys.key(HOME, "process")),
    )

    def read(answers: list[StoreAnswer]) -> Leases:
        time, ends, infos = every(answers)
        return Leases(
            time_of(time),
            {
                name: _end_ms(end)
                for octets, end in zip(ends[::2], ends[1::2], strict=True)
                if (name := _name(octets)) is not None
            },
            {
                name: what
                for octets, info in zip(infos[::2], infos[1::2], strict=True)
                if (name := _name(octets)) is not None and (what := _info(info)) is not None
            },
        )

    return Operation(calls, read)


def _name(octets: bytes) -> str | None:
    """A process's name; what is no text was never one."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        ignore("process name", octets)
        return None


def _end_ms(score: bytes) -> int:
    """When a lease ends; one without an end was not given by any script, and has ended."""
    end = float(score)
    return int(end) if isfinite(end) else 0


def _info(octets: bytes) -> ProcessInfo | None:
    try:
        return msgspec.msgpack.decode(octets, type=ProcessInfo)
    except msgspec.DecodeError:
        ignore("process entry", octets)
        return None


def members(shards: int) -> Operation[set[str]]:
    """All processes that may claim in any shard, or that have a lease."""
    calls = _members(shards)
    return Operation(
        calls, lambda answers: {known for names in every(answers) for name in names if (known := _name(name))}
    )


def no_members(shards: int) -> Operation[tuple[set[bytes], set[bytes]]]:
    """What stands among them and was never a process, and of whom what they tell of themselves cannot be read."""
    calls = [*_members(shards), Call.read(HOME, b"HGETALL", keys.key(HOME, "process"))]

    def read(answers: list[StoreAnswer]) -> tuple[set[bytes], set[bytes]]:
        *listed, told = every(answers)
        names = {name for names in listed for name in names}
        infos = dict(zip(told[::2], told[1::2], strict=True))
        odd = {name for name in (*names, *infos) if not name or _name(name) is None}
        return odd, {name for name, info in infos.items() if name not in odd and _info(info) is None}

    return Operation(calls, read)


def forget_infos(names: Iterable[bytes]) -> Operation[int]:
    """Forget what processes tell of themselves; they go on."""
    fields = [octets for name in names for octets in (name, b"")]
    return Operation((Call(HOME, script("put"), (keys.key(HOME, "process"),), fields),), first)


def _members(shards: int) -> list[Call]:
    calls = [Call.read(shard, b"SMEMBERS", keys.key(shard, "live")) for shard in range(shards)]
    calls.append(Call.read(HOME, b"ZRANGE", keys.key(HOME, "leases"), 0, -1))
    return calls


def lapse(
    process: str, shard: int, limit: int = 500, *, only_list: bool = False
) -> Operation[tuple[int, int, list[tuple[bytes, Record | Unreadable]]]]:
    """Forbid a process to claim in a shard and list what it holds: now ms, claims in all, some of them."""
    call = Call(
        shard,
        script("lapse"),
        (keys.key(shard, "live"), keys.claims(shard, process), keys.key(shard, "e"), keys.key(shard, "clock")),
        (process, limit, "list" if only_list else ""),
    )

    def read(answers: list[StoreAnswer]) -> tuple[int, int, list[tuple[bytes, Record | Unreadable]]]:
        now, total, *rest = first(answers)
        claims = zip(rest[::2], rest[1::2], strict=True)
        return now, total, [(one, read_record(shard, one, octets)) for one, octets in claims]

    return Operation((call,), read)


def list_claims(process: str, shard: int) -> Operation[dict[bytes, bytes]]:
    """What a process holds in a shard, as the store lists it: envelope id -> token."""
    call = Call.read(shard, b"HGETALL", keys.claims(shard, process))
    return Operation((call,), lambda answers: dict(zip(first(answers)[::2], first(answers)[1::2], strict=True)))


def tell_replayed(process: str) -> Operation[int]:
    """Say that a dead process's journal was replayed, so that its marked claims need wait no longer."""
    return Operation((Call(HOME, script("put"), (keys.key(HOME, "replayed"),), (process, "1")),), first)


def replayed(processes: Sequence[str]) -> Operation[list[bool]]:
    """Whose journal was replayed."""
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "replayed"), *processes)
    return Operation((call,), lambda answers: [one == b"1" for one in first(answers)])
