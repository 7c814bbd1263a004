"""The database of an outbox by SQLAlchemy, as the relay uses it: a URL, or an engine of the app, blocking or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from softbounce.errors import ConfigError
from softbounce.outbox.relay.database import Database, DatabaseUnavailable, Execute, OneThread
from softbounce.outbox.sqlalchemy.table import MYSQLS, TABLE

__all__ = ["database_of", "ddl", "engine_of"]

T = TypeVar("T")
POSTGRES_DRIVERS = ("psycopg", "psycopg2", "asyncpg")
CONNECT_SECONDS = 10
SILENT_MS = 60_000
"""A connection to PostgreSQL on which nothing is acknowledged for so long is given up."""


def database_of(where: Any) -> Database | None:  # noqa: ANN401
    """What a relay reads; ``None``: it is no URL and no engine.

    :raises ConfigError: the URL cannot be used.
    """
    if isinstance(where, (str, URL)):
        return _of(engine_of(where), is_ours=True)
    return _of(where, is_ours=False) if isinstance(where, (Engine, AsyncEngine)) else None


def ddl(where: str | URL) -> str:
    """The SQL that makes the table in the kind of database that a URL names, which is not connected to."""
    engine = engine_of(where)
    dialect = engine.dialect
    indexes = sorted(TABLE.indexes, key=lambda index: str(index.name))
    made: list[CreateTable | CreateIndex] = [CreateTable(TABLE), *map(CreateIndex, indexes)]
    return "".join(f"{str(one.compile(dialect=dialect)).strip()};\n" for one in made)


def engine_of(where: str | URL) -> Engine | AsyncEngine:
    """An engine for a URL; that of PostgreSQL by whichever driver is installed, where it names none."""
    try:
        url = make_url(where.replace("postgres://", "postgresql://", 1) if isinstance(where, str) else where)
        if url.drivername == "postgresql":
            driver = next((one for one in POSTGRES_DRIVERS if find_spec(one)), POSTGRES_DRIVERS[0])
            url = url.set(drivername=f"postgresql+{driver}")
        arguments: dict[str, Any] = {"pool_pre_ping": True}
        if url.drivername in {"postgresql+psycopg", "postgresql+psycopg2"}:
            arguments["connect_args"] = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": SILENT_MS}
        if url.get_dialect().is_async:
            return create_async_engine(url, **arguments)
        return create_engine(url, **arguments)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(f"the outbox's database: no URL such as postgresql://user@host/name: {error}") from None
    except ImportError as error:
        raise ConfigError(f"the outbox's database: its driver is not installed: {error}") from None


def _of(engine: Engine | AsyncEngine, *, is_ours: bool) -> Database:
    if isinstance(engine, AsyncEngine):
        return AsyncDatabase(engine, is_ours=is_ours)
    return BlockingDatabase(engine, is_ours=is_ours)


def _isolation(dialect: str) -> dict[str, str]:
    """How the relay's transactions are isolated, where that is not left to the database.

    InnoDB's usual way locks what lies between rows too: two relays would wait for each other, and an app's transaction
    that is open for long would keep all relays from what was committed behind it. Django's own way is this one.
    """
    return {"isolation_level": "READ COMMITTED"} if dialect in MYSQLS else {}


def _executing(connection: Connection) -> Execute:
    def execute(statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        found = connection.execute(text(statement), dict(values or {}))
        return [tuple(row) for row in found] if found.returns_rows else []

    return execute


def _unavailable(error: Exception) -> DatabaseUnavailable:
    # Without the statement and its values, which the text of SQLAlchemy's own errors has: there is mail in them.
    return DatabaseUnavailable(getattr(error, "orig", None) or error)


class BlockingDatabase:
    """By a blocking engine, whose calls are made on one thread of their own."""

    is_of_a_loop = False

    def __init__(self, engine: Engine, *, is_ours: bool) -> None:
        self._engine = engine.execution_options(**_isolation(engine.dialect.name))
        self._is_ours = is_ours
        self._thread = OneThread()
        self.dialect = engine.dialect.name

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do it within one transaction."""

        def whole() -> T:
            try:
                with self._engine.begin() as connection:
                    return work(_executing(connection))
            except (SQLAlchemyError, OSError) as error:
                raise _unavailable(error) from error

        return await self._thread.run(whole)

    async def close(self) -> None:
        """End the thread, and the connections that are ours."""
        if self._is_ours:
            await self._thread.run(self._engine.dispose)
        self._thread.end()


class AsyncDatabase:
    """By an engine for asyncio, in the loop that it is used in."""

    def __init__(self, engine: AsyncEngine, *, is_ours: bool) -> None:
        self._engine = engine.execution_options(**_isolation(engine.dialect.name))
        self._is_ours = is_ours
        self.is_of_a_loop = not is_ours
        self.dialect = engine.dialect.name

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do it within one transaction."""
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(lambda blocking: work(_executing(blocking)))
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        """Close the connections that are ours."""
        if self._is_ours:
            await self._engine.dispose()
