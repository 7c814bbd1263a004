"""Has a session for a lane: where its site's hosts are now, in which order they are asked, and how many may stand."""

from __future__ import annotations

from random import Random

from softbounce.reply import Trouble
from softbounce.settings import LaneRule
from softbounce.stage import Stage
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.route import Router
from softbounce_worker.session.dialling import Dialled, Dialling, Failed, Opening

__all__ = ["SiteDialling"]


class SiteDialling:
    """The way from a site's name to a session.

    :param per_address: sessions at one address, where a lane's rule allows no more.
    """

    def __init__(self, router: Router, dialling: Dialling, per_address: int) -> None:
        self._router = router
        self._dialling = dialling
        self._per_address = per_address
        self._random = Random()  # noqa: S311 - which of equal hosts comes first is no secret

    async def open(self, lane: str, hosts: SiteHosts, rule: LaneRule, opening: Opening) -> Dialled | Failed:
        """Open a session with one of the lane's hosts, and with a shunned one only where no other can be had."""
        route = await self._router.reach(lane, hosts.listed)
        if isinstance(route, Trouble):
            return Failed(what=route, stage=Stage.ROUTE, host=None, address=None)
        hosts.learn(route)
        places = [(host.name, host.addresses) for host in route.in_order(self._random)]
        return await self._dialling.open(places, rule.most_at_address(self._per_address), opening)
