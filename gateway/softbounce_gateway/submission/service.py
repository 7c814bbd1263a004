"""The process that takes mail in: its listeners, what it knows of the store, and an orderly end."""

from __future__ import annotations

import asyncio
import time

import structlog
from softbounce_config import Config

from softbounce.errors import StoreError
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.certificate import configured
from softbounce_gateway.submission.connection import HANDSHAKE_SECONDS, Connection
from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.submission.door import Door
from softbounce_gateway.submission.handing_over import HandingOver
from softbounce_gateway.submission.house import House
from softbounce_gateway.submission.listening import Endpoint, check_endpoints, endpoints
from softbounce_gateway.submission.login_failures import LoginGuard
from softbounce_gateway.submission.logins import Logins
from softbounce_gateway.submission.serving import Serving, name_of, now
from softbounce_gateway.together import Together

__all__ = ["SubmissionService"]

PATIENCE = 3.0
"""Seconds for which a store that is away is tried before the client hears that it is."""
BACKLOG = 1024
log = structlog.get_logger("softbounce.submission")


class SubmissionService:
    """The process.

    :raises ConfigError: the certificate cannot be used.
    """

    def __init__(self, config: Config) -> None:
        gateway = config.gateway
        self._config = config
        self._max_octets = config.smtp.max_message
        self._budget = Budget(gateway.incoming)
        self._serving = Serving("submission_looks", log)
        self._store = AsyncShards(config.store_url)
        self._ways = {
            protocol: Together(config.store_url, patience=PATIENCE, way=protocol) for protocol in ("smtp", "lmtp")
        }
        self._logins = Logins(self._store)
        self._certificate = configured(config)
        self._hostname = name_of(config)
        self._door = Door(
            crowd=Crowd(gateway.connections, gateway.connections_per_client),
            guard=LoginGuard(time.monotonic),
            handing_over=HandingOver(self._ways, self._hostname, now),
            check_login=self._logins.check,
            tls=None if self._certificate is None else self._certificate.context,
            idle_seconds=gateway.idle.total_seconds(),
        )

    async def run(self) -> None:
        """Take mail in until told to stop.

        :raises ConfigError: an endpoint must not be opened.
        :raises OSError: it cannot be.
        """
        self._serving.obey()
        await self._look()
        check_endpoints(self._config, has_token=self._logins.are_there)
        await self._serving.until_stopped(list(endpoints(self._config)), self._listen, self._look, self._door)
        for way in self._ways.values():
            await way.close()
        await self._store.close()

    async def _listen(self, endpoint: Endpoint) -> asyncio.Server:
        house = self._house(endpoint)
        host, port = endpoint.where
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self._door, house, is_tls=endpoint.is_tls),
            host,
            port,
            backlog=BACKLOG,
            ssl=self._door.tls if endpoint.is_tls else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if endpoint.is_tls else None,
        )

    def _house(self, endpoint: Endpoint) -> House:
        def wants_login() -> bool:
            # Here, as with HTTP, once there are tokens. The first of them makes no mail server here bounce its queue.
            return not endpoint.is_loopback or (endpoint.protocol == "smtp" and self._logins.are_there)

        return House(
            protocol=endpoint.protocol,
            hostname=self._hostname,
            has_starttls=self._door.tls is not None and not endpoint.is_tls,
            wants_login=wants_login,
            takes_login=lambda: self._logins.are_there,
            is_valid=self._logins.is_valid,
            is_loopback=endpoint.is_loopback,
            max_octets=lambda: self._max_octets,
            budget=self._budget,
            now=now,
        )

    async def _look(self) -> None:
        """What may have changed: the largest message, whether there are tokens, the certificate."""
        try:
            settings = await self._store.run(read_settings())
            if settings is not None:
                self._max_octets = settings.max_message_octets
            await self._logins.look()
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
        self._serving.renew(self._certificate)
