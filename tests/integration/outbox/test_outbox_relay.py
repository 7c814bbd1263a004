"""The relay against real databases and a real store: what is refused, away, slow, doubled, late or strange."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import StartStore
from outboxes import MARIADB_WHEN_THOROUGH, Order, app_engine, column, lapse, letter, relay_once, taken, waiting
from postgres import Postgres
from servers import Valkey
from service import until
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from softbounce import AsyncClient, Client, StoreUnavailable, outbox
from softbounce.outbox.relay.aside import drop, look, try_again
from softbounce.outbox.relay.database import Execute
from softbounce.outbox.relay.opening import database_of
from softbounce.outbox.relay.statements import Statements
from softbounce.settings import Allowance, QuotaRule, Settings
from softbounce.store.published import publish_settings
from softbounce.store.shards import Shards


@pytest.fixture
def engine(app_database: str) -> Iterator[Engine]:
    """The app's database with its tables."""
    with app_engine(app_database) as engine:
        yield engine


def add(engine: Engine, *numbers: int, **more: Any) -> None:  # noqa: ANN401
    """One transaction with the letters of these orders."""
    with Session(engine) as session, session.begin():
        for number in numbers:
            outbox.add(session, **{**letter(number), **more})


def change(engine: Engine, words: str) -> None:
    """What a hand in the database does, or time."""
    with engine.begin() as connection:
        connection.execute(text(words))


def publish(url: str, settings: Settings) -> None:
    """Settings of the service."""
    with Client(url) as mail:
        mail.settings()
    store = Shards(url)
    assert store.run(publish_settings(settings, over=settings.version - 1))
    store.close()


def test_issue14_a_row_that_is_refused_is_set_aside_and_blocks_no_other(engine: Engine, store_server: Valkey) -> None:
    """For its content, its key, or because nobody can read it: with the reason, until a person says what to do."""
    publish(store_server.url, Settings(version=1, max_message_octets=2000))
    with Client(store_server.url) as mail:
        mail.send(**letter(99), key="used")
    add(engine, 1)
    add(engine, 2, message=b"From: a@example.com\n\n" + b"x" * 70 + b"\n" * 5000)
    add(engine, 3, key="used")
    add(engine, 4, 5, 6)
    change(engine, "UPDATE softbounce_outbox SET arguments = 'nonsense' WHERE id = 5")
    assert asyncio.run(relay_once(engine, store_server.url)) == 3
    assert taken(store_server.url) == {99: 1, 1: 1, 4: 1, 6: 1}
    found = asyncio.run(look(engine))
    assert (found.counts.waiting, found.counts.aside) == (0, 3)
    assert [(one.id, one.state) for one in found.rows] == [(2, "aside"), (3, "aside"), (5, "aside")]
    reasons = [one.reason for one in found.rows]
    assert "max_message_octets" in reasons[0]
    assert "was used before" in reasons[1]
    assert "cannot be read" in reasons[2]

    assert asyncio.run(drop(engine, [3, 4])) == 1
    publish(store_server.url, Settings(version=2))
    assert asyncio.run(try_again(engine, None)) == 2
    assert asyncio.run(relay_once(engine, store_server.url)) == 1
    assert taken(store_server.url) == {99: 1, 1: 1, 2: 1, 4: 1, 6: 1}
    assert column(engine, "SELECT id FROM softbounce_outbox WHERE state = 2") == [5]


def test_issue14_a_thousand_refused_rows_hold_nothing_up(engine: Engine, store_server: Valkey) -> None:
    """More than a batch has room for: mail that was added behind them is handed over all the same."""
    with engine.begin() as connection:
        for number in range(1000):
            connection.execute(
                text(
                    "INSERT INTO softbounce_outbox"
                    " (send_key, state, due_ms, claim, claimed_ms, tries, arguments, message, told)"
                    " VALUES (:key, 0, 0, '', 0, 0, '{}', :message, '')"
                ),
                {"key": f"bad-{number}", "message": b"\xff\x00"},
            )
    add(engine, 1)
    assert asyncio.run(relay_once(engine, store_server.url)) == 1
    assert asyncio.run(look(engine)).counts == (0, 0, 1000)


