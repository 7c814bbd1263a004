"""Operations on everything but envelopes: processes and leases, lanes, sites, settings, retention, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from softbounce.envelope import Record
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Answer, Call, Operation
from softbounce.store.keys import HOME
from softbounce.store.operations import every, first
from softbounce.store.scripts import script

__all__ = [
    "LaneState",
    "ProcessInfo",
    "Site",
    "count_step",
    "enlist",
    "forget_process",
    "give_lanes",
    "lapse",
    "learn",
    "leases",
    "list_claims",
    "list_lanes",
    "offer_lanes",
    "publish_settings",
    "read_settings",
    "renew",
    "replayed",
    "save_lanes",
    "sites",
    "take_lanes",
    "tell_replayed",
    "trim",
    "wake",
]


OFFER = "+"
"""Begins a line to a process that offers it a lane, in place of a job."""


def milliseconds(duration: timedelta) -> int:
    """A duration at the store's border."""
    return round(duration.total_seconds() * 1000)


# -- processes ------------------------------------------------------------------------------------------------------


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process tells about itself."""

    pid: int
    host: str
    started_ms: int
    journal: str = ""


def enlist(process: str, info: ProcessInfo, *, shards: int, lease_ms: int) -> Operation[int]:
    """Make a process known in all shards, with a first lease. Answers the store's now, ms."""
    what = msgspec.msgpack.encode(info)
    calls = [_listing(shard, "on", process, lease_ms if shard == HOME else None, what) for shard in range(shards)]
    return Operation(calls, lambda answers: every(answers)[HOME])


def forget_process(process: str, *, shards: int) -> Operation[int]:
    """Take a process off everywhere: it returned all that it held."""
    calls = [_listing(shard, "off", process, 0 if shard == HOME else None, b"") for shard in range(shards)]
    calls.append(Call(HOME, script("put"), (keys.key(HOME, "replayed"),), (process, "")))
    return Operation(calls, lambda answers: every(answers)[HOME])


def _listing(shard: int, how: str, process: str, lease_ms: int | None, what: bytes) -> Call:
    return Call(
        shard,
        script("enlist"),
        (keys.key(shard, "live"), keys.key(shard, "leases"), keys.key(shard, "process")),
        (how, process, "" if lease_ms is None else lease_ms, what),
    )


def renew(process: str, lease_ms: int) -> Operation[int]:
    """Prolong a lease. Answers the store's now, ms; 0: the lease is gone for good."""
    call = Call(HOME, script("renew"), (keys.key(HOME, "leases"), keys.key(HOME, "live")), (process, lease_ms))
    return Operation((call,), first)


class Leases(NamedTuple):
    """All processes: lease end, ms, and what they are."""

    now_ms: int
    ends: dict[str, int]
    infos: dict[str, ProcessInfo]


def leases() -> Operation[Leases]:
    """All leases with the store's now."""
    calls = (
        Call.read(HOME, b"TIME"),
        Call.read(HOME, b"ZRANGE", keys.key(HOME, "leases"), 0, -1, b"WITHSCORES"),
        Call.read(HOME, b"HGETALL", keys.key(HOME, "process")),
    )

    def read(answers: list[Answer]) -> Leases:
        time, ends, infos = every(answers)
        return Leases(
            int(time[0]) * 1000 + int(time[1]) // 1000,
            {name.decode(): int(float(end)) for name, end in zip(ends[::2], ends[1::2], strict=True)},
            {
                name.decode(): msgspec.msgpack.decode(info, type=ProcessInfo)
                for name, info in zip(infos[::2], infos[1::2], strict=True)
            },
        )

    return Operation(calls, read)


def lapse(
    process: str, shard: int, limit: int = 500, *, only_list: bool = False
) -> Operation[tuple[int, int, list[tuple[bytes, Record]]]]:
    """Forbid a process to claim in a shard and list what it holds: now ms, claims in all, some of them."""
    call = Call(
        shard,
        script("lapse"),
        (keys.key(shard, "live"), keys.claims(shard, process), keys.key(shard, "e")),
        (process, limit, "list" if only_list else ""),
    )

    def read(answers: list[Answer]) -> tuple[int, int, list[tuple[bytes, Record]]]:
        now, total, *rest = first(answers)
        claims = zip(rest[::2], rest[1::2], strict=True)
        return now, total, [(one, Record.unpack(one, octets)) for one, octets in claims]

    return Operation((call,), read)


