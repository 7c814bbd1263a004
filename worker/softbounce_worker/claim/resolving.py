"""Finds out where a domain's mail belongs, and sends claimed envelopes there.

The lane ``?domain`` is a lane like any other whose owner only resolves it. Known, its envelopes move uncharged to the
lane of its site: at once to sessions, as far as this process has that lane and it wants more, else by that lane's list.
NXDOMAIN and null MX end in a bounce; a temporary failure closes the lane ``?domain`` for its backoff. A known domain
that later fails to resolve, or takes long to, goes back there, and one that moved away goes on to its new site: nobody
else waits for it.

Mail that takes another road goes to that road's lane: a smarthost's without any look at its domain's DNS, unless a
route asks for the site.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.reply import Trouble
from softbounce.road import Road, base_of
from softbounce.routing import USUAL, road_for
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store import keys
from softbounce.store.sites import Site
from softbounce.transitions import Seen
from softbounce_worker.claim.recently import Recently
from softbounce_worker.lane.lane import Lane
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.route import Route, Router
from softbounce_worker.route.known_domains import KnownDomains
from softbounce_worker.work import Work

__all__ = ["DomainResolution"]

LED = 3600.0
"""Seconds for which a domain's mail is known to go by a smarthost: until settings say otherwise, which is told."""
TO_AND_FRO_MS = 10_000
MOMENT = 1.0
"""Seconds that a site's lane waits for DNS about one of its domains: what is looked up takes the place of others."""
log = structlog.get_logger("softbounce.worker")


