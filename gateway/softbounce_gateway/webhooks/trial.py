"""A test event for one receiver, sent now and by whoever asks: what it answers, and nothing is noted of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

from softbounce_config.process_settings import WebhookSettings

from softbounce.errors import ConfigError
from softbounce.webhooks import TEST_TYPE
from softbounce_gateway.webhooks.answer import Answer
from softbounce_gateway.webhooks.dialling import make_context
from softbounce_gateway.webhooks.own_secrets import read_secrets
from softbounce_gateway.webhooks.posting import Poster
from softbounce_gateway.webhooks.signing import body_of, headers_of

__all__ = ["try_out"]


async def try_out(told: WebhookSettings, environ: Mapping[str, str], now: datetime) -> Answer:
    """Send it.

    :raises ConfigError: its secret cannot be had.
    """
    try:
        keys = read_secrets(told, environ)
    except ValueError as error:
        raise ConfigError(f"webhook {told.name}: {error}") from None
    body = body_of(TEST_TYPE, now, {"webhook": told.name})
    poster = Poster(told, make_context())
    try:
        return await poster.post(headers_of(f"test_{secrets.token_hex(12)}", int(now.timestamp()), body, keys), body)
    finally:
        await poster.close()