def test_issue14_a_fault_of_ours_sets_one_row_aside(engine: Engine, store_server: Valkey) -> None:
    """Where a batch fails for what nobody has foreseen each goes alone, so that one message stops no others."""

    class Faulty(AsyncClient):
        """Has a fault that one message meets."""

        async def send_each(self, messages: Any) -> Any:  # noqa: ANN401
            """Send, or fail."""
            if any(one["key"] == "meets it" for one in messages):
                raise ZeroDivisionError("a fault")
            return await super().send_each(messages)

    add(engine, 1, 2)
    add(engine, 3, key="meets it")
    add(engine, 4)
    assert asyncio.run(relay_once(engine, Faulty(store_server.url))) == 3
    assert taken(store_server.url) == {1: 1, 2: 1, 4: 1}
    (row,) = asyncio.run(look(engine)).rows
    assert (row.key, row.reason) == ("meets it", "a fault of softbounce: ZeroDivisionError: a fault")


def test_issue14_what_a_quota_refuses_waits_until_there_is_room(engine: Engine, store_server: Valkey) -> None:
    """It is put off as long as the quota says, others are not, and it is no set-aside row."""
    rule = QuotaRule(
        name="calm", stream="news", messages=Allowance(number=2, period=timedelta(seconds=2)), over="refuse"
    )
    publish(store_server.url, Settings(version=1, quota=(rule,)))
    add(engine, 1, 2, 3, stream="news")
    add(engine, 4)
    assert asyncio.run(relay_once(engine, store_server.url)) == 3
    found = asyncio.run(look(engine))
    assert (found.counts.waiting, found.counts.aside) == (1, 0)
    assert (found.rows[0].state, "'calm'" in found.rows[0].reason) == ("put off", True)
    with outbox.Relay(engine, store_server.url, poll=timedelta(milliseconds=50)) as relay:
        until(lambda: relay.sent == 1, 20, "there is room")
    assert taken(store_server.url) == {1: 1, 2: 1, 3: 1, 4: 1}


@MARIADB_WHEN_THOROUGH
def test_issue14_a_store_that_is_away_loses_and_doubles_nothing(engine: Engine, start_store: StartStore) -> None:
    """Rows are given back, whatever moment it goes; when it is there again they are handed over, each once."""
    store: Valkey = start_store()
    add(engine, *range(300))
    client = AsyncClient(store.url, patience=0.2)
    with outbox.Relay(engine, client, batch=20, poll=timedelta(milliseconds=20)) as relay:
        until(lambda: relay.sent > 40, 20, "it has begun")
        store.kill()
        time.sleep(1)
        assert not column(engine, "SELECT id FROM softbounce_outbox WHERE state = 2")
        store.start()
        until(lambda: relay.sent == 300, 60, "it goes on")
    assert taken(store.url) == dict.fromkeys(range(300), 1)
    assert waiting(engine) == 0


def test_issue14_run_once_says_that_the_store_is_away(engine: Engine, tmp_path: Path) -> None:
    """And nothing was claimed."""
    add(engine, 1)
    with pytest.raises(StoreUnavailable):
        asyncio.run(relay_once(engine, AsyncClient(f"unix://{tmp_path}/none.sock", patience=0.1)))
    assert column(engine, "SELECT tries FROM softbounce_outbox") == [0]


def test_issue14_a_database_that_restarts_is_waited_for(postgres: Postgres, store_server: Valkey) -> None:
    """Its connections end at once, also in the middle of a batch."""
    with app_engine(postgres.new_database(), pool_pre_ping=True) as engine:
        add(engine, *range(300))
        with outbox.Relay(engine, store_server.url, batch=10, poll=timedelta(milliseconds=20)) as relay:
            until(lambda: relay.sent > 20, 20, "it has begun")
            postgres.restart()
            until(lambda: relay.sent > 100, 60, "it goes on")
            lapse(engine)
            until(lambda: waiting(engine) == 0, 60, "it ends")
    assert taken(store_server.url) == dict.fromkeys(range(300), 1)


@MARIADB_WHEN_THOROUGH
def test_issue14_several_relays_at_once_share_the_work(engine: Engine, store_server: Valkey) -> None:
    """Four of them: each row once, and none of them waits for another."""
    add(engine, *range(600))

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(relay_once(engine, store_server.url, batch=10) for _ in range(4)))

    sent = asyncio.run(all_of_them())
    assert sum(sent) == 600
    assert waiting(engine) == 0
    assert taken(store_server.url) == dict.fromkeys(range(600), 1)


