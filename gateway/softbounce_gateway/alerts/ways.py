"""The way of each ``[[alert]]`` table, with what it takes: connections, secrets, the queue."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial

from softbounce_config import Config, ehlo_name
from softbounce_config.alerts import AlertSection

from softbounce.client.knowledge import Knowledge
from softbounce.store.shards import AsyncShards
from softbounce_gateway.alerts.telling import Message, Said, by_command, by_mail, by_webhook
from softbounce_gateway.webhooks.dialling import make_context
from softbounce_gateway.webhooks.own_secrets import OwnSecrets
from softbounce_gateway.webhooks.posting import Poster

__all__ = ["Ways"]


class Ways:
    """How each table tells.

    :raises ConfigError: a webhook's secret cannot be had.
    """

    def __init__(self, config: Config, store: AsyncShards) -> None:
        self._store = store
        self._knowledge = Knowledge("notice")
        self.hostname = ehlo_name(config.identity.hostname)
        self._receivers = {told.name: told for told in (table.told() for table in config.webhook)}
        wanted = {table.webhook for table in config.alert}
        self._secrets = OwnSecrets(os.environ)
        self._secrets.check([told for name, told in self._receivers.items() if name in wanted])
        self._posters: dict[str, Poster] = {}

    def of(self, table: AlertSection) -> Callable[[Message], Awaitable[Said]]:
        """That of one."""
        if table.command:
            return partial(by_command, table)
        if table.webhook:
            receiver = self._receivers.get(table.webhook)
            if receiver is None:  # of a table that is no more
                return partial(_nowhere, table.webhook)
            poster = self._posters.setdefault(table.name, Poster(receiver, make_context()))
            return partial(by_webhook, receiver, self._secrets.of, poster)
        return partial(by_mail, table, self.hostname, self._store, self._knowledge)

    async def close(self) -> None:
        """Close what is open."""
        for poster in self._posters.values():
            await poster.close()


async def _nowhere(webhook: str, told: Message) -> Said:
    del told
    return Said(is_told=False, words=f"there is no [[webhook]] {webhook} any more")
