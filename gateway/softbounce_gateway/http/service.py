"""The process that serves HTTP: what it knows of the store, where it listens, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from softbounce_config import Config
from softbounce_config.loops import keep_going
from softbounce_config.parent import tell_parent, watch_parent

from softbounce.client.action_run import run_some
from softbounce.errors import ConfigError, StoreError
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce_gateway.http.admission import Admission, Tokens
from softbounce_gateway.http.application import application
from softbounce_gateway.http.body import Bodies
from softbounce_gateway.http.connection import bounded_protocol
from softbounce_gateway.http.house import House
from softbounce_gateway.http.inbox.operations import INBOX
from softbounce_gateway.http.listening import is_taken, open_sockets
from softbounce_gateway.http.operations import OPERATIONS
from softbounce_gateway.http.screen.operations import SCREEN
from softbounce_gateway.metrics.reading import Metrics
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.together import Together

__all__ = ["HttpService"]

LOOK_EVERY = 5.0
PATIENCE = 3.0
"""Seconds for which a store that is away is tried before the client hears that it is."""
KEEP_ALIVE = 75
"""Seconds for which a connection is kept on which nothing is asked. nginx and load balancers keep theirs for 60: who
hangs up sooner does so while a request is on its way, which gets a 502."""
GRACE = 5
TAKEN_FOR = 10.0
TRY_EVERY = 0.5
LOOK_AGAIN = 5.0
log = structlog.get_logger("softbounce.http")


class Server(uvicorn.Server):
    """uvicorn, whose signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


class HttpService:
    """The process."""

    def __init__(self, config: Config) -> None:
        gateway = config.gateway
        self._where = gateway.http
        self._is_default = "http" not in gateway.model_fields_set
        store = AsyncShards(config.store_url, patience=PATIENCE)
        together = Together(config.store_url, patience=PATIENCE, way="http")
        self._house = House(
            together=together,
            client=together.client,
            store=store,
            admission=Admission(Tokens(store), gateway.http),
            bodies=Bodies(Budget(gateway.incoming)),
            config=config,
            max_octets=config.smtp.max_message,
            metrics=Metrics(
                store,
                frozenset(table.told().name for table in config.webhook),
                frozenset(table.name for table in config.alert),
                has_health=bool(config.health.every),
            ),
        )
        self._owner = f"gateway-{secrets.token_hex(6)}"
        self._crowd = Crowd(gateway.connections, gateway.connections_per_client)

    async def run(self) -> None:
        """Serve until told to end.

        :raises ConfigError: other machines could get in without a token.
        :raises OSError: it cannot listen.
        :raises StoreError: whether there are tokens cannot be asked.
        """
        house = self._house
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, house.ending.set)
        watch_parent(loop, house.ending.set)
        await self._check_tokens()
        await self._look()
        looking = asyncio.create_task(keep_going("http_looks", self._look_later, log))
        acting = asyncio.create_task(keep_going("actions", self._act, log))
        try:
            sockets = await self._open()
            if sockets is not None:
                await self._serve(sockets)
        finally:
            looking.cancel()
            acting.cancel()
            await house.together.close()
            await house.store.close()

    async def _check_tokens(self) -> None:
        admission = self._house.admission
        if not admission.is_loopback and not len(await admission.tokens.current()):
            raise ConfigError(
                f"[gateway] http = {self._where!r} can be reached from other machines, and there is no token: anybody "
                "could send mail through it. Make one (`softbounce token new`), or listen on 127.0.0.1"
            )

    async def _open(self) -> list[socket.socket] | None:
        """Listen. A place that another process has is waited for: for good where nobody asked for this one.

        ``None``: told to end meanwhile.
        """
        ending = self._house.ending
        began = asyncio.get_running_loop().time()
        has_told = False
        while not ending.is_set():
            try:
                return open_sockets(self._where)
            except OSError as error:
                if not is_taken(error):
                    raise
                if not self._is_default and asyncio.get_running_loop().time() - began > TAKEN_FOR:
                    raise
            if self._is_default and not has_told:
                has_told = True
                log.warning("http_waits", where=self._where, why="another process listens there; [gateway] http")
                tell_parent(f"ready no http yet ({self._where} is taken)", ending.set)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), LOOK_AGAIN if has_told else TRY_EVERY)
        return None

    async def _serve(self, sockets: list[socket.socket]) -> None:
        house = self._house
        config = uvicorn.Config(
            application(house, (*OPERATIONS, *SCREEN, *(INBOX if house.has_inbox else ()))),
            http=bounded_protocol(self._crowd),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            backlog=1024,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=sockets))
        while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        if not serving.done():
            tell_parent(f"ready http {self._where}", house.ending.set)
        ending = asyncio.create_task(house.ending.wait())
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        ending.cancel()
        await serving

    async def _act(self) -> None:
        """Carry out a step of the actions that no other process does."""
        house = self._house
        house.has_actions.clear()
        wait = await house.run(run_some(house.knowledge, self._owner))
        if wait:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(house.has_actions.wait(), wait)

    async def _look_later(self) -> None:
        await asyncio.sleep(LOOK_EVERY)
        await self._look()

    async def _look(self) -> None:
        """What may have changed: the largest message. Whether there is an inbox is seen when it begins to serve."""
        try:
            settings = await self._house.store.run(read_settings())
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return
        if settings is not None:
            self._house.max_octets = settings.max_message_octets
            self._house.has_inbox = settings.copies_octets > 0
