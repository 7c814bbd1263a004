"""The table of the outbox, as an app's own ``MetaData`` and Alembic have it. Django's model makes the same one.

Instants are milliseconds since 1970 by the database's clock, in plain numbers: every library reads them alike.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import registry
from sqlalchemy.schema import BLANK_SCHEMA

__all__ = ["MYSQLS", "TABLE", "MappedRow", "table"]

MYSQLS = ("mysql", "mariadb")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), *MYSQLS)
OCTETS = LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQLS)

NAME = "softbounce_outbox"


def _made(metadata: MetaData) -> Table:
    return Table(
        NAME,
        metadata,
        Column("id", NUMBER, primary_key=True, autoincrement=True),
        Column("send_key", String(256), nullable=False),
        Column("state", SmallInteger, nullable=False),
        Column("due_ms", BigInteger, nullable=False),
        Column("claim", String(32), nullable=False),
        Column("claimed_ms", BigInteger, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("arguments", LONG_TEXT, nullable=False),
        Column("message", OCTETS, nullable=False),
        Column("told", LONG_TEXT, nullable=False),
        Index("softbounce_outbox_due", "state", "due_ms", "id"),
        Index("softbounce_outbox_key", "send_key"),
        schema=BLANK_SCHEMA,  # the default one, whatever that of the metadata is
        sqlite_autoincrement=True,  # a number is never another row's later, as everywhere else
    )


TABLE = _made(MetaData())
"""``state``: 0 waits, 1 sent, 2 set aside. ``due_ms``: of what waits, 0 at once, else when it is tried again, which
is also when a claim lapses; of what was sent, when it is deleted. ``claim``: the token of the relay that has it.
``claimed_ms``: since when it may have been handed over without a word; 0: it was not. ``tries``: so many claims ended
without a word. ``told``: of what was sent the receipt, else why it waits or was set aside."""


class MappedRow:
    """A row that a session adds."""


registry().map_imperatively(MappedRow, TABLE)


def table(metadata: MetaData) -> Table:
    """The outbox as a table of *metadata*: ``create_all`` makes it, and Alembic's autogenerate sees it.

    It is in the default schema of the database, whatever the schema of *metadata*; called again it is the same one.
    """
    found = metadata.tables.get(NAME)
    return _made(metadata) if found is None else found
