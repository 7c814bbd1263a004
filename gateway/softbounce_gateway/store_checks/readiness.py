"""Waits until a store answers, and tells meanwhile how much of its log it has read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.errors import StartFailed

__all__ = ["STORE_PATIENCE", "loaded_share", "wait_for_store"]

STORE_PATIENCE = 30.0
"""Seconds for which ``up`` tries a store that is not its own; its own is waited for as long as it reads its log."""
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
