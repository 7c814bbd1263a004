"""The app's transaction by Django."""

from __future__ import annotations

from collections.abc import Callable

from django.apps import apps
from django.db import transaction

from softbounce.errors import ConfigError
from softbounce.outbox import waking
from softbounce.outbox.row import NewRow

__all__ = ["DjangoTransaction"]


class DjangoTransaction:
    """That of one of the app's databases. Without an ``atomic`` block each statement is one by itself."""

    is_async = False

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def insert(self, row: NewRow) -> None:
        """Insert it.

        :raises ConfigError: the app is not installed.
        """
        if not apps.is_installed("softbounce.outbox.django"):
            raise ConfigError('"softbounce.outbox.django" is not in INSTALLED_APPS')
        from softbounce.outbox.django.models import OutboxRow  # noqa: PLC0415 - when the apps are ready

        OutboxRow.objects.using(self._alias).create(send_key=row.key, arguments=row.arguments, message=row.message)
        if waking.is_heard():
            self.on_commit(waking.wake)

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call it behind the commit of the outermost block; what else waits for it is called whatever it raises."""
        transaction.on_commit(lambda: callback(), using=self._alias, robust=True)  # noqa: PLW0108 - robust logs its name
