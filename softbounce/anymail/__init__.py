"""Anymail's backend for softbounce: metadata, tags and ``send_at`` as for any provider, and its tracking signal.

``EMAIL_BACKEND = "softbounce.anymail.EmailBackend"``, with the settings of :mod:`softbounce.django`. What became of
mail comes back as ``anymail.signals.tracking``: from the event log (:mod:`.tracking`), or by :mod:`.webhook`. Imports
django-anymail: ``pip install 'softbounce[anymail]'``. See docs/django.md.
"""

from softbounce.anymail.backend import EmailBackend
from softbounce.anymail.tracking import send_tracking, tracking_event
from softbounce.anymail.webhook import TrackingWebhookView

__all__ = ["EmailBackend", "TrackingWebhookView", "send_tracking", "tracking_event"]
