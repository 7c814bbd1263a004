"""The settings by which everyone decides: published in the store from a file, or compared with what is there.

Published by an ``up`` with the scheduler role, by any on a store without settings, and by ``config reload``; others
only compare.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from softbounce_config import Config, load
from softbounce_config.speed import sped_up

from softbounce.errors import ConfigError, StoreError, StoreUnavailable
from softbounce.settings import Settings
from softbounce.store.published import publish_settings, read_settings
from softbounce.store.shards import AsyncShards, Shards
from softbounce_gateway.terminal import complain, say

__all__ = ["Rehearsal", "differ", "publish", "reload", "settings_for", "settle"]

PUBLISHING_TRIES = 20
PROCESS_SECTIONS = ("store", "jobs", "identity", "worker", "dns", "smtp", "health")
"""The tables that a process reads once, when it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is different where all mail goes to a playground.

    :ivar speed: how many times as fast time passes.
    :ivar copies_octets: so much of what is accepted is kept for looking at; 0: nothing.
    """

    speed: float = 1.0
    copies_octets: int = 0


def settings_for(config: Config, rehearsal: Rehearsal | None) -> Settings:
    """What is published: of a playground all mail goes to its hosts, and none to a smarthost."""
    if rehearsal is None:
        return config.settings()
    config = config.model_copy(update={"route": (), "gate": config.gate.model_copy(update={"others_to": None})})
    config = config if rehearsal.speed == 1 else sped_up(config, rehearsal.speed)
    settings = config.settings()
    return msgspec.structs.replace(settings, copies_octets=rehearsal.copies_octets, speed=rehearsal.speed)


async def settle(store: AsyncShards, url: str, settings: Settings, *, publishes: bool) -> int:
    """Make these the published settings, where that is ours to do; the version that holds now.

    :param url: of the same store.
    :param publishes: whether it is ours to do even if others published before.
    :raises StoreError: the store went away.
    """
    published = await store.run(read_settings(waits=settings.waits))
    if published is None or publishes:
        return await asyncio.to_thread(_publish, url, settings)
    if differ(settings, published):
        complain(
            "this configuration differs from the published settings, by which mail is decided (version "
            f"{published.version}); `softbounce config reload` would publish this one"
        )
    return published.version


async def reload(
    running: Config,
    path: Path | None,
    *,
    publishes: bool,
    rehearsal: Rehearsal | None = None,
    check: Callable[[Config], None] | None = None,
) -> Config | None:
    """Read the file again and settle; what it says. ``None``: something is wrong; that is said, and all is as it was.

    :param running: what the processes were started with.
    :param rehearsal: ``None``: mail goes to the world.
    :param check: raises ``ConfigError`` where what the file names cannot be had.
    """
    try:
        config = load(path, environ=os.environ)
        settings = settings_for(config, rehearsal)
        if check is not None:
            check(config)
    except ConfigError as error:
        complain(f"the configuration cannot be used, the old settings stay:\n{error}")
        return None
    store = AsyncShards(running.store_url)
    try:
        version = await settle(store, running.store_url, settings, publishes=publishes)
    except StoreError as error:
        complain(f"the settings could not be published, the old ones stay: {error}")
        return None
    finally:
        await store.close()
    say(f"reloaded: settings version {version}")
    if running.gate.rules() is not None and config.gate.rules() is None:
        say("[gate] is gone from the file, and still holds: it is lifted when all of the service is started again")
    changed = [name for name in PROCESS_SECTIONS if getattr(config, name) != getattr(running, name)]
    if changed:
        say(f"changes of {', '.join(f'[{name}]' for name in changed)} need a restart")
    return config


def publish(shards: Shards, settings: Settings) -> Settings:
    """Replace the published settings; what is published afterwards, with its version. Equal ones stay as they are.

    :raises StoreError: the store did not take them.
    """
    for _ in range(PUBLISHING_TRIES):
        published = shards.run(read_settings(waits=settings.waits))
        over = 0 if published is None else published.version
        if published is not None and msgspec.structs.replace(settings, version=over) == published:
            return published
        wanted = msgspec.structs.replace(settings, version=over + 1)
        if shards.run(publish_settings(wanted, over=over)):
            return wanted
    raise StoreUnavailable(f"others published settings {PUBLISHING_TRIES} times meanwhile; try again")


def differ(one: Settings, other: Settings) -> bool:
    """Whether they decide differently, whatever their versions are."""
    return msgspec.structs.replace(one, version=0) != msgspec.structs.replace(other, version=0)


def _publish(url: str, settings: Settings) -> int:
    store = Shards(url)
    try:
        return publish(store, settings).version
    finally:
        store.close()
