"""What each process that listens by SMTP does: it opens its endpoints, looks at what changed, and ends in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from softbounce_config import Config, ehlo_name
from softbounce_config.loops import keep_going
from softbounce_config.parent import tell_parent, watch_parent
from structlog.typing import FilteringBoundLogger

from softbounce.errors import ConfigError
from softbounce_gateway.submission.certificate import Certificate
from softbounce_gateway.submission.door import Door
from softbounce_gateway.submission.listening import Endpoint

__all__ = ["Serving", "name_of", "now"]

LOOK_EVERY = 1.0


class Serving:
    """One process's.

    :param what: what its looks are called in its log.
    """

    def __init__(self, what: str, log: FilteringBoundLogger) -> None:
        self._what = what
        self._log = log
        self._stopping = asyncio.Event()

    def obey(self) -> None:
        """From now on SIGTERM, Ctrl-C and the parent's end stop it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        watch_parent(loop, self._stopping.set)

    async def until_stopped(
        self,
        endpoints: Sequence[Endpoint],
        listen: Callable[[Endpoint], Awaitable[asyncio.Server]],
        look: Callable[[], Awaitable[None]],
        door: Door,
    ) -> None:
        """Listen until told to stop; then see the sessions to their end.

        :param look: called every second.
        :raises OSError: an endpoint cannot be opened.
        """

        async def look_later() -> None:
            await asyncio.sleep(LOOK_EVERY)
            await look()

        listeners = [await listen(one) for one in endpoints]
        looking = asyncio.create_task(keep_going(self._what, look_later, self._log))
        tell_parent(f"ready {', '.join(f'{one.name} {one.text}' for one in endpoints)}", self._stopping.set)
        await self._stopping.wait()
        for listener in listeners:
            listener.close()
        looking.cancel()
        await asyncio.gather(looking, *(one.end() for one in list(door.clients)), return_exceptions=True)

    def renew(self, certificate: Certificate | None) -> None:
        """Show the certificate as it is now; one that cannot be used leaves the one before."""
        try:
            if certificate is not None and certificate.look():
                self._log.info("certificate_renewed")
        except ConfigError as error:
            self._log.warning("certificate_not_renewed", error=str(error))


def name_of(config: Config) -> str:
    """Our name to clients; one that no mail host would take will do for them."""
    try:
        return ehlo_name(config.identity.hostname)
    except ConfigError:
        return "localhost"


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)
