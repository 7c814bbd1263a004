"""Has a session for a lane: where its site's hosts are now, in which order they are asked, and how many may stand."""

from __future__ import annotations

from random import Random

from softbounce.reply import Trouble, TroubleKind
from softbounce.road import Road, base_of
from softbounce.settings import LaneRule
from softbounce.stage import Stage
from softbounce_worker.lane.roads import Roads
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.route import Route, Router
from softbounce_worker.session.dialling import Dialled, Failed, Opening

__all__ = ["SiteDialling"]


class SiteDialling:
    """The way from a site's name to a session.

    :param per_address: sessions at one address, where a lane's rule allows no more.
    """

    def __init__(self, router: Router, roads: Roads, per_address: int) -> None:
        self._router = router
        self._roads = roads
        self._per_address = per_address
        self._random = Random()  # noqa: S311 - which of equal hosts comes first is no secret

    async def open(
        self, lane: str, road: Road | None, hosts: SiteHosts, rule: LaneRule, opening: Opening
    ) -> Dialled | Failed:
        """Open a session with one of the lane's hosts, and with a shunned one only where no other can be had.

        :param road: none: no published route has it.
        """
        if road is None or not self._roads.may_take(road):
            text = "this process was not told of such a route by its own configuration, so it does not take it"
            trouble = Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.3.5")
            return Failed(what=trouble, stage=Stage.ROUTE, host=None, address=None, is_ours=True)
        found = await self._find(lane, road, hosts)
        if isinstance(found, Trouble):
            return Failed(what=found, stage=Stage.ROUTE, host=None, address=None)
        hosts.learn(found)
        places = [(host.name, host.addresses) for host in hosts.fitting(found).in_order(self._random)]
        if not places:
            text = f"no host of it has an address that may be dialled from here (family {hosts.families.wanted})"
            trouble = Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.4.1")
            return Failed(what=trouble, stage=Stage.ROUTE, host=None, address=None)
        return await self._roads.dialling(road).open(places, rule.most_at_address(self._per_address), opening)

    async def _find(self, lane: str, road: Road, hosts: SiteHosts) -> Route | Trouble:
        if road.is_relay:
            return await self._router.relays.find(road)
        return await self._router.reach(base_of(lane), hosts.listed)