def test_issue14_a_transaction_that_commits_late_is_not_passed_over(postgres: Postgres, store_server: Valkey) -> None:
    """Numbers are given when rows are written, not when they are committed; a busy relay looks behind it again."""
    with (
        app_engine(postgres.new_database()) as engine,
        outbox.Relay(engine, store_server.url, batch=5, poll=timedelta(minutes=5)) as relay,
        Session(engine) as late,
    ):
        until(lambda: relay._events is not None, 10, "it runs, and listens")
        outbox.add(late, **letter(1))
        late.flush()  # it has its number
        add(engine, *range(2, 60))
        until(lambda: relay.sent >= 50, 20, "the others go ahead")
        late.commit()
        until(lambda: relay.sent == 59, 20, "it follows")
    assert taken(store_server.url) == dict.fromkeys(range(1, 60), 1)


@MARIADB_WHEN_THOROUGH
def test_issue14_mail_keeps_coming_and_nothing_starves(engine: Engine, store_server: Valkey) -> None:
    """While there is always more that is new, rows of a relay that died, and of late commits, have their turn."""
    add(engine, *range(1000, 1010))
    change(engine, "UPDATE softbounce_outbox SET due_ms = 1, claim = 'dead', claimed_ms = 1, tries = 1")
    change(engine, f"UPDATE softbounce_outbox SET claimed_ms = {int(time.time() * 1000) - 60_000}")
    add(engine, *range(400))
    with outbox.Relay(engine, store_server.url, batch=8) as relay:
        until(lambda: relay.sent >= 60, 20, "some are handed over")
        left = column(engine, "SELECT COUNT(*) FROM softbounce_outbox WHERE claim = 'dead'")
        relay.stop()
    assert left == [0]


def test_issue14_who_has_lost_its_claim_concludes_nothing(engine: Engine) -> None:
    """A relay that was asleep for long must not touch what another has, nor a row that has the same number by now."""
    add(engine, 1, 2)
    statements = Statements(engine.dialect.name)

    def slow(execute: Execute) -> None:
        statements.begin(execute)
        statements.delete(execute, [1, 2], "mine")
        statements.keep(execute, 1, "mine", receipt="{}", keep_ms=1)
        statements.put_off(execute, 1, "mine", wait_ms=1000, reason="")
        statements.set_aside(execute, 1, "mine", token="mine")
        statements.give_back(execute, [1, 2], "mine", is_uncertain=False)

    async def whole() -> None:
        database = database_of(engine)
        await database.run(slow)
        await database.close()

    before = column(engine, "SELECT state FROM softbounce_outbox ORDER BY id")
    change(engine, "UPDATE softbounce_outbox SET claim = 'another', tries = 1 WHERE id = 2")
    asyncio.run(whole())
    assert column(engine, "SELECT state FROM softbounce_outbox ORDER BY id") == before == [0, 0]
    assert column(engine, "SELECT tries FROM softbounce_outbox ORDER BY id") == [0, 1]


def test_issue14_a_number_is_never_another_rows_later(engine: Engine) -> None:
    """SQLite would give the last one again."""
    add(engine, 1, 2)
    change(engine, "DELETE FROM softbounce_outbox")
    add(engine, 3)
    assert column(engine, "SELECT id FROM softbounce_outbox") == [3]


def test_issue14_what_was_sent_can_be_kept_for_a_while(engine: Engine, store_server: Valkey) -> None:
    """Its receipt by its key, without its message; and then it goes."""
    add(engine, 1, key="order-1")
    assert asyncio.run(relay_once(engine, store_server.url, keep=timedelta(hours=1))) == 1
    ((message, told),) = [(column(engine, f"SELECT {name} FROM softbounce_outbox")[0] for name in ("message", "told"))]
    assert bytes(message) == b""
    receipt = json.loads(told)
    assert receipt["key"] == "order-1"
    with Client(store_server.url) as mail:
        assert mail.show(receipt["envelopes"]["order1@d1.test"]).recipient == "order1@d1.test"
    assert asyncio.run(look(engine)).counts == (0, 1, 0)
    assert asyncio.run(relay_once(engine, store_server.url)) == 0
    assert asyncio.run(look(engine)).counts.sent == 1
    change(engine, "UPDATE softbounce_outbox SET due_ms = 1")
    assert asyncio.run(relay_once(engine, store_server.url)) == 0
    assert asyncio.run(look(engine)).counts == (0, 0, 0)


