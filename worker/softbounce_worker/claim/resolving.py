"""Finds out where a domain's mail belongs, and sends claimed envelopes there.

The lane ``?domain`` is a lane like any other whose owner only resolves it. Known, its envelopes move uncharged to the
lane of its site: at once to sessions, as far as this process has that lane and it wants more, else by that lane's list.
Where many wait, the store moves them without anybody claiming them.
NXDOMAIN and null MX end in a bounce; a temporary failure closes the lane ``?domain`` for its backoff. A known domain
that later fails to resolve, or takes long to, goes back there, and one that moved away goes on to its new site: nobody
else waits for it. What the domain's own policy asks of TLS (:mod:`softbounce_worker.mta_sts`) is found out with it, and
in the same way nobody else waits for that.

Mail that takes another road goes to that road's lane: a smarthost's without any look at its domain's DNS, unless a
route asks for the site.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.errors import StoreError
from softbounce.reply import Trouble
from softbounce.road import Road, base_of, part_of
from softbounce.routing import USUAL, lanes_of, part_for, road_by_header, road_for
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store import keys
from softbounce.store.rerouting import reroute
from softbounce.store.sites import Site
from softbounce.store.sts_policies import StsPolicy
from softbounce.transitions import Seen
from softbounce_worker.claim.recently import Recently
from softbounce_worker.lane.lane import Lane
from softbounce_worker.lane.ready_lists import ListName
from softbounce_worker.mta_sts.policies import StsPolicies
from softbounce_worker.posture import Sts
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.route import Route, Router
from softbounce_worker.route.known_domains import KnownDomains
from softbounce_worker.route.mail_hosts import is_host_name
from softbounce_worker.tls_results.tally import TlsTally
from softbounce_worker.work import Work

__all__ = ["DomainResolution"]

LED = 3600.0
"""Seconds for which a domain's mail is known to go by a smarthost: until settings say otherwise, which is told."""
TO_AND_FRO_MS = 10_000
MOMENT = 1.0
"""Seconds that a site's lane waits for DNS about one of its domains: what is looked up takes the place of others."""
MANY = 100
"""More than so many that wait in a domain's lists are not worth a claim and a look at each."""
log = structlog.get_logger("softbounce.worker")


class Way(NamedTuple):
    """Where a domain's mail goes, and what its policy asks of TLS there."""

    route: Route
    sts: Sts | None


def _asked_at(route: Route, policy: StsPolicy) -> Sts | None:
    if policy.mode == "none":
        return None
    forbids = frozenset(host.name for host in route.listed if not policy.names(host.name))
    return Sts(forbids=forbids, is_testing=policy.mode == "testing")