def tell_replayed(process: str) -> Operation[int]:
    """Say that a dead process's journal was replayed, so that its marked claims need wait no longer."""
    return Operation((Call(HOME, script("put"), (keys.key(HOME, "replayed"),), (process, "1")),), first)


def replayed(processes: Sequence[str]) -> Operation[list[bool]]:
    """Whose journal was replayed."""
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "replayed"), *processes)
    return Operation((call,), lambda answers: [one is not None for one in first(answers)])


def list_claims(process: str, shard: int) -> Operation[dict[bytes, bytes]]:
    """What a process holds in a shard, as the store lists it: envelope id -> token."""
    call = Call.read(shard, b"HGETALL", keys.claims(shard, process))
    return Operation((call,), lambda answers: dict(zip(first(answers)[::2], first(answers)[1::2], strict=True)))


# -- lanes ----------------------------------------------------------------------------------------------------------


class LaneState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a lane across owners and restarts. Only lanes that saw trouble have one."""

    closed_until_ms: int = 0
    failures: int = 0
    why: str = ""
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    reason: str | None = None
    stage: str = "connect"
    host: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(LaneState).decode


def _lanes(how: str, process: str, arguments: Iterable[str | bytes]) -> Call:
    return Call(
        HOME,
        script("lanes"),
        (keys.key(HOME, "owner"), keys.key(HOME, "live"), keys.key(HOME, "lane"), keys.key(HOME, "hint")),
        (how, process, *arguments),
    )


def take_lanes(process: str, lanes: Sequence[str]) -> Operation[list[LaneState | None]]:
    """Become the owner of lanes that have no living one. ``None``: another has it; else its state."""

    def read(answers: list[Answer]) -> list[LaneState | None]:
        return [
            (_decode_state(state) if state else LaneState()) if owned == 1 else None for owned, state in first(answers)
        ]

    return Operation((_lanes("take", process, lanes),), read)


def give_lanes(process: str, lanes: Sequence[str]) -> Operation[int]:
    """Hand lanes back."""
    return Operation((_lanes("give", process, lanes),), first)


def save_lanes(process: str, states: Mapping[str, LaneState]) -> Operation[int]:
    """Remember lanes' states; one without trouble is forgotten."""
    arguments: list[str | bytes] = []
    for lane, state in states.items():
        arguments += (lane, b"" if state == LaneState() else _encode(state))
    return Operation((_lanes("save", process, arguments),), first)


def lane_states(lanes: Sequence[str]) -> Operation[list[LaneState]]:
    """The states of lanes, as last saved."""
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "lane"), *lanes)
    return Operation((call,), lambda answers: [_decode_state(one) if one else LaneState() for one in first(answers)])


def list_lanes(shards: int) -> Operation[list[tuple[int, str]]]:
    """The names of all ready lists that may have work, with their shard."""
    calls = [Call.read(shard, b"SMEMBERS", keys.key(shard, "lanes")) for shard in range(shards)]

    def read(answers: list[Answer]) -> list[tuple[int, str]]:
        return [(shard, name.decode()) for shard, names in enumerate(every(answers)) for name in names]

    return Operation(calls, read)


def wake(
    now_ms: int, work: Mapping[str, str], processes: Sequence[str], *, repeat_after_ms: int
) -> Operation[list[str]]:
    """Wake the owners of lanes that got work (lane -> text); answers the lanes that need a job instead."""
    arguments: list[str | int] = [now_ms, repeat_after_ms, len(processes), *processes]
    for lane, text in work.items():
        arguments += (lane, text)
    call = Call(
        HOME,
        script("wake"),
        (
            keys.key(HOME, "owner"),
            keys.key(HOME, "live"),
            keys.key(HOME, "hint"),
            keys.key(HOME, "lane"),
            *(keys.to_process(process) for process in processes),
        ),
        arguments,
    )
    return Operation((call,), lambda answers: [lane.decode() for lane in first(answers)])


