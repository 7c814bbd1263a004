"""Writes the schema into an empty store, or checks that what is there is one that this version knows."""

from __future__ import annotations

from softbounce.errors import StoreError, StoreUnavailable
from softbounce.store import keys, published
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.errors import StartFailed

__all__ = ["prepare_schema"]


async def prepare_schema(store: AsyncShards, shards: int) -> None:
    """Write the schema into an empty store, or check that what is there is ours.

    :raises StartFailed: a newer softbounce wrote it, or with another number of shards (exit code 2).
    :raises StoreError: the store went away.
    """
    version, number = await _schema(store, keys.HOME, 0)
    if version:
        _check_schema(version, number, shards)
    for shard in range(shards):
        _check_schema(*await _schema(store, shard, shards), shards)


async def _schema(store: AsyncShards, shard: int, shards: int) -> tuple[int, int]:
    answer = (await store.call([published.schema(shard, shards=shards)]))[0]
    if isinstance(answer, StoreError):
        raise answer
    try:
        version, number = answer
        return int(version), int(number)
    except (TypeError, ValueError) as error:
        raise StoreUnavailable(f"the store at {redact(store.url)} holds something else: {answer!r}") from error


def _check_schema(version: int, number: int, shards: int) -> None:
    if version > keys.SCHEMA_VERSION:
        raise StartFailed(
            f"the store was written by a newer softbounce (schema {version}, this one knows {keys.SCHEMA_VERSION}): "
            "run that one",
            exit_code=2,
        )
    if number != shards:
        raise StartFailed(
            f"the store has {number} shard{'' if number == 1 else 's'}, and [store] shards says {shards}: the first "
            f"write fixed the number, so set it to {number}",
            exit_code=2,
        )
