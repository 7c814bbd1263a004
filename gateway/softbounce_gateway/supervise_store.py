"""Makes a store ready for work: waits until it answers, fixes or checks its schema, settles its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from softbounce.errors import StoreError, StoreUnavailable
from softbounce.store import keys, published
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.supervise import StartFailed

__all__ = ["loaded_share", "prepare_schema", "wait_for_store"]

POLL_SECONDS = 0.02
SLOW_POLL_SECONDS = 0.5
PROGRESS_SECONDS = 5.0


async def wait_for_store(
    store: AsyncShards, *, patience: float | None, progress: Callable[[str], None], is_lost: Callable[[], bool]
) -> None:
    """Return once the store answers PING, its log read.

    :param store: without patience of its own.
    :param patience: give up after so many seconds, unless it says that it is loading; ``None``: never.
    :param progress: told now and then what it is waiting for.
    :param is_lost: whether waiting is pointless, since the server ended.
    :raises StartFailed: it did not answer (exit code 3).
    """
    now = asyncio.get_running_loop().time
    began = said = now()
    while True:
        answers = await store.call([Call.read(keys.HOME, b"PING"), Call.read(keys.HOME, b"INFO", b"persistence")])
        if not isinstance(answers[0], StoreError):
            return
        waited = now() - began
        loading = "LOADING" in str(answers[0]) or "loading" in str(answers[0])
        if is_lost():
            raise StartFailed("the embedded store ended while it was being started", exit_code=3)
        if patience is not None and waited > patience and not loading:
            raise StartFailed(
                f"the store at {redact(store.url)} did not answer for {patience:g} s: {answers[0]}; "
                "start it, or correct [store] url",
                exit_code=3,
            )
        if now() - said >= PROGRESS_SECONDS:
            said = now()
            share = loaded_share(answers[1])
            doing = f"is reading its log ({share})" if share else "does not answer yet"
            progress(f"store: {redact(store.url)} {doing}, {waited:.0f} s")
        await asyncio.sleep(POLL_SECONDS if waited < 1 else SLOW_POLL_SECONDS)


def loaded_share(persistence: object) -> str:
    """How much of its log a loading server has read, from its INFO; empty when it is not loading."""
    if not isinstance(persistence, bytes):
        return ""
    lines = dict(line.split(":", 1) for line in persistence.decode("utf-8", "replace").splitlines() if ":" in line)
    if lines.get("loading") != "1":
        return ""
    eta = lines.get("loading_eta_seconds", "")
    return lines.get("loading_loaded_perc", "0") + " %" + (f", about {eta} s to go" if eta.isdecimal() else "")


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
