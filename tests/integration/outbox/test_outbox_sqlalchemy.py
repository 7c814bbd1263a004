"""A row in the app's own transaction by SQLAlchemy: there if and only if that commits, whichever session it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from outboxes import Order, app_engine, column, letter, relay_once, taken, waiting
from servers import Valkey
from service import until
from sqlalchemy import Engine, MetaData, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from softbounce import AsyncClient, Client, InvalidAddress, InvalidArgument, SoftbounceError, StoreUnavailable, outbox
from softbounce.outbox.sqlalchemy.database import ddl


@pytest.fixture
def engine(app_database: str) -> Iterator[Engine]:
    """The app's database with its tables."""
    with app_engine(app_database) as engine:
        yield engine


def test_issue14_a_row_is_there_if_and_only_if_the_transaction_commits(engine: Engine, store_server: Valkey) -> None:
    """Committed, rolled back, closed without a word, failed at its commit: only the first is sent."""
    with Session(engine) as session, session.begin():
        session.add(Order(number=1))
        key = outbox.add(session, **letter(1), key="order-1")
    with Session(engine) as session:
        outbox.add(session, **letter(2))
        session.rollback()
    with Session(engine) as session:
        outbox.add(session, **letter(3))
        session.flush()
    with Session(engine) as session:
        session.add(Order(number=1))
        outbox.add(session, **letter(4))
        with pytest.raises(IntegrityError):
            session.commit()
    assert key == "order-1"
    assert waiting(engine) == 1
    assert asyncio.run(relay_once(engine, store_server.url)) == 1
    assert taken(store_server.url) == {1: 1}
    assert waiting(engine) == 0


def test_issue14_a_savepoint_takes_its_mail_back(engine: Engine, store_server: Valkey) -> None:
    """What was added within one that is rolled back is not sent; what was added around it is."""
    with Session(engine) as session, session.begin():
        outbox.add(session, **letter(1))
        with session.begin_nested():
            outbox.add(session, **letter(2))
        with session.begin_nested() as within:
            outbox.add(session, **letter(3))
            within.rollback()
    assert asyncio.run(relay_once(engine, store_server.url)) == 2
    assert taken(store_server.url) == {1: 1, 2: 1}


def test_issue14_bad_input_raises_in_the_app_and_harms_no_transaction(engine: Engine) -> None:
    """At the call, before anything was added; the rest of the transaction commits."""
    with Session(engine) as session, session.begin():
        session.add(Order(number=1))
        with pytest.raises(InvalidAddress, match=r"recipients\[0\]"):
            outbox.add(session, **{**letter(1), "recipients": ["nobody"]})
        outbox.add(session, **letter(1))
    assert waiting(engine) == 1
    assert column(engine, "SELECT number FROM orders") == [1]


def test_issue14_any_session_or_connection_will_do(engine: Engine) -> None:
    """Scoped ones, and a connection without a session; what is none is named."""
    scoped = scoped_session(sessionmaker(engine))
    outbox.add(scoped, **letter(1))
    scoped.commit()
    scoped.remove()
    with engine.begin() as connection:
        outbox.add(connection, **letter(2))
    with engine.connect() as connection:
        outbox.add(connection, **letter(3))
        connection.rollback()
    assert waiting(engine) == 2
    with pytest.raises(InvalidArgument, match="not Engine"):
        outbox.add(engine, **letter(4))


@pytest.mark.parametrize("driver", ["aiosqlite", "psycopg"])
def test_issue14_an_async_session_adds_without_waiting(
    driver: str, request: pytest.FixtureRequest, tmp_path: Path, store_server: Valkey
) -> None:
    """``add`` is no coroutine for it either; the relay runs as a task on the app's own engine."""
    if driver == "aiosqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    with app_engine(url.replace("+aiosqlite", "")) as blocking:

        async def app() -> None:
            engine = create_async_engine(url)
            relay = outbox.Relay(engine, AsyncClient(store_server.url), poll=timedelta(minutes=5))
            with pytest.raises(InvalidArgument, match="AsyncEngine"):
                relay.start()
            running = asyncio.create_task(relay.run())
            await asyncio.sleep(0.1)  # it finds nothing, and would not look again for minutes
            async with AsyncSession(engine) as session, session.begin():
                outbox.add(session, **letter(1))
            many = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
            outbox.add(many, **letter(2))
            await many.commit()
            await many.remove()
            async with AsyncSession(engine) as session:
                outbox.add(session, **letter(3))
                await session.rollback()
            async with asyncio.timeout(20):
                while relay.sent < 2:  # noqa: ASYNC110 - as an app would see it
                    await asyncio.sleep(0.01)
            relay.stop()
            await running
            await engine.dispose()

        asyncio.run(app())
        assert waiting(blocking) == 0
    assert taken(store_server.url) == {1: 1, 2: 1}


def test_issue14_a_relay_in_the_app_is_woken_by_a_commit(engine: Engine, store_server: Valkey) -> None:
    """It need not poll: the mail is handed over at once, and a rollback or a savepoint wakes nobody."""
    with outbox.Relay(engine, store_server.url, poll=timedelta(minutes=5)) as relay:
        until(lambda: relay._events is not None, 10, "it runs")
        with Session(engine) as session, session.begin():
            outbox.add(session, **letter(1))
        until(lambda: relay.sent == 1, 10, "it is handed over")
    assert taken(store_server.url) == {1: 1}


