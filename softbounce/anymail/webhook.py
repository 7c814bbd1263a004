"""A view for softbounce's webhooks, which sends Anymail's ``tracking`` signal.

Their signatures are those of Standard Webhooks 1.0: HMAC-SHA256 of the id, the time and the octets. A body whose
signature is none of ours, or which is older than five minutes, is refused before it is read.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from anymail.exceptions import AnymailConfigurationError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, tracking
from anymail.utils import get_anymail_setting
from anymail.webhooks.base import AnymailCoreWebhookView
from django.http import HttpRequest

from softbounce.anymail.tracking import ESP_NAME, tracking_event
from softbounce.errors import InvalidArgument

__all__ = ["TrackingWebhookView"]

PREFIX = "whsec_"
VERSION = "v1"
TOLERANCE = 300
MOST_SIGNATURES = 10


class TrackingWebhookView(AnymailCoreWebhookView):
    """``path("hooks/softbounce/", TrackingWebhookView.as_view())``.

    ``ANYMAIL = {"SOFTBOUNCE_WEBHOOK_SECRET": "whsec_..."}`` is the secret of ``[[webhook]]``; a list while two count.
    """

    esp_name = ESP_NAME
    signal = tracking
    webhook_secret: str | Sequence[str] | None = None

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Django's
        said = get_anymail_setting("webhook_secret", esp_name=self.esp_name, kwargs=kwargs, allow_bare=True)
        self._keys = [_key(one) for one in ([said] if isinstance(said, str) else said)]
        if not self._keys:
            raise AnymailConfigurationError("ANYMAIL['SOFTBOUNCE_WEBHOOK_SECRET'] has no secret")
        super().__init__(**kwargs)

    def validate_request(self, request: HttpRequest) -> None:
        """Whether it is from the softbounce that has the secret.

        :raises AnymailWebhookValidationFailure: it is not.
        """
        identity, at = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        if not identity or not at.isascii() or not at.isdecimal() or abs(time.time() - int(at[:18])) > TOLERANCE:
            raise AnymailWebhookValidationFailure("a softbounce webhook without an id, or too old to be believed")
        signed = b".".join((identity.encode(), at.encode(), request.body))
        given = request.headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
        wanted = [f"{VERSION},{base64.b64encode(hmac.digest(key, signed, sha256)).decode()}" for key in self._keys]
        if not any(hmac.compare_digest(one.encode(), other.encode()) for one in given for other in wanted):
            raise AnymailWebhookValidationFailure("a softbounce webhook that is not signed with our secret")

    def parse_events(self, request: HttpRequest) -> list[AnymailTrackingEvent]:
        """The one event of a body.

        :raises AnymailWebhookValidationFailure: it has none.
        """
        try:
            said = json.loads(request.body)
            event = tracking_event(said["data"])
        except (ValueError, KeyError, TypeError, AttributeError, InvalidArgument) as error:
            raise AnymailWebhookValidationFailure(f"a softbounce webhook without an event: {error}") from error
        return [] if event is None else [event]


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnymailConfigurationError(
            "ANYMAIL['SOFTBOUNCE_WEBHOOK_SECRET'] is no secret of Standard Webhooks: whsec_ and base64"
        ) from error
