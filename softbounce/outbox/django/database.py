"""The database of an outbox by Django, as the relay uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import Error, connections, transaction

from softbounce.outbox.relay.database import DatabaseUnavailable, Execute, OneThread

__all__ = ["DjangoDatabase"]

T = TypeVar("T")
NAME = re.compile(r":(\w+)")


class DjangoDatabase:
    """One of the app's databases; its connection is of a thread of its own, as Django has them."""

    is_of_a_loop = False

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._thread = OneThread()
        self.dialect: str = connections[alias].vendor

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do it within one transaction."""

        def whole() -> T:
            try:
                with transaction.atomic(using=self._alias), connections[self._alias].cursor() as cursor:
                    return work(_executing(cursor))
            except (Error, OSError) as error:
                connections[self._alias].close()  # it may be dead; the next one connects anew
                raise DatabaseUnavailable(error) from error

        return await self._thread.run(whole)

    async def close(self) -> None:
        """Close the thread's connection, and end it."""
        await self._thread.run(lambda: connections[self._alias].close())  # noqa: PLW0108 - that of the thread
        self._thread.end()


def _executing(cursor: Any) -> Execute:  # noqa: ANN401 - Django has no types
    def execute(statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        cursor.execute(NAME.sub(r"%(\1)s", statement), dict(values or {}))
        return list(cursor.fetchall()) if cursor.description is not None else []

    return execute
