"""An app with an outbox, for tests: its own table beside ours, and what softbounce has taken in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from softbounce import AsyncClient, Client, outbox
from softbounce.outbox.relay.relay import Relay

__all__ = [
    "MARIADB_WHEN_THOROUGH",
    "Order",
    "app_engine",
    "column",
    "forgive",
    "lapse",
    "letter",
    "relay_once",
    "taken",
    "waiting",
]

SENDER = "shop@example.com"
MARIADB_WHEN_THOROUGH = pytest.mark.parametrize(
    "app_database", ["postgresql", "sqlite", pytest.param("mariadb", marks=pytest.mark.thorough)], indirect=True
)
"""For what takes seconds and is hardly the database's."""


class Base(DeclarativeBase):
    """The app's models."""


outbox.table(Base.metadata)


class Order(Base):
    """What the app's transactions are about."""

    __tablename__ = "orders"
    number: Mapped[int] = mapped_column(primary_key=True)


@contextmanager
def app_engine(url: str, **options: Any) -> Iterator[Engine]:  # noqa: ANN401
    """An engine of the app's database, whose tables are there."""
    engine = create_engine(url, **options)
    try:
        Base.metadata.create_all(engine)
        yield engine
    finally:
        engine.dispose()


def letter(number: int, *, text_: str = "Thank you!") -> dict[str, Any]:
    """The arguments of the send for an order; its recipient names it."""
    message = EmailMessage()
    message["From"] = SENDER
    message["Subject"] = f"Order {number}"
    message.set_content(text_)
    return {"sender": SENDER, "recipients": [f"order{number}@d{number % 7}.test"], "message": message}


def taken(url: str) -> Counter[int]:
    """How often softbounce has taken the letter of each order, by its event log."""
    with Client(url) as mail:
        events = [event for event in mail.events() if event.kind == "accepted"]
    return Counter(int(event.recipient.partition("@")[0].removeprefix("order")) for event in events)


def column(engine: Engine, words: str) -> list[Any]:
    """The first column of what a SELECT finds."""
    with engine.connect() as connection:
        return list(connection.execute(text(words)).scalars())


def waiting(engine: Engine) -> int:
    """How many rows are left to hand over."""
    return int(column(engine, "SELECT COUNT(*) FROM softbounce_outbox WHERE state = 0")[0])


def lapse(engine: Engine) -> None:
    """Let all claims lapse, as time does."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE softbounce_outbox SET due_ms = 1 WHERE state = 0 AND due_ms > 1"))


def forgive(engine: Engine) -> None:
    """It was not for a row that relays ended: one that twenty had in hand when they did is set aside."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE softbounce_outbox SET tries = 3 WHERE state = 0 AND tries > 15"))


async def relay_once(database: Any, store: str | AsyncClient, **options: Any) -> int:  # noqa: ANN401
    """Hand over what there is; how many rows."""
    return await Relay(database, store, **options).run_once()
