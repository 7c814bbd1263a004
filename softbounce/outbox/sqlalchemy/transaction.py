"""The app's transaction by SQLAlchemy: a row goes into it, and what waits for its commit is called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event, insert
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from softbounce.errors import InvalidArgument
from softbounce.outbox import waking
from softbounce.outbox.adding import Transaction
from softbounce.outbox.row import NewRow
from softbounce.outbox.sqlalchemy.table import TABLE, MappedRow

__all__ = ["transaction_of"]

WAITING = "softbounce.outbox"


def transaction_of(where: Any) -> Transaction | None:  # noqa: ANN401
    """The transaction of a session or connection; ``None``: it is neither."""
    asyncio = sys.modules.get("sqlalchemy.ext.asyncio")
    if isinstance(where, scoped_session) or (asyncio is not None and isinstance(where, asyncio.async_scoped_session)):
        where = where.registry()
    if asyncio is not None and isinstance(where, asyncio.AsyncSession):
        return OfSession(where.sync_session, is_async=True)
    if isinstance(where, Session):
        return OfSession(where, is_async=False)
    return OfConnection(where) if isinstance(where, Connection) else None


def _values(row: NewRow) -> dict[str, object]:
    unused = {"state": 0, "due_ms": 0, "claim": "", "claimed_ms": 0, "tries": 0, "told": ""}
    return {"send_key": row.key, "arguments": row.arguments, "message": row.message, **unused}


class OfSession:
    """A session's. The row is an object of it as the app's own are: flushed and expunged with them."""

    def __init__(self, session: Session, *, is_async: bool) -> None:
        self._session = session
        self.is_async = is_async

    def insert(self, row: NewRow) -> None:
        """Add it; it is flushed with the rest."""
        mapped = MappedRow()
        for name, value in _values(row).items():
            setattr(mapped, name, value)
        self._session.add(mapped)
        if waking.is_heard():
            _waiting_of(self._session).add(self._session, waking.wake)

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call it behind the commit of the outermost transaction, when its connection is free again."""
        if not self.is_async:
            _waiting_of(self._session).add(self._session, callback)
            return
        try:
            from sqlalchemy.util import await_  # noqa: PLC0415 - its former name is deprecated from 2.2 on
        except ImportError:
            from sqlalchemy.util import await_only as await_  # noqa: PLC0415
        _waiting_of(self._session).add(self._session, lambda: await_(callback()))  # type: ignore[arg-type]


class OfConnection:
    """A connection's: the row is inserted at once."""

    is_async = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, row: NewRow) -> None:
        """Insert it."""
        self._connection.execute(insert(TABLE).values(**_values(row)))

    def on_commit(self, callback: Callable[[], object]) -> None:
        """There is no event behind a connection's commit."""
        del callback
        raise InvalidArgument("where", "SQLAlchemy tells of the commits of sessions only; use a Session, or add()")


class _Waiting:
    """What waits for the commit of a session's transaction. ``after_commit`` alone will not do.

    It comes when a savepoint is released, too, and what a savepoint took back must not be called.
    """

    def __init__(self, session: Session) -> None:
        self._waiting: list[tuple[list[SessionTransaction], Callable[[], object]]] = []
        self._committed: list[Callable[[], object]] = []
        event.listen(session, "after_commit", self._after_commit)
        event.listen(session, "after_soft_rollback", self._after_rollback)
        event.listen(session, "after_transaction_end", self._after_end)

    def add(self, session: Session, callback: Callable[[], object]) -> None:
        """Remember it, with the savepoints that it is within.

        :raises InvalidArgument: the session begins no transaction by itself, and is in none.
        """
        if session.get_transaction() is None:
            # As any other use does: a rollback of none at all would not be told, and the next commit be taken for its.
            if not session.autobegin:
                raise InvalidArgument("where", "the session is in no transaction: begin() one first")
            session.begin()
        within: list[SessionTransaction] = []
        around = session.get_nested_transaction() or session.get_transaction()
        while around is not None:
            within.append(around)
            around = around.parent
        self._waiting.append((within, callback))

    def _after_commit(self, session: Session) -> None:
        if not session.in_nested_transaction():
            self._committed += [callback for _, callback in self._waiting]
            self._waiting.clear()

    def _after_rollback(self, _session: Session, ended: SessionTransaction) -> None:
        self._waiting = [(within, callback) for within, callback in self._waiting if ended not in within]

    def _after_end(self, _session: Session, ended: SessionTransaction) -> None:
        if ended.parent is not None:
            return
        self._waiting.clear()  # closed without a word
        committed, self._committed = self._committed, []
        for callback in committed:
            callback()


def _waiting_of(session: Session) -> _Waiting:
    waiting = session.info.get(WAITING)
    if not isinstance(waiting, _Waiting):
        waiting = session.info[WAITING] = _Waiting(session)
    return waiting