def test_issue14_what_was_in_doubt_for_too_long_is_for_a_person(engine: Engine, store_server: Valkey) -> None:
    """It may have been handed over by a relay that died, and its key forgotten since: it is not sent a second time."""
    publish(store_server.url, Settings(version=1, keep_keys=timedelta(hours=1)))
    add(engine, 1, 2)
    then = int(time.time() * 1000)
    change(engine, f"UPDATE softbounce_outbox SET due_ms = 1, tries = 1, claimed_ms = {then - 3_300_000} WHERE id = 1")
    change(engine, f"UPDATE softbounce_outbox SET due_ms = 1, tries = 1, claimed_ms = {then - 3_000_000} WHERE id = 2")
    assert asyncio.run(relay_once(engine, store_server.url)) == 1
    assert taken(store_server.url) == {2: 1}
    (row,) = asyncio.run(look(engine)).rows
    assert (row.id, "may have been handed over 55 min" in row.reason) == (1, True)
    assert asyncio.run(try_again(engine, [1])) == 1
    assert asyncio.run(relay_once(engine, store_server.url)) == 1


def test_issue14_a_row_of_a_newer_version_waits_for_a_newer_relay(engine: Engine, store_server: Valkey) -> None:
    """While apps are upgraded before their relay; it is not sent without what this one does not know of."""
    add(engine, 1, 2)
    arguments = column(engine, "SELECT arguments FROM softbounce_outbox WHERE id = 1")[0]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE softbounce_outbox SET arguments = :arguments WHERE id = 1"),
            {"arguments": json.dumps({**json.loads(arguments), "moon": "full"})},
        )
    assert asyncio.run(relay_once(engine, store_server.url)) == 1
    found = asyncio.run(look(engine))
    assert found.counts == (1, 0, 0)
    assert "of a newer softbounce" in found.rows[0].reason


@MARIADB_WHEN_THOROUGH
def test_issue14_many_large_messages_are_not_read_at_once(engine: Engine, store_server: Valkey) -> None:
    """Twelve of 3 MiB go in batches of what fits, in their order."""
    for number in range(12):
        add(engine, number, message=b"From: a@example.com\n\n" + (b"x" * 60 + b"\n") * (3 * 2**20 // 61))
    sizes: list[int] = []

    class Watching(AsyncClient):
        """Notes how much comes at once."""

        async def send_each(self, messages: Any) -> Any:  # noqa: ANN401
            """Send."""
            sizes.append(sum(len(one["message"]) for one in messages))
            return await super().send_each(messages)

    assert asyncio.run(relay_once(engine, Watching(store_server.url))) == 12
    assert max(sizes) <= 8 * 2**20
    assert len(sizes) == 6


def test_issue14_a_locked_sqlite_is_waited_for(tmp_path: Path, store_server: Valkey) -> None:
    """Somebody writes for seconds; neither the app nor the relay loses anything for it."""
    with app_engine(f"sqlite:///{tmp_path / 'app.db'}") as engine:
        add(engine, *range(50))
        with outbox.Relay(engine, store_server.url, batch=5, poll=timedelta(milliseconds=10)) as relay:
            until(lambda: relay.sent > 5, 20, "it has begun")
            with engine.connect() as connection:
                connection.execute(text("INSERT INTO orders VALUES (1)"))
                time.sleep(6)  # longer than the five seconds for which the app's own engine waits
                connection.commit()
            lapse(engine)
            until(lambda: waiting(engine) == 0, 60, "it goes on")
    assert taken(store_server.url) == dict.fromkeys(range(50), 1)


def test_issue14_an_idle_relay_writes_nothing(tmp_path: Path, store_server: Valkey) -> None:
    """It looks ten times a second, and the app has the only write lock of SQLite for itself."""
    with app_engine(f"sqlite:///{tmp_path / 'app.db'}", connect_args={"timeout": 0}) as engine:
        change(engine, "PRAGMA journal_mode=WAL")
        with outbox.Relay(
            f"sqlite:///{tmp_path / 'app.db'}", store_server.url, poll=timedelta(milliseconds=10)
        ) as relay:
            until(lambda: relay._swept_at > 0, 10, "it looks")
            for number in range(200):
                with Session(engine) as session, session.begin():
                    session.add(Order(number=number))


def test_issue14_a_relay_that_is_stopped_before_it_runs_ends(engine: Engine, store_server: Valkey) -> None:
    """At once, however short the time between the two is."""
    for _ in range(20):
        relay = outbox.Relay(engine, store_server.url)
        relay.start()
        began = time.monotonic()
        relay.stop()
        assert time.monotonic() - began < 5
