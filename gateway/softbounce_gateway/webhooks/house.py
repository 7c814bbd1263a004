"""What all receivers of a process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from softbounce_config.process_settings import WebhookSettings

from softbounce.client.knowledge import Knowledge
from softbounce.settings import Policy
from softbounce.store.shards import AsyncShards

__all__ = ["House"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One process's.

    :ivar token: by which this process owns receivers.
    :ivar policy: that of a name, or the usual one.
    :ivar keep_events: how many events the log keeps.
    :ivar secrets: those of a receiver, now; raises ``ValueError``.
    """

    store: AsyncShards
    knowledge: Knowledge
    token: bytes
    policy: Callable[[str | None], Policy]
    keep_events: Callable[[], int]
    secrets: Callable[[WebhookSettings], list[bytes]]
    ending: asyncio.Event
