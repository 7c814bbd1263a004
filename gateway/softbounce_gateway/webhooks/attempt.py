"""One attempt to tell an event: what is sent, and an answer in any case."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from softbounce_config.process_settings import WebhookSettings

from softbounce.client.shown import event_as_json
from softbounce.duration import from_epoch_ms
from softbounce.events import Event
from softbounce.webhooks import type_of
from softbounce_gateway.webhooks.answer import Answer
from softbounce_gateway.webhooks.lines import Waiting
from softbounce_gateway.webhooks.posting import Poster
from softbounce_gateway.webhooks.signing import body_of, headers_of

__all__ = ["attempt"]

log = structlog.get_logger("softbounce.webhooks")


async def attempt(
    told: WebhookSettings, one: Waiting, poster: Poster, secrets_of: Callable[[WebhookSettings], list[bytes]]
) -> Answer:
    """Make it. A secret that cannot be had is as a receiver that cannot be reached."""
    try:
        secrets = secrets_of(told)
    except ValueError as error:
        return Answer(code=0, words=str(error), is_connected=False)
    try:
        return await poster.post(*request_for(one, secrets))
    except Exception as error:  # whatever it is, it is this event's trouble only
        log.exception("webhook_attempt_failed", webhook=told.name)
        return Answer(code=0, words=f"a fault of ours: {type(error).__name__}")


def request_for(one: Waiting, secrets: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """What is sent for an event: headers and body."""
    event, stored = one.event, one.event.stored
    at = from_epoch_ms(event.at_ms)
    next_attempt_at = None if stored.next_ms is None else from_epoch_ms(stored.next_ms)
    data = event_as_json(Event.of(stored, cursor=event.cursor, at=at, next_attempt_at=next_attempt_at))
    body = body_of(type_of(stored.kind), at, data)
    return headers_of(f"evt_{one.place.hex()}", int(time.time()), body, secrets), body
