"""What Django is told of the app."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["OutboxConfig"]


class OutboxConfig(AppConfig):
    """The outbox as an app of Django."""

    name = "softbounce.outbox.django"
    label = "softbounce_outbox"
    verbose_name = "softbounce outbox"
    default_auto_field = "django.db.models.BigAutoField"
