"""What is needed of a lane to conclude what its sessions had."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from softbounce.settings import LaneRule
from softbounce_worker.lane.backlog import Backlog
from softbounce_worker.lane.lane_road import LaneRoad
from softbounce_worker.lane.lane_trouble import LaneTrouble
from softbounce_worker.lane.sessions import LaneSessions
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.work import Work

__all__ = ["ConcludedLane"]


class ConcludedLane(Protocol):
    """What is needed of a lane to conclude what its sessions had."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name."""

    @property
    @abstractmethod
    def rule(self) -> LaneRule:
        """How hard it may be pushed."""

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether its backoff runs."""

    @property
    @abstractmethod
    def backlog(self) -> Backlog:
        """What waits here."""

    @property
    @abstractmethod
    def hosts(self) -> SiteHosts:
        """The hosts of its site."""

    @property
    @abstractmethod
    def way(self) -> LaneRoad:
        """Its road."""

    @property
    @abstractmethod
    def sessions(self) -> LaneSessions:
        """What is open or being opened."""

    @property
    @abstractmethod
    def trouble(self) -> LaneTrouble:
        """Who may go."""

    def take_back(self, works: Sequence[Work]) -> None:
        """They come before all that waits."""

    def give_back(self, works: Sequence[Work]) -> None:
        """Put envelopes back into their list."""
