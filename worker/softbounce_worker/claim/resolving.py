"""Finds out where a domain's mail belongs, and sends claimed envelopes there.

The lane ``?domain`` is a lane like any other whose owner only resolves it. Known, its envelopes move uncharged to the
lane of its site: at once to sessions, as far as this process has that lane and it wants more, else by that lane's list.
NXDOMAIN and null MX end in a bounce; a temporary failure closes the lane ``?domain`` for its backoff. A known domain
that later fails to resolve, or takes long to, goes back there, and one that moved away goes on to its new site: nobody
else waits for it. What the domain's own policy asks of TLS (:mod:`softbounce_worker.mta_sts`) is found out with it, and
in the same way nobody else waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.reply import Trouble
from softbounce.stage import Stage
from softbounce.store import keys
from softbounce.store.sites import Site
from softbounce.store.sts_policies import StsPolicy
from softbounce.transitions import Seen
from softbounce_worker.lane.lane import Lane
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

MOMENT = 1.0
"""Seconds that a site's lane waits for DNS about one of its domains: what is looked up takes the place of others."""
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
    """

    def __init__(
        self,
        process: WorkerProcess,
        router: Router,
        ledger: ClaimLedger,
        tally: TlsTally,
        own: Callable[[str], Awaitable[Lane | None]],
    ) -> None:
        self._process = process
        self._router = router
        self._ledger = ledger
        self._own = own
        self._known = KnownDomains(process.store, process.shards)
        self.policies = StsPolicies(process, router, tally, self._roots_for)
        self._looked_up: dict[str, tuple[asyncio.Future[Way | Trouble], float]] = {}

    def _roots_for(self, domain: str) -> str | None:
        _, rule = self._process.settings.tls_rule_for(domain=domain, site=None)
        return rule.roots

    def resolve(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Find out where a domain's claimed mail belongs, and send it there."""
        lane.resolving += len(works)
        lane.changed()
        self._process.spawn(self._send(lane, domain, works))

    async def _send(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Send claimed envelopes of one domain where they belong; where a fault of ours hinders that, later."""
        ledger = self._ledger
        try:
            try:
                way = await self._way_of(domain, lane)
            finally:
                lane.resolving -= len(works)
                lane.changed()
            try:
                await self._send_on(lane, domain, works, way)
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
        if lane.name.startswith("?") and lane.trouble.is_probing:
            lane.reopen()
        site = Site(lane=route.site, learnt_ms=process.clock.now_ms(keys.HOME))
        carrier: Lane | None = lane
        if route.site == lane.name:
            await self._known.use(domain, site)
        else:
            await self._known.learn(domain, site)
            lane.seek_astray()
            for work in works:
                work.record.lane, work.record.envelope.site = route.site, route.shown
                work.turn = 0
            carrier = await self._own(route.site)
        lane.forwards_only = lane is not carrier
        if carrier is None:
            self._ledger.give_back(works)  # whoever has, or shall have, that lane is told when they are there
            return
        carrier.learn(domain, process.loop.time() + route.ttl, way.sts, dane=route.is_secure)
        carrier.hosts.learn(route)
        fit = len(works) if carrier is lane and not lane.is_closed else carrier.has_room_for()
        if fit:
            carrier.add(works[:fit])
        self._ledger.give_back(works[fit:])

    async def _no_route(self, lane: Lane, domain: str, works: list[Work], trouble: Trouble) -> None:
        process = self._process
        if trouble.permanent:
            verdict = classify(trouble, stage=Stage.ROUTE, site=None, settings=process.settings)
            lane.forwards_only = True
            for work in works:
                now_ms = process.clock.now_of(work.record.id)
                seen = Seen(what=trouble, stage=Stage.ROUTE, started_ms=now_ms, ended_ms=now_ms)
                self._ledger.commit(work, transitions.conclude(work.record, seen, verdict, process.settings, now_ms))
        elif lane.name.startswith("?"):
            lane.outcomes.no_route(works, trouble)
        else:
            self._wait_apart(domain, works)

    def _wait_apart(self, domain: str, works: list[Work]) -> None:
        """A domain that was known waits in a lane of its own, not in its site's."""
        for work in works:
            work.record.lane = f"?{domain}"
        self._ledger.give_back(works)
