"""The process that tells webhooks, made anew when a reload finds other ``[[webhook]]`` tables.

How far each receiver was told is in the store under its name: the next process goes on from there, whatever its address
and secret are by then, so a change loses nothing. What an attempt that takes longer than the old process waits for had
told is told again, by the same id. A receiver that is new begins with what happens from now on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softbounce.errors import ConfigError
from softbounce_gateway.supervise.child import Child
from softbounce_gateway.terminal import complain, say
from softbounce_gateway.webhooks.own_secrets import OwnSecrets

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["WebhookTables", "check_secrets"]


def check_secrets(config: Config) -> None:
    """Read the secret of each receiver once.

    :raises ConfigError: some cannot be had; one line for each. None is quoted.
    """
    OwnSecrets(os.environ).check([table.told() for table in config.webhook])


class WebhookTables:
    """Whom the process tells, and the process itself among the ways in and out.

    :param config: with which ``up`` was started.
    :param make: the process.
    :param gateways: those that run; it is put there and taken from there, for who ends them all.
    """

    def __init__(self, config: Config, make: Callable[[], Child], gateways: list[Child]) -> None:
        self._told: Sequence[object] = config.webhook
        self._make = make
        self._gateways = gateways
        self._child: Child | None = None
        self._turn = asyncio.Lock()

    def begin(self) -> Child | None:
        """Make the process, where somebody is to be told; whoever starts the others starts it."""
        self._child = self._make() if self._told else None
        if self._child is not None:
            self._gateways.append(self._child)
        return self._child

    async def follow(self, config: Config, *, ends_within: float) -> None:
        """Tell whom this configuration names. Where a secret cannot be had all stays as it was, and that is said."""
        async with self._turn:
            if config.webhook == self._told:
                return
            try:
                check_secrets(config)
            except ConfigError as error:
                complain(f"the webhooks stay as they were:\n{error}")
                return
            if self._child is not None:
                await self._child.stop(ends_within)
                self._gateways.remove(self._child)
            self._told = config.webhook
            child = self.begin()
            if child is None:
                say("reloaded: no webhook is told any more")
                return
            child.start()
            if await child.takes_work():
                say(f"reloaded: {child.ready_line.removeprefix('ready ')}")
