"""The sites as an operator sees them: all that are known now, or one with what was said there last.

Of how much waits in a lane only what is ready is counted; the rest is of the look's sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.now.groups import Group, Place, group, is_closed, trouble_words
from softbounce.client.now.look import Look, take_look
from softbounce.client.selection import site_of_lane
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms, in_words
from softbounce.errors import NotFound
from softbounce.events import StoredEvent
from softbounce.ids import format_id
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState, lane_states
from softbounce.store.sites import read_sites as read_stored_sites

__all__ = ["Closed", "Said", "SiteDetail", "SiteView", "named_lanes", "read_site", "read_site_list", "ready_in"]

MOST_SAID = 20
MOST_WAITING = 20
LIST_STEPS = 10
LISTS_AT_ONCE = 2_000
MOST_LISTS = 200
LONGEST_NAME = 320
GLOB = re.compile(r"([\[\]*?\\])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Something that is closed, or feels its way: a site, a domain or a sender domain there.

    :ivar next_at: when one envelope goes ahead; ``None``: now.
    """

    name: str
    why: str
    failures: int
    next_at: datetime | None
    waiting: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "why": self.why,
            "failures": self.failures,
            "next_at": None if self.next_at is None else rfc3339(self.next_at),
            "waiting": self.waiting,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """One lane to a site.

    :ivar site: as it is shown; a domain that is not resolved yet begins with ``?``.
    :ivar state: ``open``, ``closed``, or ``probing``: one envelope goes ahead.
    :ivar trouble: of the site as a whole. ``domains``, ``senders``: what is closed there alone.
    :ivar waiting: about how many live envelopes are for it. ``streams``: of which streams.
    :ivar rate_hour: at most so many messages an hour; ``None``: no rate binds. ``rate_from``: who says so.
    :ivar out_in_seconds: how long what waits takes at that rate.
    :ivar learned: what the site said by refusing, in words.
    """

    site: str
    lane: str
    state: str
    trouble: Closed | None
    domains: Sequence[Closed]
    senders: Sequence[Closed]
    owner: str | None
    waiting: int
    streams: Mapping[str, int]
    connections: int
    rate_hour: float | None
    rate_from: str
    out_in_seconds: int | None
    learned: str

    @property
    def worst(self) -> Closed | None:
        """The widest trouble there: of the site, else of a sender or a domain; ``None``: there is none."""
        return self.trouble or next(iter([*self.senders, *self.domains]), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "site": self.site,
            "lane": self.lane,
            "state": self.state,
            "trouble": None if self.trouble is None else self.trouble.to_dict(),
            "domains": [one.to_dict() for one in self.domains],
            "senders": [one.to_dict() for one in self.senders],
            "owner": self.owner,
            "waiting": self.waiting,
            "streams": dict(self.streams),
            "connections": self.connections,
            "rate_hour": self.rate_hour,
            "rate_from": self.rate_from,
            "out_in_seconds": self.out_in_seconds,
            "learned": self.learned,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of an attempt at a site, and what was said to it."""

    at: datetime
    kind: str
    id: str
    recipient: str
    host: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "at": rfc3339(self.at),
            "kind": self.kind,
            "id": self.id,
            "recipient": self.recipient,
            "host": self.host,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDetail:
    """A site, by its name or by that of a domain whose mail goes there.

    :ivar lanes: the roads to it; most have one.
    :ivar said: what was said there last, the newest first, as far as the end of the event log goes back.
    :ivar waiting: ids of some envelopes that wait for it, those that wait longest of them first.
    """

    name: str
    at: datetime
    lanes: Sequence[SiteView]
    said: Sequence[Said] = field(default=())
    waiting: Sequence[str] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "at": rfc3339(self.at),
            "lanes": [one.to_dict() for one in self.lanes],
            "said": [one.to_dict() for one in self.said],
            "waiting": list(self.waiting),
        }


def read_site_list(knowledge: Knowledge, limit: int) -> Flow[tuple[list[SiteView], int]]:
    """The sites, those in trouble first and then those with most mail; and how many more are known.

    :raises StoreError: the store cannot be asked.
    """
    look = yield from take_look(knowledge)
    waiting = _waiting(look)
    groups = group(look)
    names = {*look.lanes, *look.owners, *waiting} - {""}
    lanes = sorted(
        (lane for lane in names if keys.is_lane(lane)),
        key=lambda lane: (*_trouble_first(look.lanes.get(lane)), -sum(waiting.get(lane, {}).values()), lane),
    )
    return [_view(look, groups, lane, waiting.get(lane)) for lane in lanes[:limit]], max(0, len(lanes) - limit)


def _trouble_first(state: LaneState | None) -> tuple[bool, bool]:
    """What a list is sorted by: a site that failed, then one that did for some."""
    if state is None:
        return True, True
    some = (*state.domains.values(), *state.senders.values())
    return not state.failures, not any(one.failures for one in some)


def read_site(knowledge: Knowledge, name: str) -> Flow[SiteDetail]:
    """One site, or that of a domain.

    :raises NotFound: nothing is known of it, nor was of late.
    """
    name = name.strip().lower().rstrip(".")[:LONGEST_NAME]
    look = yield from take_look(knowledge)
    known = yield from knowledge.current()
    domains = sorted({one.event.recipient.rpartition("@")[2].lower() for one in look.log} - {""})
    (own, *rest) = yield from repeat(read_stored_sites(HOME, [name, *domains]))
    lane_of = {domain: site.lane for domain, site in zip(domains, rest, strict=True) if site is not None}
    waiting = _waiting(look)
    named = yield from named_lanes(name)
    names = {*look.lanes, *look.owners, *waiting, *lane_of.values(), *named}
    lanes = {lane for lane in names if name in {site_of_lane(lane), lane, lane.removeprefix("?")}}
    if own is not None:
        lanes |= {own.lane, *(lane for lane in names if lane.startswith(f"{own.lane}"))}
    if not lanes:
        raise NotFound(
            f"nothing was seen of {name!r}: no trouble, no worker, and no mail for it among what was looked at; "
            f"`softbounce top` has the sites that are known, `softbounce queue --domain {name}` counts its mail"
        )
    missing = sorted(lanes - set(look.lanes))
    states = dict(zip(missing, (yield from repeat(lane_states(missing))), strict=True)) if missing else {}
    groups = group(look)
    ready: dict[str, tuple[dict[str, int], list[bytes]]] = {}
    for lane in sorted(lanes):
        ready[lane] = yield from ready_in(known.shards, lane)
    views = [
        _view(look, groups, lane, waiting.get(lane), states.get(lane), sum(ready[lane][0].values()), ready[lane][0])
        for lane in sorted(lanes)
    ]
    ours = [one.record for one in look.sample if one.record.lane in lanes]
    ours.sort(key=lambda one: one.created_ms)
    ids = [*(one for lane in sorted(lanes) for one in ready[lane][1]), *(one.id for one in ours)]
    return SiteDetail(
        name=name,
        at=look.now,
        lanes=tuple(sorted(views, key=lambda one: (one.trouble is None, -one.waiting))),
        said=tuple(_said(look, lanes, lane_of)),
        waiting=tuple(dict.fromkeys(format_id(one) for one in ids))[:MOST_WAITING],
    )


def named_lanes(name: str) -> Flow[set[str]]:
    """The lanes to a site that has this name, of those that have an owner or are remembered."""
    found: set[str] = set()
    pattern = GLOB.sub(r"\\\1", name) + "~*"
    for key in ("lane", "owner"):
        cursor: bytes | int = 0
        for _ in range(LIST_STEPS):
            call = Call.read(HOME, b"HSCAN", keys.key(HOME, key), cursor, b"MATCH", pattern, b"COUNT", LISTS_AT_ONCE)
            operation: Operation[list[StoreAnswer]] = Operation((call,), every)
            ((cursor, flat),) = yield from repeat(operation)
            found |= {lane.decode(errors="replace") for lane in flat[::2]}
            if cursor == b"0":
                break
    return {lane for lane in found if keys.is_lane(lane)}


def _waiting(look: Look) -> dict[str, dict[str, float]]:
    """Lane -> stream -> about how many."""
    found: dict[str, dict[str, float]] = {}
    for one in look.sample:
        streams = found.setdefault(one.record.lane, {})
        streams[one.record.stream] = streams.get(one.record.stream, 0.0) + one.weight
    return found


def _view(  # noqa: PLR0913, PLR0917 - what a view is made of
    look: Look,
    groups: Mapping[Place, Group],
    lane: str,
    waiting: Mapping[str, float] | None,
    state: LaneState | None = None,
    ready: int = 0,
    ready_streams: Mapping[str, int] | None = None,
) -> SiteView:
    state = look.lanes.get(lane, LaneState()) if state is None else state
    about = {stream: max(1, round(number)) for stream, number in (waiting or {}).items()}
    for stream, number in (ready_streams or {}).items():
        about[stream] = max(number, about.get(stream, 0))
    total = max(ready, sum(about.values()))
    rate, rate_from = look.binding_rate(lane)
    site = site_of_lane(lane)
    rule = look.settings.lane_rule_for(site)
    return SiteView(
        site=lane if site is None else site,
        lane=lane,
        state="closed" if is_closed(state, look.now_ms) else "probing" if state.failures else "open",
        trouble=_closed(look, site or lane, state, groups.get(Place("lane", lane))) if state.failures else None,
        domains=tuple(
            _closed(look, name, one, groups.get(Place("domain", lane, name)))
            for name, one in state.domains.items()
            if one.failures
        ),
        senders=tuple(
            _closed(look, name or "<>", one, groups.get(Place("sender", lane, name)))
            for name, one in state.senders.items()
            if one.failures
        ),
        owner=look.owners.get(lane),
        waiting=total,
        streams=dict(sorted(about.items(), key=lambda one: -one[1])),
        connections=rule.connections,
        rate_hour=round(rate * 3600, 1) or None,
        rate_from=rate_from,
        out_in_seconds=round(total / rate) if rate and total else None,
        learned=_learned(look, state),
    )


def _closed(look: Look, name: str, seen: Any, behind: Group | None) -> Closed:  # noqa: ANN401 - a SeenState of any kind
    return Closed(
        name=name,
        why=trouble_words(seen),
        failures=seen.failures,
        next_at=from_epoch_ms(seen.closed_until_ms) if is_closed(seen, look.now_ms) else None,
        waiting=0 if behind is None else behind.about,
    )


def _learned(look: Look, state: LaneState) -> str:
    learned = state.learned
    if not learned.learnt_ms or learned.until_ms <= look.now_ms:
        return ""
    parts = [f"{number} connections to {address}" for address, number in list(learned.addresses.items())[:4]]
    parts += [f"{learned.connections} connections in all"] if learned.connections else []
    parts += [f"{learned.rate * 60:.3g} messages a minute"] if learned.rate else []
    when = in_words(look.now - from_epoch_ms(learned.learnt_ms))
    return f"It takes {', '.join(parts)}: found {when} ago by what it refused." if parts else ""


def _said(look: Look, lanes: set[str], lane_of: Mapping[str, str]) -> list[Said]:
    found: list[Said] = []
    hosts = {site: lane for lane in lanes if (site := site_of_lane(lane))}
    for at_ms, event in look.log:
        if not event.stage or _lane_of(event, hosts, lane_of) not in lanes:
            continue
        words = " ".join(str(one) for one in (event.code, event.enhanced, event.text or event.why) if one)
        found.append(
            Said(
                at=from_epoch_ms(at_ms),
                kind=event.kind,
                id=format_id(event.id),
                recipient=event.recipient,
                host=event.host or "",
                words=words,
            )
        )
        if len(found) == MOST_SAID:
            break
    return found


def _lane_of(event: StoredEvent, hosts: Mapping[str, str], lane_of: Mapping[str, str]) -> str:
    """Where it was tried: the host that answered may be a route's, of which its domain knows nothing."""
    at = hosts.get((event.host or "").lower())
    return at or lane_of.get(event.recipient.rpartition("@")[2].lower(), "")


def ready_in(shards: int, lane: str) -> Flow[tuple[dict[str, int], list[bytes]]]:
    """How many are ready in a lane, by stream, and ids of the first. Bounded: some of the lists that have work."""
    streams: dict[str, int] = {}
    heads: list[bytes] = []
    pattern = GLOB.sub(r"\\\1", lane) + "|*"
    for shard in range(shards):
        names = yield from _lists(shard, pattern)
        if not names:
            continue
        lengths, first = yield from repeat(_lengths(shard, names))
        for name, length in zip(names, lengths, strict=True):
            place = keys.parse_ready_name(name)
            if place is not None and place.lane == lane:
                streams[place.stream] = streams.get(place.stream, 0) + length
        heads += first
    return streams, heads


def _lists(shard: int, pattern: str) -> Flow[list[bytes]]:
    """Names of a lane's ready lists."""
    found: list[bytes] = []
    cursor: bytes | int = 0
    for _ in range(LIST_STEPS):
        call = Call.read(shard, b"SSCAN", keys.key(shard, "lanes"), cursor, b"MATCH", pattern, b"COUNT", LISTS_AT_ONCE)
        operation: Operation[list[StoreAnswer]] = Operation((call,), every)
        ((cursor, names),) = yield from repeat(operation)
        found += names
        if cursor == b"0" or len(found) >= MOST_LISTS:
            break
    return found[:MOST_LISTS]


def _lengths(shard: int, names: Sequence[bytes]) -> Operation[tuple[list[int], list[bytes]]]:
    lists = [keys.ready_of(shard, name) for name in names]
    calls = [Call.read(shard, b"LLEN", one) for one in lists]
    calls += [Call.read(shard, b"LRANGE", one, 0, 2) for one in lists[:MOST_WAITING]]

    def read(answers: list[StoreAnswer]) -> tuple[list[int], list[bytes]]:
        told = every(answers)
        return told[: len(lists)], [one for some in told[len(lists) :] for one in some]

    return Operation(calls, read)
