"""What a person does about an outbox: look how much waits and what was set aside, try that again, or drop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from softbounce.outbox.relay.database import Execute
from softbounce.outbox.relay.opening import database_of
from softbounce.outbox.relay.statements import Counts, Statements, Told

__all__ = ["Outbox", "drop", "look", "try_again"]

T = TypeVar("T")
MOST_SHOWN = 200


class Outbox(NamedTuple):
    """What there is in it.

    :ivar rows: the first of those that were set aside, or put off, and why.
    """

    counts: Counts
    rows: list[Told]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "waiting": self.counts.waiting,
            "sent": self.counts.sent,
            "set_aside": self.counts.aside,
            "rows": [one._asdict() for one in self.rows],
        }


async def look(where: Any) -> Outbox:  # noqa: ANN401 - as a relay takes it
    """Count the rows, and read what there is to tell. :raises SoftbounceError: the database is away."""

    def work(statements: Statements, execute: Execute) -> Outbox:
        return Outbox(statements.count(execute), statements.told(execute, MOST_SHOWN))

    return await _work(where, work)


async def try_again(where: Any, ids: Sequence[int] | None) -> int:  # noqa: ANN401
    """Let rows that were set aside wait again; all of them where none is named. How many those were."""
    return await _work(where, lambda statements, execute: statements.try_again(execute, ids))


async def drop(where: Any, ids: Sequence[int]) -> int:  # noqa: ANN401
    """Delete rows that were set aside. How many those were."""
    return await _work(where, lambda statements, execute: statements.drop(execute, ids))


async def _work(where: Any, work: Callable[[Statements, Execute], T]) -> T:  # noqa: ANN401
    database = database_of(where)
    statements = Statements(database.dialect)
    try:
        return await database.run(partial(work, statements))
    finally:
        await database.close()
