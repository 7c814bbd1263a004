"""From what an app or an operator gives as its database to one that a relay can use."""

from __future__ import annotations

from typing import Any

from softbounce.errors import ConfigError
from softbounce.outbox.relay.database import Database

__all__ = ["database_of"]


def database_of(where: Any) -> Database:  # noqa: ANN401
    """What a relay reads.

    :raises ConfigError: it is none, or what reads it is not installed.
    """
    if hasattr(where, "vendor") and hasattr(where, "on_commit"):
        from softbounce.outbox.django.database import DjangoDatabase  # noqa: PLC0415 - the app has it

        return DjangoDatabase(where.alias)
    try:
        from softbounce.outbox.sqlalchemy.database import database_of as of_sqlalchemy  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the outbox's database: {error.name} is missing: pip install 'softbounce[sqlalchemy]' and the driver"
        ) from None
    if (found := of_sqlalchemy(where)) is not None:
        return found
    raise ConfigError(
        f"the outbox's database: a URL, an engine of SQLAlchemy, or a connection of Django, not {type(where).__name__}"
    )
