"""Publishes settings in the store, by which everyone then decides. Does not read files."""

from __future__ import annotations

import msgspec

from softbounce.errors import StoreUnavailable
from softbounce.settings import Settings
from softbounce.store.published import publish_settings, read_settings
from softbounce.store.shards import Shards

__all__ = ["publish"]

TRIES = 20


def publish(shards: Shards, settings: Settings) -> Settings:
    """Replace the published settings; what is published afterwards, with its version. Equal ones stay as they are.

    :raises StoreError: the store did not take them.
    """
    for _ in range(TRIES):
        published = shards.run(read_settings(waits=settings.waits))
        over = 0 if published is None else published.version
        if published is not None and msgspec.structs.replace(settings, version=over) == published:
            return published
        wanted = msgspec.structs.replace(settings, version=over + 1)
        if shards.run(publish_settings(wanted, over=over)):
            return wanted
    raise StoreUnavailable(f"others published settings {TRIES} times meanwhile; try again")
