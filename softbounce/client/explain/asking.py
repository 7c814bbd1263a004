"""Gathers what an explanation of an envelope needs: its record, its lane, its place there, who is at work."""

from __future__ import annotations

from softbounce.client.explain.explanation import explanation
from softbounce.client.explain.situation import Situation
from softbounce.client.flow import Flow, repeat
from softbounce.client.held_streams import read_held_streams
from softbounce.client.knowledge import Knowledge
from softbounce.client.record import find_record, may_have_come_back
from softbounce.client.selection import site_of_lane
from softbounce.client.standing_holds import shown_of as shown_hold
from softbounce.client.suppressions.asking import mail_of, suppressed_among
from softbounce.envelope import Record, State
from softbounce.ids import shard_of
from softbounce.routing import USUAL, lane_for, road_for
from softbounce.settings import Settings
from softbounce.site import shown_of
from softbounce.standing import StandingHolds
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.lanes import lane_states
from softbounce.store.membership import leases
from softbounce.store.returns import came_back
from softbounce.store.sites import Site, read_sites
from softbounce.store.standing_holds import read_standing

__all__ = ["explain", "find_situation"]

DEEPEST_LOOK = 20_000
"""How far into a lane's list an envelope is looked for."""


def explain(knowledge: Knowledge, identity: str) -> Flow[str]:
    """In words: why an envelope is where it is, what binds now, what happens next and when.

    :raises NotFound: there is none (any more).
    """
    return explanation((yield from find_situation(knowledge, identity)))


def find_situation(knowledge: Knowledge, identity: str) -> Flow[Situation]:
    """An envelope and what surrounds it.

    :raises NotFound: there is none (any more).
    """
    known = yield from knowledge.current()
    record, now_ms = yield from find_record(identity)
    reports = (yield from repeat(came_back(record.id))) if may_have_come_back(record) else ()
    if record.state.is_final:
        return Situation(
            record=record, settings=known.settings, now_ms=now_ms, lane_name=record.lane, came_back=reports
        )
    (site,) = yield from repeat(read_sites(shard_of(record.id), [record.envelope.domain]))
    lane_name = _next_lane(record, site, known.settings)
    (lane,) = yield from repeat(lane_states([lane_name]))
    alive = yield from repeat(leases())
    live = {name for name, end in alive.ends.items() if end >= alive.now_ms}
    owner, waiting, before = yield from repeat(_line(record, lane_name))
    streams = yield from read_held_streams(None)
    met = StandingHolds((yield from repeat(read_standing()))).meet(record, now_ms, lane_name)
    (suppressed,) = yield from suppressed_among(knowledge, [mail_of(record)])
    is_waiting = record.state is State.READY
    return Situation(
        record=record,
        settings=known.settings,
        now_ms=now_ms,
        lane_name=lane_name,
        lane=lane,
        owner=owner if owner in live else None,
        workers=len(live),
        waiting=waiting if is_waiting else 0,
        before=before if is_waiting else None,
        stream_hold=next((one for one in streams if one.stream == record.stream), None),
        standing=None if met is None else shown_hold(*met),
        suppressed=suppressed,
        came_back=reports,
    )


def _next_lane(record: Record, site: Site | None, settings: Settings) -> str:
    """The lane that will take it: its own, or, where it waits for its domain, the one that this leads to."""
    if record.state is not State.SCHEDULED or site_of_lane(record.lane) is not None:
        return record.lane
    choice = road_for(settings, record, None if site is None else shown_of(site.lane)) or USUAL
    if site is None and not choice.road.is_relay:
        return record.lane
    return lane_for(settings, choice.road, "" if site is None else site.lane, record.id)


def _line(record: Record, lane_name: str) -> Operation[tuple[str | None, int, int | None]]:
    """Who has the lane, how many entries its list has in this shard, and how many of them are before this envelope."""
    shard = shard_of(record.id)
    waiting = keys.ready(shard, keys.ready_name(record.lane, record.stream, record.share))
    calls = (
        Call.read(keys.HOME, b"HGET", keys.key(keys.HOME, "owner"), lane_name),
        Call.read(shard, b"LLEN", waiting),
        Call.read(shard, b"LPOS", waiting, record.id, b"MAXLEN", DEEPEST_LOOK),
    )

    def read(answers: list[StoreAnswer]) -> tuple[str | None, int, int | None]:
        owner, length, position = every(answers)
        return None if owner is None else owner.decode(), length, position

    return Operation(calls, read)
