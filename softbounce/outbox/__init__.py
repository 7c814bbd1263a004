"""Mail that goes if and only if the app's own database commits.

    >>> from softbounce import outbox
    >>> with Session(engine) as session, session.begin():
    ...     session.add(order)
    ...     outbox.add(session, sender="shop@example.com", recipients=["ada@example.net"], message=message)

The message becomes a row of the table ``softbounce_outbox``, beside the app's tables and in its transaction; a relay
(``softbounce relay``, or :class:`Relay` in the app) hands rows over by their key, so each once. For SQLAlchemy 2 and
for Django; what is named here is imported when it is first used, and neither of them before the app has done so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce.outbox.adding import add, send_on_commit
    from softbounce.outbox.relay.relay import Relay
    from softbounce.outbox.sqlalchemy.table import table

__all__ = ["Relay", "add", "send_on_commit", "table"]

HOMES = {"Relay": "relay.relay", "add": "adding", "send_on_commit": "adding", "table": "sqlalchemy.table"}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