class DomainResolution:
    """The way from a domain to the lane of its site.

    :param own: has this process own a lane, if it can.
    """

    def __init__(
        self, process: WorkerProcess, router: Router, ledger: ClaimLedger, own: Callable[[str], Awaitable[Lane | None]]
    ) -> None:
        self._process = process
        self._router = router
        self._ledger = ledger
        self._own = own
        self._known = KnownDomains(process.store, process.shards)
        self._sent_away = Recently(TO_AND_FRO_MS / 1000, process.loop.time)
        self._looked_up: dict[str, tuple[asyncio.Future[Route | Trouble], float]] = {}

    def resolve(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Find out where a domain's claimed mail belongs, and send it there."""
        lane.resolving += len(works)
        relayed, others = self._by_road(works)
        for road, some in relayed.items():
            self._process.spawn(self._send(lane, domain, some, road))
        if others:
            self._process.spawn(self._send(lane, domain, others))
        lane.changed()

    def _by_road(self, works: list[Work]) -> tuple[dict[Road, list[Work]], list[Work]]:
        """Those that smarthosts get, by the road, and all others: those whose site has to be known first, too."""
        relayed: dict[Road, list[Work]] = {}
        others: list[Work] = []
        for work in works:
            choice = road_for(self._process.settings, work.record, None)
            if choice is not None and choice.road.is_relay:
                relayed.setdefault(choice.road, []).append(work)
            else:
                others.append(work)
        return relayed, others

    async def _send(self, lane: Lane, domain: str, works: list[Work], relay: Road | None = None) -> None:
        """Send claimed envelopes of one domain where they belong; where a fault of ours hinders that, later."""
        ledger = self._ledger
        try:
            try:
                route = await self._route_of(domain, lane) if relay is None else None
            finally:
                lane.resolving -= len(works)
                lane.changed()
            try:
                if relay is None:
                    await self._send_on(lane, domain, works, route)
                else:
                    await self._send_by(lane, domain, works, relay)
            finally:
                lane.changed()
        except asyncio.CancelledError:
            ledger.give_back([work for work in works if ledger.has(work)])
            raise
        except Exception as error:  # noqa: BLE001 - said for each of them
            for work in works:
                if ledger.has(work):
                    ledger.put_off(work, error, may_be_taken=False)

    async def _route_of(self, domain: str, lane: Lane) -> Route | Trouble | None:
        """Where its mail goes; none: that takes longer than those can wait who share its site's lane."""
        loop = self._process.loop
        if lane.name.startswith("?"):
            return await self._router.route(domain)
        if domain not in self._looked_up:
            answer: asyncio.Future[Route | Trouble] = loop.create_future()
            self._looked_up[domain] = answer, loop.time() + MOMENT
            self._process.spawn(self._look_up(domain, answer))
        answer, until = self._looked_up[domain]
        await asyncio.wait([answer], timeout=max(0.0, until - loop.time()))
        return answer.result() if answer.done() else None

    async def _look_up(self, domain: str, answer: asyncio.Future[Route | Trouble]) -> None:
        try:
            answer.set_result(await self._router.route(domain))
        except Exception as error:  # noqa: BLE001 - said by those that wait for it
            answer.set_exception(error)
        finally:
            del self._looked_up[domain]
            answer.cancel()  # does nothing where it came

    async def _send_on(self, lane: Lane, domain: str, works: list[Work], route: Route | Trouble | None) -> None:
        process = self._process
        if route is None:
            self._wait_apart(domain, works)
            return
        if isinstance(route, Trouble):
            await self._no_route(lane, domain, works, route)
            return
        site = Site(lane=route.site, learnt_ms=process.clock.now_ms(keys.HOME))
        if lane.way.is_relay or route.site == base_of(lane.name):
            await self._known.use(domain, site)
        else:
            await self._known.learn(domain, site)
            lane.seek_astray()
        together: dict[Road, list[Work]] = {}
        for work in works:
            choice = road_for(process.settings, work.record, route.shown) or USUAL
            together.setdefault(choice.road, []).append(work)
        for road, some in together.items():
            await self._send_by(lane, domain, some, road, route)

    async def _send_by(
        self, lane: Lane, domain: str, works: list[Work], road: Road, route: Route | None = None
    ) -> None:
        """Send them to the lane of a road.

        :param route: to MX hosts; a smarthost's lane needs none.
        """
        process = self._process
        if lane.name.startswith("?") and lane.trouble.is_probing:
            lane.reopen()
        name = road.lane_of("" if route is None else route.site)
        carrier: Lane | None = lane
        if name != lane.name:
            for work in works:
                work.record.lane, work.record.envelope.site = name, shown_of(name)
                work.turn = 0
            carrier = await self._own(name)
        lane.forwards_only = lane is not carrier
        if carrier is None:
            self._send_away(works)
            return
        carrier.learn(domain, process.loop.time() + (LED if road.is_relay or route is None else route.ttl))
        if route is not None and not road.is_relay:
            carrier.hosts.learn(route)
        fit = len(works) if carrier is lane and not lane.is_closed else carrier.has_room_for()
        if fit:
            carrier.add(works[:fit])
        self._ledger.give_back(works[fit:])

    def _send_away(self, works: list[Work]) -> None:
        """Whoever has, or shall have, that lane is told when they are there.

        One that comes back at once waits a while: its owner does not know the road, or knows another.
        """
        has_routes = bool(self._process.settings.route)
        again = [work for work in works if has_routes and self._sent_away.is_again(work.record.id)]
        for work in again:
            now_ms = self._process.clock.now_of(work.record.id)
            self._ledger.commit(work, transitions.postpone(work.record, now_ms + TO_AND_FRO_MS, now_ms))
        self._ledger.give_back([work for work in works if work not in again] if again else works)

    async def _no_route(self, lane: Lane, domain: str, works: list[Work], trouble: Trouble) -> None:
        process = self._process
        if trouble.permanent:
            verdict = classify(trouble, stage=Stage.ROUTE, site=None, settings=process.settings)
            lane.forwards_only = True
            for work in works:
                now_ms = process.clock.now_of(work.record.id)
                seen = Seen(what=trouble, stage=Stage.ROUTE, started_ms=now_ms, ended_ms=now_ms)
                self._ledger.commit(work, lane.outcomes.unroutable(work, seen, verdict))
        elif lane.name.startswith("?"):
            lane.outcomes.no_route(works, trouble)
        else:
            self._wait_apart(domain, works)

    def _wait_apart(self, domain: str, works: list[Work]) -> None:
        """A domain that was known waits in a lane of its own, not in its site's."""
        for work in works:
            work.record.lane = f"?{domain}"
        self._ledger.give_back(works)
