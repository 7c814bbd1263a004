"""Finds out where a domain's mail belongs, and sends claimed envelopes there.

The lane ``?domain`` is a lane like any other whose owner only resolves it. Known, its list leads to its site's lane:
of this process, which then claims from that list itself, or of another, to which the envelopes move uncharged. NXDOMAIN
and null MX end in a bounce; a temporary failure closes the lane ``?domain`` for its backoff. A known domain that later
fails to resolve goes back there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.reply import Trouble
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store import keys
from softbounce.store.sites import Site
from softbounce.transitions import Seen

from .aside import put_off
from .known_domains import KnownDomains
from .work import Work

if TYPE_CHECKING:
    from .engine import DeliveryEngine
    from .lane import Lane
    from .route import Route

__all__ = ["Passage", "move_to"]

log = structlog.get_logger("softbounce.worker")


def move_to(lane: str, works: Sequence[Work]) -> None:
    """Note in envelopes that their mail goes by this site's lane."""
    for work in works:
        work.record.lane = lane
        work.record.envelope.site = shown_of(lane)


class Passage:
    """The way from a domain to the lane of its site."""

    def __init__(self, engine: DeliveryEngine) -> None:
        self._engine = engine
        self._known = KnownDomains(engine.store, engine.shards)

    async def resolve(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Send claimed envelopes of one domain where they belong; where a fault of ours hinders that, later."""
        engine = self._engine
        try:
            try:
                route = await engine.router.route(domain)
            finally:
                lane.resolving -= len(works)
                engine.lanes.changed(lane)
            try:
                await self._send_on(lane, domain, works, route)
            finally:
                engine.lanes.changed(lane)
        except asyncio.CancelledError:
            engine.give_back([work for work in works if engine.has(work)])
            raise
        except Exception as error:  # noqa: BLE001 - said for each of them
            for work in works:
                if engine.has(work):
                    put_off(engine, work, error, may_be_taken=False)

    async def _send_on(self, lane: Lane, domain: str, works: list[Work], route: Route | Trouble) -> None:
        engine = self._engine
        if isinstance(route, Trouble):
            await self._no_route(lane, works, route)
            return
        carrier = lane
        if lane.name.startswith("?") and lane.state.failures:
            lane.reopen()
        site = Site(lane=route.site, learnt_ms=engine.clock.now_ms(keys.HOME))
        if route.site == lane.name:
            await self._known.use(domain, site)
        else:
            await self._known.learn(domain, site)
            move_to(route.site, works)
            target = await engine.own(route.site)
            if target is None:
                lane.is_passage = True
                engine.give_back(works)  # whoever has, or shall have, that lane is told when they are there
                return
            if lane.name == f"?{domain}":
                lane.follow(target)
            carrier = target
        carrier.learn(domain, engine.loop.time() + route.ttl)
        carrier.hosts.learn(route)
        if carrier.is_closed or carrier.is_ending:
            engine.give_back(works)
        else:
            carrier.add(works)

    async def _no_route(self, lane: Lane, works: list[Work], trouble: Trouble) -> None:
        engine = self._engine
        if trouble.permanent:
            verdict = classify(trouble, stage=Stage.ROUTE, site=None, settings=engine.settings)
            lane.is_passage = True
            for work in works:
                now_ms = engine.clock.now_of(work.record.id)
                seen = Seen(what=trouble, stage=Stage.ROUTE, started_ms=now_ms, ended_ms=now_ms)
                engine.commit(work, transitions.conclude(work.record, seen, verdict, engine.settings, now_ms))
        elif lane.name.startswith("?"):
            lane.outcomes.no_route(works, trouble)
        else:  # a domain that was known: it waits in a lane of its own, not in its site's
            unresolved = f"?{works[0].record.envelope.domain}"
            for work in works:
                work.record.lane = unresolved
            engine.give_back(works)
