"""Sees at start that dramatiq's jobs have a place, and says so where that is the mail's own database."""

from __future__ import annotations

import asyncio

from softbounce_config import Config

from softbounce.errors import StoreError
from softbounce.jobs import JobsPlace, NoJobsPlace, jobs_place
from softbounce.store.shards import Shards, redact
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.terminal import complain

__all__ = ["check_jobs"]


async def check_jobs(config: Config) -> None:
    """Look for the place, as the scheduler and the workers will.

    :raises StartFailed: there is none (exit code 2), or the store is away (3).
    """
    try:
        place = await asyncio.to_thread(_find, config)
    except NoJobsPlace as error:
        raise StartFailed(str(error), exit_code=2) from error
    except StoreError as error:
        raise StartFailed(str(error), exit_code=3) from error
    if place.beside_mail:
        complain(
            f"jobs are in the mail's own database at {redact(place.url)}, as {place.namespace}:*, and "
            f"{place.beside_mail}: FLUSHDB there is the end of all mail. [jobs] url can name another database "
            "or server for them"
        )


def _find(config: Config) -> JobsPlace:
    store = Shards(config.store_url)
    try:
        return jobs_place(store, config.jobs.url)
    finally:
        store.close()
