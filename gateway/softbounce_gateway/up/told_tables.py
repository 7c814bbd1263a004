"""The processes that tell webhooks, and people, made anew when a reload finds other tables of theirs.

How far each receiver was told, and of which trouble, is in the store under the table's name: the next process goes on
from there, whatever its address and secret are by then, so a change loses nothing. What an attempt that takes longer
than the old process waits for had told is told again, by the same id. A table that is new begins with what happens
from now on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from softbounce_gateway.supervise.child import Child
from softbounce_gateway.terminal import say
from softbounce_gateway.webhooks.own_secrets import OwnSecrets

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["ToldTables", "alerts_of", "check_secrets", "owes_ends", "webhooks_of"]


def webhooks_of(config: Config) -> tuple[object, ...]:
    """All that the process that tells webhooks reads of the tables."""
    return config.webhook


def alerts_of(config: Config) -> tuple[object, ...]:
    """All that the process that tells people reads of them: an alert may go by a webhook."""
    wanted = {table.webhook for table in config.alert}
    return (*config.alert, *(table for table in config.webhook if table.name in wanted)) if config.alert else ()


def owes_ends(config: Config) -> bool:
    """Whether somebody was told of trouble from here by an alert that is no more, and not that it is over."""
    from softbounce_gateway.alerts.remembered import is_any_removed  # noqa: PLC0415 - `up` begins at once

    return is_any_removed(config.data_dir, config.alert)


def check_secrets(config: Config) -> None:
    """Read the secret of each receiver once.

    :raises ConfigError: some cannot be had; one line for each. None is quoted.
    """
    OwnSecrets(os.environ).check([table.told() for table in config.webhook])


class ToldTables:
    """Whom one such process tells, and the process itself among the ways in and out.

    :param word: what one table is called.
    :param read: what of a configuration the process goes by; nothing: there is none to be.
    :param config: with which ``up`` was started.
    :param make: the process.
    :param owes: whether somebody has to be told although no table says so; asked when the process would begin.
    :param gateways: those that run; it is put there and taken from there, for who ends them all.
    :param ends_within: seconds.
    """

    def __init__(  # noqa: PLR0913 - two of them are the same for all
        self,
        word: str,
        read: Callable[[Config], tuple[object, ...]],
        config: Config,
        make: Callable[[], Child],
        *,
        gateways: list[Child],
        ends_within: float,
        owes: Callable[[Config], bool] = lambda _: False,
    ) -> None:
        self._word = word
        self._read = read
        self._config = config
        self._told = read(config)
        self._owes = owes
        self._make = make
        self._gateways = gateways
        self._ends_within = ends_within
        self._child: Child | None = None

    def begin(self) -> Child | None:
        """Make the process, where somebody is to be told; whoever starts the others starts it."""
        self._child = self._make() if self._told or self._owes(self._config) else None
        if self._child is not None:
            self._gateways.append(self._child)
        return self._child

    async def follow(self, config: Config) -> None:
        """Tell whom this configuration names. One reload at a time."""
        wanted = self._read(config)
        if wanted == self._told:
            return
        if self._child is not None:
            await self._child.stop(self._ends_within)
            self._gateways.remove(self._child)
        self._told, self._config = wanted, config
        child = self.begin()
        if child is None:
            say(f"reloaded: no {self._word} is told any more")
            return
        child.start()
        if await child.takes_work():
            say(f"reloaded: {child.ready_line.removeprefix('ready ')}")
