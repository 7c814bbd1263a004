"""Calls a mail host as a worker would, with the worker's own client, as far as QUIT behind EHLO over TLS."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from softbounce_config.process_settings import DialSettings, Timeouts
from softbounce_worker.lane.roads import NO_ROADS
from softbounce_worker.posture import Posture
from softbounce_worker.session.calling import Calling
from softbounce_worker.session.connection import Deadlines
from softbounce_worker.session.greeting import say_goodbye
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.not_had import NotHad
from softbounce_worker.session.tls import TlsContexts

from softbounce.envelope import Tls
from softbounce.road import MX
from softbounce.settings import TlsMode
from softbounce.stage import Stage

__all__ = ["Called", "call"]

FAREWELL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of a call.

    :ivar tls: how the session was protected; ``None``: there was none.
    :ivar failed_at: where it ended, if it did.
    :ivar words: what the host said then, or what happened.
    """

    tls: Tls | None = None
    failed_at: Stage | None = None
    words: str = ""


async def call(  # noqa: PLR0913 - whom, how, as whom, and for how long
    host: str,
    address: str,
    port: int,
    *,
    hostname: str,
    mode: TlsMode,
    seconds: float,
) -> Called:
    """Call a host at an address, asking so much of TLS."""
    limits = DialSettings(
        hostname=hostname,
        port=port,
        timeouts=Timeouts(connect=seconds, greeting=seconds, ehlo=seconds, starttls=seconds, quit=FAREWELL),
    )
    deadlines = Deadlines()
    watching = asyncio.create_task(deadlines.run())
    try:
        calling = Calling(limits, MX, deadlines, HostHealth(), contexts=TlsContexts(), logins=NO_ROADS)
        outcome = await calling.call(host, address, Posture(mode=mode))
        if isinstance(outcome, NotHad):
            return Called(failed_at=outcome.stage, words=outcome.what.text)
        tls = outcome.tls
        await say_goodbye(outcome, FAREWELL)
        return Called(tls=tls)
    finally:
        watching.cancel()
