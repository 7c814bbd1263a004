"""A lane as its sessions see it: whose they are, where its hosts are, and whether anything waits for them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from softbounce_worker.lane.lane_road import LaneRoad
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.session.dialling import Failed, Opening
from softbounce_worker.session.session import LaneSide

__all__ = ["SessionsLane"]


class SessionsLane(LaneSide, Protocol):
    """What the sessions of a lane need of it, together."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name."""

    @property
    @abstractmethod
    def way(self) -> LaneRoad:
        """Its road."""

    @property
    @abstractmethod
    def hosts(self) -> SiteHosts:
        """The hosts of its site."""

    @property
    @abstractmethod
    def is_probing(self) -> bool:
        """Whether it feels its way: only a canary may go."""

    @property
    @abstractmethod
    def is_shared(self) -> bool:
        """Whether several domains are known to go there."""

    @property
    @abstractmethod
    def has_some_waiting(self) -> bool:
        """Whether anything waits for a session."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How many do, in the store too, as far as is known."""

    def no_session(self, failed: Failed, opening: Opening) -> None:
        """None could be had."""

    def pump(self) -> None:
        """See that there are sessions for what waits."""
