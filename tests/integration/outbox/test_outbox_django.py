"""The outbox in a project of Django: its migration, its own test runner, its transactions, and its relay."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from django_shop import DjangoShop
from outboxes import relay_once, taken
from servers import Valkey
from service import until
from sqlalchemy import create_engine, inspect
from sqlalchemy.types import String

from softbounce.outbox.sqlalchemy.table import TABLE

sqlite = pytest.mark.parametrize("app_database", ["sqlite"], indirect=True)
"""For what is Django's alone, and the same for every database."""
of_django = pytest.mark.parametrize("app_database", ["postgresql", "sqlite"], indirect=True)
"""Those whose drivers come as wheels: that of MariaDB, which Django wants, is built on the machine."""


@pytest.fixture
def shop(app_database: str, store_server: Valkey, tmp_path: Path) -> DjangoShop:
    """The project, migrated."""
    shop = DjangoShop(tmp_path, app_database, store_server.url)
    shop.manage("migrate", "--run-syncdb")
    return shop


@of_django
def test_issue14_the_migration_is_whole_and_makes_the_same_table(shop: DjangoShop, app_database: str) -> None:
    """Django finds nothing to add to it, and SQLAlchemy finds the columns and indexes that it would have made."""
    assert "No changes" in shop.manage("makemigrations", "--check", "--dry-run", "softbounce_outbox")
    engine = create_engine(app_database)
    found = inspect(engine)
    columns = {one["name"]: one for one in found.get_columns("softbounce_outbox")}
    assert list(columns) == [one.name for one in TABLE.columns]
    for one in TABLE.columns:
        there = columns[one.name]
        ours = one.type.dialect_impl(engine.dialect)
        assert there["nullable"] is one.nullable is False
        assert there["type"]._type_affinity is ours._type_affinity
        if isinstance(there["type"], String):
            assert there["type"].length == getattr(ours, "length", None)
    indexes = {one["name"]: one["column_names"] for one in found.get_indexes("softbounce_outbox")}
    ours_too = {str(one.name): [column.name for column in one.columns] for one in TABLE.indexes}
    assert {name: found for name, found in indexes.items() if name in ours_too} == ours_too
    engine.dispose()


@sqlite
def test_issue14_the_projects_own_tests_pass(shop: DjangoShop) -> None:
    """They count rows, catch what is wrong, and see what is sent on commit, savepoints and faults included."""
    said = shop.manage("test", "shop")
    assert "Ran 5 tests" in said
    assert "OK" in said


@of_django
def test_issue14_a_row_is_sent_if_and_only_if_its_transaction_commits(
    shop: DjangoShop, app_database: str, store_server: Valkey
) -> None:
    """By the relay that goes with Django, and by the one that goes with SQLAlchemy: they read the same table."""
    shop.run(
        """
order(1, key="order-1")
order(2, fails=True)
with transaction.atomic():
    Order.objects.create(number=3)
    try:
        with transaction.atomic():
            outbox.add(connection, **letter(3))
            Order.objects.create(number=1)
    except IntegrityError:
        pass
    outbox.add(connection, **letter(4))
outbox.add(connection, **letter(5))
with Client({store!r}) as mail, transaction.atomic():
    outbox.send_on_commit(connection, mail, **letter(6))
""".replace("{store!r}", repr(store_server.url))
    )
    assert taken(store_server.url) == {6: 1}
    assert "3 handed over" in shop.manage("softbounce_relay", "--once")
    assert taken(store_server.url) == {1: 1, 4: 1, 5: 1, 6: 1}
    shop.run("order(7)")
    assert asyncio.run(relay_once(app_database, store_server.url)) == 1
    assert taken(store_server.url)[7] == 1


@sqlite
def test_issue14_the_relay_of_django_runs_until_it_is_told_to_end(shop: DjangoShop, store_server: Valkey) -> None:
    """It hands over what comes, shows what it set aside, and ends in good order."""
    shop.run("order(1)\norder(2, key='same')\norder(3, key='same')")
    relay = shop.start("softbounce_relay")
    until(lambda: taken(store_server.url) == {1: 1, 2: 1}, 30, "what was there")
    shop.run("order(4)")
    until(lambda: taken(store_server.url) == {1: 1, 2: 1, 4: 1}, 30, "what came")
    relay.send_signal(signal.SIGTERM)
    said, _ = relay.communicate(timeout=30)
    assert (relay.returncode, said.splitlines()[0]) == (0, "ready")
    assert '"set_aside": 1' in shop.manage("softbounce_relay", "--aside")
    assert "1 wait again" in shop.manage("softbounce_relay", "--again")
    assert "0 handed over" in shop.manage("softbounce_relay", "--once")
    assert "1 dropped" in shop.manage("softbounce_relay", "--drop", "3")
    assert "no such store" not in shop.manage("softbounce_relay", "--store", "nonsense", code=1)


@sqlite
def test_issue14_a_project_that_forgot_the_app_is_told_so(shop: DjangoShop) -> None:
    """At the first call, and what to do."""
    settings = shop.folder / "settings.py"
    settings.write_text(settings.read_text().replace(', "softbounce.outbox.django"', ""))
    said = shop.run("try: order(1)\nexcept Exception as error: print(type(error).__name__, error)")
    assert 'ConfigError "softbounce.outbox.django" is not in INSTALLED_APPS' in said