class DomainResolution:
    """The way from a domain to the lane of its site.

    :ivar policies: what domains themselves ask of TLS.
    :param own: has this process own a lane, if it can.
    :param lanes: those that it has.
    :param note: told of each ready list (shard, lane, stream, share) that has entries.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        process: WorkerProcess,
        router: Router,
        ledger: ClaimLedger,
        tally: TlsTally,
        *,
        own: Callable[[str], Awaitable[Lane | None]],
        lanes: Mapping[str, Lane],
        note: Callable[[int, str, str, int], object],
    ) -> None:
        self._process = process
        self._router = router
        self._ledger = ledger
        self._own = own
        self._lanes = lanes
        self._note = note
        self._known = KnownDomains(process.store, process.shards)
        self._sent_away = Recently(TO_AND_FRO_MS / 1000, process.loop.time)
        self.policies = StsPolicies(process, router, tally, self._roots_for)
        self._looked_up: dict[str, tuple[asyncio.Future[Way | Trouble], float]] = {}

    def _roots_for(self, domain: str) -> str | None:
        _, rule = self._process.settings.tls_rule_for(domain=domain, site=None)
        return rule.roots

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
                way = await self._way_of(domain, lane) if relay is None else None
            finally:
                lane.resolving -= len(works)
                lane.changed()
            try:
                if relay is None:
                    await self._send_on(lane, domain, works, way)
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

    async def _way_of(self, domain: str, lane: Lane) -> Way | Trouble | None:
        """Where its mail goes; none: that takes longer than those can wait who share its site's lane."""
        loop = self._process.loop
        if lane.name.startswith("?"):
            return await self._find(domain)
        if domain not in self._looked_up:
            answer: asyncio.Future[Way | Trouble] = loop.create_future()
            self._looked_up[domain] = answer, loop.time() + MOMENT
            self._process.spawn(self._look_up(domain, answer))
        answer, until = self._looked_up[domain]
        await asyncio.wait([answer], timeout=max(0.0, until - loop.time()))
        return answer.result() if answer.done() else None

    async def _look_up(self, domain: str, answer: asyncio.Future[Way | Trouble]) -> None:
        try:
            answer.set_result(await self._find(domain))
        except Exception as error:  # noqa: BLE001 - said by those that wait for it
            answer.set_exception(error)
        finally:
            del self._looked_up[domain]
            answer.cancel()  # does nothing where it came

    async def _find(self, domain: str) -> Way | Trouble:
        """Where its mail goes, and what its policy asks for there.

        One after the other: where no mail can go no policy is needed, and a storm of new domains is answered the
        sooner the less each asks at a time.
        """
        route = await self._router.route(domain)
        if isinstance(route, Trouble):
            return route
        policy = await self.policies.of(domain) if is_host_name(domain) else None
        sts = None
        if isinstance(policy, StsPolicy):
            sts = _asked_at(route, policy)
            if sts is not None and sts.forbids:
                policy = await self.policies.of_again(domain, policy)
                sts = _asked_at(route, policy) if isinstance(policy, StsPolicy) else None
        return policy if isinstance(policy, Trouble) else Way(route, sts)

    async def _send_on(self, lane: Lane, domain: str, works: list[Work], way: Way | Trouble | None) -> None:
        process = self._process
        if way is None:
            self._wait_apart(domain, works)
            return
        if isinstance(way, Trouble):
            await self._no_route(lane, domain, works, way)
            return
        route = way.route
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
            await self._send_by(lane, domain, some, road, way)

    async def _send_by(self, lane: Lane, domain: str, works: list[Work], road: Road, way: Way | None = None) -> None:
        """Send them to the lane of a road.

        :param way: to MX hosts; a smarthost's lane needs none.
        """
        if lane.name.startswith("?") and lane.trouble.is_probing:
            lane.reopen()
        site = "" if way is None else way.route.site
        lanes = lanes_of(self._process.settings, road, site)
        by_lane: dict[str, list[Work]] = {}
        for work in works:
            by_lane.setdefault(lanes[part_for(work.record.id, len(lanes))], []).append(work)
        for name, some in by_lane.items():
            await self._send_to(lane, domain, some, name, None if road.is_relay else way)
        if lane.name == f"?{domain}" and lane.lists.entries > MANY:
            await self._move_lists(lane, domain, None if way is None else way.route.site)

    async def _send_to(self, lane: Lane, domain: str, works: list[Work], name: str, way: Way | None) -> None:
        carrier: Lane | None = lane
        if name != lane.name:
            for work in works:
                work.record.lane, work.record.envelope.site = name, shown_of(name)
                work.turn = 0.0
            carrier = self._lanes.get(name) if part_of(name) else await self._own(name)  # others shall have parts too
        lane.forwards_only = lane is not carrier
        if carrier is None:
            self._send_away(works)
        else:
            self._hand_over(lane, carrier, domain, works, way)

    def _hand_over(self, lane: Lane, carrier: Lane, domain: str, works: list[Work], way: Way | None) -> None:
        now = self._process.loop.time()
        if way is None:
            carrier.learn(domain, now + LED)
        else:
            carrier.learn(domain, now + way.route.ttl, way.sts, dane=way.route.is_secure)
            carrier.hosts.learn(way.route)
        fit = len(works) if carrier is lane and not lane.is_closed else carrier.has_room_for()
        if fit:
            carrier.add(works[:fit])
        self._ledger.give_back(works[fit:])

    async def _move_lists(self, lane: Lane, domain: str, site: str | None) -> None:
        """What nobody has claimed yet goes to the lists where it belongs, as far as that is known without reading it.

        :param site: the domain's; ``None``: it was not looked up.
        """
        process = self._process
        moving: dict[ListName, list[str]] = {}
        for name in lane.lists:
            choice = road_by_header(process.settings, domain=domain, stream=name.stream)
            if choice is not None and (site is not None or choice.road.is_relay):
                moving[name] = lanes_of(process.settings, choice.road, site or "")
        lane.lists.take(moving)
        for (shard, stream, listed, share), belongs in moving.items():
            left = 1
            try:
                while left and not process.begins_nothing:
                    left = await process.store.run(reroute(shard, (listed, stream, share), belongs))
                    for one in belongs:
                        self._note(shard, one, stream, share)
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
            if left:
                self._note(shard, listed, stream, share)

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
                self._ledger.commit(work, lane.untried.unroutable(work, seen, verdict))
        elif lane.name.startswith("?"):
            lane.untried.no_route(works, trouble)
        else:
            self._wait_apart(domain, works)

    def _wait_apart(self, domain: str, works: list[Work]) -> None:
        """A domain that was known waits in a lane of its own, not in its site's."""
        for work in works:
            work.record.lane = f"?{domain}"
        self._ledger.give_back(works)
