"""One test alert by each way, now and from this process, beside what the service tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from softbounce_config import Config
from softbounce_config.alerts import AlertSection

from softbounce.errors import StoreError
from softbounce.store.shards import AsyncShards
from softbounce_gateway.alerts.telling import Said
from softbounce_gateway.alerts.ways import Ways
from softbounce_gateway.alerts.words import test_of

__all__ = ["try_out"]


async def try_out(config: Config, patience: float) -> Sequence[tuple[AlertSection, Said]]:
    """Tell each table's person that nothing is wrong, all at one time; what came of it.

    :param patience: seconds for which a store is tried that cannot be reached: mail needs one, other ways do not.
    :raises ConfigError: a webhook's secret cannot be had.
    """
    store = AsyncShards(config.store_url, patience=patience)
    ways = Ways(config, store)
    now = datetime.now(UTC)

    async def tell(table: AlertSection) -> Said:
        try:
            return await ways.of(table)(test_of(table.name, now, hostname=ways.hostname))
        except StoreError as error:
            return Said(is_told=False, words=f"the store: {error}")

    try:
        said = await asyncio.gather(*(tell(table) for table in config.alert))
    finally:
        await ways.close()
        await store.close()
    return list(zip(config.alert, said, strict=True))
