"""What the relay asks of a database library: one transaction at a time, and one error for all that goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from softbounce.errors import SoftbounceError

__all__ = ["TABLE", "Database", "DatabaseUnavailable", "Execute", "OneThread"]

T = TypeVar("T")
TABLE = "softbounce_outbox"
CHARACTERS = 500
HINT = (
    "\nIs the table there? outbox.table(metadata) and create_all or Alembic make it, so does `manage.py migrate`, "
    "and `softbounce relay --ddl` prints its SQL."
)


class DatabaseUnavailable(SoftbounceError):
    """The app's database did not do what it was asked; whether a change was made is not known."""

    def __init__(self, cause: BaseException) -> None:
        words = f"the outbox's database: {type(cause).__name__}: {str(cause).strip()}"[:CHARACTERS]
        super().__init__(words + (HINT if TABLE in words else ""))


class Execute(Protocol):
    """Carries out one statement."""

    def __call__(self, statement: str, values: Mapping[str, object] | None = None, /) -> list[tuple[Any, ...]]:
        """Return its rows. Values are named ``:name`` in the statement."""
        ...


class Database(Protocol):
    """A database with an outbox.

    :ivar is_of_a_loop: it has to be used in the event loop of the app that has made it.
    """

    dialect: str
    is_of_a_loop: bool

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do it within one transaction, which commits when *work* returns. :raises DatabaseUnavailable: it failed."""
        ...

    async def close(self) -> None:
        """Let go of what is ours."""


class OneThread:
    """Makes blocking calls on one thread: connections of Django are a thread's own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="softbounce-outbox")

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call, and wait for it without blocking the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def end(self) -> None:
        """Let the thread end when its call is over."""
        self._pool.shutdown(wait=False)
