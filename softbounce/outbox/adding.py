"""What an app calls within its transaction: :func:`add`, and :func:`send_on_commit`, which promises less.

Which database library it uses is told by what it gives as *where*; none is imported here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Protocol, Unpack

from softbounce.client import AsyncClient, Client
from softbounce.client.send.arguments import Outgoing
from softbounce.errors import InvalidArgument, SoftbounceError, StoreUncertain
from softbounce.outbox.row import MAX_MESSAGE_OCTETS, NewRow, new_row, outgoing_of_new

__all__ = ["Transaction", "add", "send_on_commit"]

log = logging.getLogger("softbounce.outbox")
TRIES = 3
"""How often a send is repeated, by its key, whose answer was lost."""
Failed = Callable[[Outgoing, SoftbounceError], object]


class Transaction(Protocol):
    """The app's transaction, of whichever library."""

    is_async: bool
    """It is committed within an event loop."""

    def insert(self, row: NewRow) -> None:
        """Make the row part of it."""

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call when it was committed as a whole: never for a savepoint alone, nor what was rolled back to one.

        :param callback: where :attr:`is_async` holds, what it returns is awaited.
        """


def add(where: Any, /, *, max_message_octets: int = MAX_MESSAGE_OCTETS, **arguments: Unpack[Outgoing]) -> str:  # noqa: ANN401
    """Add a message to the app's transaction: it is sent when that commits, and never when it does not.

    Nothing is asked of softbounce, so neither its absence nor its pace is the app's concern.

    :param where: of SQLAlchemy a ``Session``, ``AsyncSession`` (nothing to await), a scoped one, or a ``Connection``;
        of Django ``django.db.connection``, or one of ``connections``.
    :param arguments: those of :meth:`softbounce.Client.send`.
    :param max_message_octets: of a service whose ``[smtp] max_message`` is not the default.
    :returns: the key; made if absent.
    :raises InvalidMessage: with ``field`` and ``reason``; the transaction is as it was.
    :raises InvalidArgument: *where* is nothing of these.
    """
    transaction = _transaction(where)
    row = new_row(arguments, max_message_octets=max_message_octets)
    transaction.insert(row)
    return row.key


def send_on_commit(
    where: Any,  # noqa: ANN401
    client: Client | AsyncClient,
    /,
    *,
    failed: Failed | None = None,
    max_message_octets: int = MAX_MESSAGE_OCTETS,
    **arguments: Unpack[Outgoing],
) -> str:
    """Send when the app's transaction has committed, without a table. **Mail may be lost between the two**.

    The commit is not undone by what happens here, and raises nothing for it: a send that fails is logged, and given to
    *failed*. A process that dies between the commit and the send has sent nothing, and nobody knows.

    :param client: an ``AsyncClient`` for an ``AsyncSession``, a ``Client`` for all others.
    :param failed: called with the arguments, the key among them, and the error.
    :returns: the key, made before the transaction commits.
    :raises InvalidMessage: at once, as :func:`add` does.
    :raises InvalidArgument: *where* is no transaction that can be watched, or *client* does not go with it.
    """
    transaction = _transaction(where)
    if isinstance(client, AsyncClient) is not transaction.is_async:
        fitting = "an AsyncClient" if transaction.is_async else "a Client"
        raise InvalidArgument("client", f"this transaction takes {fitting}, not {type(client).__name__}")
    row = new_row(arguments, max_message_octets=max_message_octets)
    outgoing = outgoing_of_new(row)
    if isinstance(client, AsyncClient):
        transaction.on_commit(lambda: _send_async(client, outgoing, failed))
    else:
        transaction.on_commit(lambda: _send(client, outgoing, failed))
    return row.key


def _send(client: Client, outgoing: Outgoing, failed: Failed | None) -> None:
    for turn in range(1, TRIES + 1):
        try:
            client.send(**outgoing)
        except StoreUncertain as error:
            if turn == TRIES:
                _tell(outgoing, error, failed)
        except SoftbounceError as error:
            return _tell(outgoing, error, failed)
        else:
            return None
    return None


async def _send_async(client: AsyncClient, outgoing: Outgoing, failed: Failed | None) -> None:
    for turn in range(1, TRIES + 1):
        try:
            await client.send(**outgoing)
        except StoreUncertain as error:
            if turn == TRIES:
                _tell(outgoing, error, failed)
        except SoftbounceError as error:
            return _tell(outgoing, error, failed)
        else:
            return None
    return None


def _tell(outgoing: Outgoing, error: SoftbounceError, failed: Failed | None) -> None:
    log.error("not sent after commit: key %r: %s", outgoing.get("key"), error)
    if failed is not None:
        failed(outgoing, error)


def _transaction(where: Any) -> Transaction:  # noqa: ANN401
    if "sqlalchemy" in sys.modules:
        from softbounce.outbox.sqlalchemy.transaction import transaction_of  # noqa: PLC0415 - not before the app did

        if (found := transaction_of(where)) is not None:
            return found
    if "django.db" in sys.modules and hasattr(where, "vendor") and hasattr(where, "on_commit"):
        from softbounce.outbox.django.transaction import DjangoTransaction  # noqa: PLC0415

        return DjangoTransaction(where.alias)
    raise InvalidArgument(
        "where",
        f"a session or connection of SQLAlchemy, or a connection of Django, not {type(where).__name__}",
    )
