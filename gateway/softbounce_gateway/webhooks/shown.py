"""Receivers as people and programs see them. Reads the store; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from softbounce_config.process_settings import WebhookSettings

from softbounce.client.shown import event_as_json, rfc3339
from softbounce.duration import from_epoch_ms, in_words
from softbounce.events import Event
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME
from softbounce.store.shards import Shards
from softbounce.store.webhooks import Dead, Receiver, lag_ms, read_receivers
from softbounce.webhooks import type_of

__all__ = ["ShownReceiver", "as_json", "dead_as_json", "shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReceiver:
    """One receiver.

    :ivar state: ``told``, ``away``, ``disabled``; ``idle``: no process tells it.
    :ivar place: where it is, without what may be secret in the URL.
    """

    name: str
    place: str
    state: str
    lag: timedelta
    untold: int = 0
    told: int = 0
    dead: int = 0
    lost: int = 0
    last_at: datetime | None = None
    last_code: int | None = None
    last: str = ""
    next_at: datetime | None = None
    disabled_why: str = ""

    @property
    def lag_in_words(self) -> str:
        """The age of the oldest event that it was not told."""
        return in_words(self.lag) if self.lag else "-"

    @property
    def last_in_words(self) -> str:
        """What it answered last."""
        return f"{self.last} at {self.last_at:%Y-%m-%d %H:%M:%S}" if self.last_at else "-"


def shown(store: Shards, told: Sequence[WebhookSettings]) -> list[ShownReceiver]:
    """Those of a configuration, in its order."""
    now_ms = store.run(read_time(HOME)).now_ms
    known = store.run(read_receivers())
    return [_shown(one, known.get(one.name), now_ms) for one in told]


def _shown(told: WebhookSettings, known: tuple[int, Receiver] | None, now_ms: int) -> ShownReceiver:
    parts = urlsplit(told.url)
    place = f"{parts.scheme}://{parts.netloc}"
    if known is None:
        return ShownReceiver(name=told.name, place=place, state="idle", lag=timedelta(0))
    until_ms, receiver = known
    state = "told" if until_ms > now_ms else "idle"
    if receiver.disabled_ms:
        state = "disabled"
    elif receiver.closed_until_ms:
        state = "away"
    return ShownReceiver(
        name=told.name,
        place=place,
        state=state,
        lag=timedelta(milliseconds=lag_ms(receiver, until_ms, now_ms)),
        untold=receiver.untold,
        told=receiver.told,
        dead=receiver.dead,
        lost=receiver.lost,
        last_at=from_epoch_ms(receiver.last_ms) if receiver.last_ms else None,
        last_code=receiver.last_code or None,
        last=receiver.last,
        next_at=from_epoch_ms(receiver.closed_until_ms) if state == "away" else None,
        disabled_why=receiver.disabled_why if receiver.disabled_ms else "",
    )


def as_json(one: ShownReceiver) -> dict[str, Any]:
    """One as JSON has it."""
    return {
        "name": one.name,
        "url": one.place,
        "state": one.state,
        "lag_seconds": one.lag.total_seconds(),
        "waiting": one.untold,
        "told": one.told,
        "given_up": one.dead,
        "lost": one.lost,
        "last_at": None if one.last_at is None else rfc3339(one.last_at),
        "last_code": one.last_code,
        "last_answer": one.last,
        "next_try_at": None if one.next_at is None else rfc3339(one.next_at),
        "disabled_why": one.disabled_why,
    }


def dead_as_json(one: Dead) -> dict[str, Any]:
    """An event that was given up, as JSON has it."""
    at = from_epoch_ms(one.at_ms)
    next_ms = one.stored.next_ms
    event = Event.of(
        one.stored, cursor=one.cursor, at=at, next_attempt_at=None if next_ms is None else from_epoch_ms(next_ms)
    )
    return {
        "given_up_at": rfc3339(from_epoch_ms(one.dead_ms)),
        "webhook_id": f"evt_{one.place.hex()}",
        "type": type_of(one.stored.kind),
        "attempts": one.charged,
        "answer": one.why,
        "data": event_as_json(event),
    }
