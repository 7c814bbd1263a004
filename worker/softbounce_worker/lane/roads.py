"""The roads of a process: which of them are published, whether it may take one, and with what it dials on each.

Each road has a memory of its own of the hosts that it leads to: another port of the same address is another service,
and another address of ours may be refused where this one is not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Protocol

from softbounce_config.process_settings import DialSettings, Login

from softbounce.road import MX, Road, digest_in
from softbounce.routing import roads_in
from softbounce.settings import BUILT_IN, Settings
from softbounce_worker.session.calling import Calling, Dane, no_dane
from softbounce_worker.session.connection import Deadlines
from softbounce_worker.session.dialling import Dialling
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.slots import Slots
from softbounce_worker.session.tls import TlsContexts

__all__ = ["NO_ROADS", "OwnRoads", "Roads"]

MOST = 1000


class OwnRoads(Protocol):
    """The roads that this process's own configuration names."""

    @abstractmethod
    def __contains__(self, road: object) -> bool:
        """Whether it names this one."""

    @abstractmethod
    def login(self, road: Road) -> Login | None:
        """As whom to log in on it; ``None``: nobody does.

        :raises ValueError: the password cannot be had.
        """


class _NoRoads:
    """A configuration without any."""

    def __contains__(self, road: object) -> bool:
        """None."""
        return False

    def login(self, road: Road) -> Login | None:
        """Nobody."""
        del road
        return None


NO_ROADS: OwnRoads = _NoRoads()


class Roads:
    """All roads of a process.

    :param own: what may be taken beside the usual one.
    :param dane: who tells, for a port, what DNS says of the certificates of hosts there.
    """

    def __init__(
        self,
        limits: DialSettings,
        deadlines: Deadlines,
        slots: Slots,
        own: OwnRoads,
        dane: Callable[[int], Dane] = lambda _port: no_dane,
    ) -> None:
        self._limits = limits
        self._deadlines = deadlines
        self._slots = slots
        self._own = own
        self._dane = dane
        self._contexts = TlsContexts()
        self._healths: dict[str, HostHealth] = {}
        self._diallings: dict[str, Dialling] = {}
        self._settings: Settings = BUILT_IN
        self._published: Mapping[str, Road] = {}

    def of(self, lane: str, settings: Settings) -> Road | None:
        """The road of a lane; ``None``: these settings name none of that digest."""
        digest = digest_in(lane)
        if not digest:
            return MX
        if settings is not self._settings:
            self._settings, self._published = settings, roads_in(settings)
        return self._published.get(digest)

    def may_take(self, road: Road) -> bool:
        """Whether this process's own configuration names it; the usual one needs no leave."""
        return road.is_usual or road in self._own

    def health_of(self, lane: str) -> HostHealth:
        """What is remembered of the hosts on a lane's road."""
        return self._health(digest_in(lane))

    def dialling(self, road: Road) -> Dialling:
        """With what sessions are had on a road."""
        digest = "" if road.is_usual else road.digest
        if digest not in self._diallings:
            _make_room(self._diallings)
            health = self._health(digest)
            calling = Calling(
                self._limits,
                road,
                self._deadlines,
                health,
                contexts=self._contexts,
                logins=self._own,
                dane=self._dane(road.port or self._limits.port),
            )
            self._diallings[digest] = Dialling(calling, health, self._slots)
        return self._diallings[digest]

    def _health(self, digest: str) -> HostHealth:
        if digest not in self._healths:
            _make_room(self._healths)
            self._healths[digest] = HostHealth()
        return self._healths[digest]


def _make_room(memory: dict[str, HostHealth] | dict[str, Dialling]) -> None:
    """More than a configuration has by far: roads that were published once."""
    if len(memory) >= MOST:
        del memory[next(iter(memory))]
