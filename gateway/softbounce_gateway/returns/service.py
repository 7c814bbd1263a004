"""The process that hears of what comes back: its listeners, what it knows of the store, and an orderly end."""

from __future__ import annotations

import asyncio
import time

import structlog
from softbounce_config import Config

from softbounce.errors import StoreError
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce_gateway.returns.intake import Intake
from softbounce_gateway.returns.reading.parts import MOST_OCTETS
from softbounce_gateway.returns.return_paths import ReturnPaths
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.certificate import configured
from softbounce_gateway.submission.connection import Connection
from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.submission.door import Door
from softbounce_gateway.submission.house import House, Login
from softbounce_gateway.submission.listening import Endpoint, return_endpoints
from softbounce_gateway.submission.login_failures import LoginGuard
from softbounce_gateway.submission.sasl import Credentials
from softbounce_gateway.submission.serving import Serving, name_of, now

__all__ = ["ReturnsService"]

PATIENCE = 3.0
BACKLOG = 256
CONNECTIONS, CONNECTIONS_PER_CLIENT = 200, 20
INCOMING_OCTETS = 32 * 1024 * 1024
ROOM_FOR_REPORT = 1024 * 1024
"""How much larger than the largest message of ours is what may return one."""
log = structlog.get_logger("softbounce.returns")


class ReturnsService:
    """The process.

    :raises ConfigError: the certificate cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._max_octets = config.smtp.max_message
        self._budget = Budget(INCOMING_OCTETS)
        self._serving = Serving("returns_look", log)
        self._store = AsyncShards(config.store_url, patience=PATIENCE)
        self._paths = ReturnPaths(self._store, now, time.monotonic)
        self._intake = Intake(self._store, self._paths, now)
        self._certificate = configured(config)
        self._door = Door(
            crowd=Crowd(CONNECTIONS, CONNECTIONS_PER_CLIENT),
            guard=LoginGuard(time.monotonic),
            handing_over=self._intake,
            check_login=_nobody,
            check_recipient=self._intake.check,
            tls=None if self._certificate is None else self._certificate.context,
            idle_seconds=config.gateway.idle.total_seconds(),
        )

    async def run(self) -> None:
        """Take until told to stop.

        :raises OSError: an endpoint cannot be opened.
        """
        self._serving.obey()
        await self._look()
        endpoints = list(return_endpoints(self._config))
        await self._serving.until_stopped(endpoints, self._listen, self._look_again, self._door)
        await self._intake.write_counts()
        await self._store.close()

    async def _listen(self, endpoint: Endpoint) -> asyncio.Server:
        house = House(
            protocol=endpoint.protocol,
            hostname=name_of(self._config),
            has_starttls=self._door.tls is not None,
            wants_login=_never,
            takes_login=_never,
            is_valid=_is_nobody,
            is_loopback=endpoint.is_loopback,
            max_octets=lambda: self._max_octets + ROOM_FOR_REPORT,
            budget=self._budget,
            now=now,
            for_returns=True,
            kept_octets=MOST_OCTETS,
        )
        host, port = endpoint.where
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self._door, house, is_tls=False), host, port, backlog=BACKLOG
        )

    async def _look_again(self) -> None:
        await self._look()
        await self._intake.write_counts()

    async def _look(self) -> None:
        """What may have changed: the settings, the certificate."""
        try:
            settings = await self._store.run(read_settings())
            if settings is not None:
                self._paths.settings = settings
                self._max_octets = settings.max_message_octets
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
        self._serving.renew(self._certificate)


async def _nobody(_credentials: Credentials) -> Login | None:
    return None


def _never() -> bool:
    return False


def _is_nobody(_login: Login) -> bool:
    return False