def offer_lanes(offers: Mapping[str, Sequence[str]], *, unsent: Sequence[str]) -> Operation[int]:
    """Offer lanes to processes (process -> lanes) without a job; the jobs that could not be sent are forgotten."""
    texts = ["\n".join(f"{OFFER}{lane}" for lane in some) for some in offers.values()]
    channels = (keys.to_process(process) for process in offers)
    call = Call(HOME, script("offer"), (keys.key(HOME, "hint"), *channels), (len(unsent), *unsent, *texts))
    return Operation((call,), first)


# -- sites ----------------------------------------------------------------------------------------------------------


class Site(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Where a domain's mail goes: its lane, the site's shown name, and when that was learnt."""

    lane: str
    shown: str
    learnt_ms: int


_decode_site = msgspec.msgpack.Decoder(Site).decode


def sites(shard: int, domains: Sequence[str]) -> Operation[list[Site | None]]:
    """What a shard knows of domains."""
    call = Call.read(shard, b"HMGET", keys.key(shard, "site"), *domains)
    return Operation((call,), lambda answers: [_decode_site(one) if one else None for one in first(answers)])


def learn(sites: Mapping[str, Site | None], *, shards: int) -> Operation[list[Answer]]:
    """Tell all shards where domains' mail goes; ``None`` forgets a domain."""
    arguments: list[str | bytes] = []
    for domain, site in sites.items():
        arguments += (domain, _encode(site) if site else b"")
    return Operation([Call(s, script("put"), (keys.key(s, "site"),), arguments) for s in range(shards)], every)


# -- settings ----------------------------------------------------------------------------------------------------


_decode_settings = msgspec.msgpack.Decoder(Settings).decode


def read_settings() -> Operation[Settings | None]:
    """The published settings; ``None``: none were published yet."""
    call = Call.read(HOME, b"GET", keys.key(HOME, "settings"))

    def read(answers: list[Answer]) -> Settings | None:
        octets = first(answers)
        return _decode_settings(octets[4:]) if octets else None

    return Operation((call,), read)


def publish_settings(settings: Settings, *, over: int) -> Operation[bool]:
    """Replace the published settings of version *over*. False: another publication came first."""
    call = Call(
        HOME,
        script("publish"),
        (keys.key(HOME, "settings"), keys.key(HOME, "news")),
        (over, settings.version.to_bytes(4) + _encode(settings)),
    )
    return Operation((call,), lambda answers: first(answers) == 1)


# -- counts and retention -------------------------------------------------------------------------------------------


class Tally(NamedTuple):
    """One line of a count: a state's number, lane, stream; how many, and the oldest's creation, ms."""

    state: int
    lane: str
    stream: str
    number: int
    oldest_ms: int


def count_step(shard: int, cursor: str, size: int = 2000) -> Operation[tuple[str, list[Tally]]]:
    """One bounded step of a walk over all records of a shard; the walk is over at cursor ``"0"``."""
    call = Call(shard, script("count"), (keys.key(shard, "e"),), (cursor, size))

    def read(answers: list[Answer]) -> tuple[str, list[Tally]]:
        after, flat = first(answers)
        tallies = []
        for name, number, oldest in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            state, rest = name.decode().split("|", 1)
            lane, stream = rest.rsplit("|", 1)
            tallies.append(Tally(int(state), lane, stream, number, oldest))
        return after.decode() if isinstance(after, bytes) else str(after), tallies

    return Operation((call,), read)


def trim(shard: int, settings: Settings, limit: int = 500) -> Operation[tuple[int, int]]:
    """Forget the oldest of what ended, of keys and of events: how many finished envelopes and keys went."""
    call = Call(
        shard,
        script("trim"),
        tuple(keys.key(shard, name) for name in ("done", "e", "totals", "k", "kage", "m", "events")),
        (
            milliseconds(settings.keep_finished),
            settings.keep_finished_max_octets,
            milliseconds(settings.keep_events),
            settings.keep_events_max,
            limit,
            milliseconds(settings.keep_keys),
        ),
    )

    def read(answers: list[Answer]) -> tuple[int, int]:
        finished, forgotten = first(answers)
        return finished, forgotten

    return Operation((call,), read)