def test_issue14_the_table_is_the_apps_own(app_database: str) -> None:
    """On its MetaData, whatever schema that has, once; and what ``--ddl`` prints is the same table."""
    metadata = MetaData(schema="elsewhere")
    made = outbox.table(metadata)
    assert outbox.table(metadata) is made
    assert made.schema is None
    engine = create_engine(app_database)
    with engine.begin() as connection:
        for statement in ddl(app_database).split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
    columns = [one["name"] for one in inspect(engine).get_columns("softbounce_outbox")]
    assert columns == [one.name for one in made.columns]
    with Session(engine) as session, session.begin():
        outbox.add(session, **letter(1))
    assert waiting(engine) == 1
    engine.dispose()


def test_issue14_on_commit_sends_behind_the_outermost_commit_only(engine: Engine, store_server: Valkey) -> None:
    """Not when a savepoint is released, nor what one took back, nor what was rolled back or closed: each once."""
    with Client(store_server.url) as mail, Session(engine) as session:
        with session.begin():
            session.add(Order(number=1))
            key = outbox.send_on_commit(session, mail, **letter(1))
            with session.begin_nested():
                session.add(Order(number=2))
                outbox.send_on_commit(session, mail, **letter(2))
            with session.begin_nested() as within:
                outbox.send_on_commit(session, mail, **letter(3))
                with session.begin_nested():
                    outbox.send_on_commit(session, mail, **letter(4))
                within.rollback()
            assert not taken(store_server.url)
        assert key.startswith("made-")
        assert taken(store_server.url) == {1: 1, 2: 1}
        outbox.send_on_commit(session, mail, **letter(5))  # the first that is heard of this transaction
        session.rollback()
        with pytest.raises(InvalidArgument, match="in no transaction"), Session(engine, autobegin=False) as careful:
            outbox.send_on_commit(careful, mail, **letter(8))
        session.add(Order(number=6))
        outbox.send_on_commit(session, mail, **letter(6))
        session.close()
        session.add(Order(number=7))
        outbox.send_on_commit(session, mail, **letter(7))
        session.commit()
        session.commit()
        with pytest.raises(InvalidArgument, match="Session"), engine.connect() as connection:
            outbox.send_on_commit(connection, mail, **letter(8))
        with pytest.raises(InvalidArgument, match="not AsyncClient"):
            outbox.send_on_commit(session, AsyncClient(store_server.url), **letter(8))
    assert taken(store_server.url) == {1: 1, 2: 1, 7: 1}


def test_issue14_on_commit_sends_when_the_connection_is_free_again(app_database: str, store_server: Valkey) -> None:
    """A slow store holds no connection of the pool."""
    with app_engine(app_database, pool_size=1, max_overflow=0) as engine, Client(store_server.url) as mail:
        seen: list[int] = []

        class Watching(Client):
            """Looks at the pool while it sends."""

            def send(self, **arguments: Any) -> Any:  # noqa: ANN401
                """Send."""
                seen.append(engine.pool.checkedout())  # type: ignore[attr-defined]
                return mail.send(**arguments)

        with Watching(store_server.url) as watching, Session(engine) as session, session.begin():
            session.add(Order(number=1))
            outbox.send_on_commit(session, watching, **letter(1))
    assert seen == [0]


def test_issue14_on_commit_says_what_it_could_not_send(
    engine: Engine, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The commit stands and raises nothing; who asked is told, with the key to send again with."""
    failed: list[tuple[Any, SoftbounceError]] = []
    with Client(f"unix://{tmp_path}/none.sock", patience=0.1) as mail, Session(engine) as session, session.begin():
        session.add(Order(number=1))
        arguments = letter(1)
        outbox.send_on_commit(session, mail, failed=lambda *told: failed.append(told), **arguments, key="order-1")
    ((outgoing, error),) = failed
    assert outgoing["key"] == "order-1"
    assert isinstance(error, StoreUnavailable)
    assert "not sent after commit: key 'order-1'" in caplog.text
    assert column(engine, "SELECT number FROM orders") == [1]


def test_issue14_on_commit_of_an_async_session(tmp_path: Path, store_server: Valkey) -> None:
    """When ``await session.commit()`` returns the mail is sent; a client that blocks the loop is refused."""

    async def app() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'app.db'}")
        async with AsyncClient(store_server.url) as mail, AsyncSession(engine) as session:
            with pytest.raises(InvalidArgument, match="an AsyncClient"):
                outbox.send_on_commit(session, Client(store_server.url), **letter(1))
            await session.execute(text("SELECT 1"))
            outbox.send_on_commit(session, mail, **letter(1))
            await session.commit()
            assert [event.recipient async for event in mail.events()] == ["order1@d1.test"]
            outbox.send_on_commit(session, mail, **letter(2))
            await session.rollback()
            await session.commit()
        await engine.dispose()

    asyncio.run(app())
    assert taken(store_server.url) == {1: 1}
