"""softbounce: hand over a message, and it gets out, or you are told why.

    >>> from softbounce import Client
    >>> with Client("redis://localhost:6379/0") as mail:
    ...     receipt = mail.send(sender="app@example.com", recipients=["a@example.net"], message=message)

What is named here is imported when it is first used: an app that only catches our errors does not pay for a client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce.client import (
        AsyncClient,
        BegunAct,
        BounceAnswer,
        CancelAnswer,
        ChangeAnswer,
        Client,
        HoldAnswer,
        NewSuppression,
        Outgoing,
        Page,
        QueueCounts,
        QueueRow,
        Receipt,
        ReleaseAnswer,
        ResendAnswer,
        Resent,
        RetryAnswer,
        Shown,
        ShownAction,
        ShownAttempt,
        ShownBounce,
        ShownCameBack,
        ShownHold,
        ShownLine,
        ShownTls,
        ShownTranscript,
        Suppression,
        SuppressionPage,
        TrafficPoint,
    )
    from softbounce.dsn import DsnOptions
    from softbounce.errors import (
        AlreadyEnded,
        CannotUndo,
        ConfigError,
        EventsLost,
        InvalidAddress,
        InvalidArgument,
        InvalidMessage,
        KeyReused,
        LeaseLost,
        MessageGone,
        NotFound,
        QuotaExceeded,
        SchemaMismatch,
        SoftbounceError,
        StoreError,
        StoreFull,
        StoreUnavailable,
        StoreUncertain,
    )
    from softbounce.events import Event

__all__ = [
    "AlreadyEnded",
    "AsyncClient",
    "BegunAct",
    "BounceAnswer",
    "CancelAnswer",
    "CannotUndo",
    "ChangeAnswer",
    "Client",
    "ConfigError",
    "DsnOptions",
    "Event",
    "EventsLost",
    "HoldAnswer",
    "InvalidAddress",
    "InvalidArgument",
    "InvalidMessage",
    "KeyReused",
    "LeaseLost",
    "MessageGone",
    "NewSuppression",
    "NotFound",
    "Outgoing",
    "Page",
    "QueueCounts",
    "QueueRow",
    "QuotaExceeded",
    "Receipt",
    "ReleaseAnswer",
    "ResendAnswer",
    "Resent",
    "RetryAnswer",
    "SchemaMismatch",
    "Shown",
    "ShownAction",
    "ShownAttempt",
    "ShownBounce",
    "ShownCameBack",
    "ShownHold",
    "ShownLine",
    "ShownTls",
    "ShownTranscript",
    "SoftbounceError",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "StoreUncertain",
    "Suppression",
    "SuppressionPage",
    "TrafficPoint",
]

CLIENT = frozenset(
    {
        "AsyncClient",
        "BegunAct",
        "BounceAnswer",
        "CancelAnswer",
        "ChangeAnswer",
        "Client",
        "HoldAnswer",
        "NewSuppression",
        "Outgoing",
        "Page",
        "QueueCounts",
        "QueueRow",
        "Receipt",
        "ReleaseAnswer",
        "ResendAnswer",
        "Resent",
        "RetryAnswer",
        "Shown",
        "ShownAction",
        "ShownAttempt",
        "ShownBounce",
        "ShownCameBack",
        "ShownHold",
        "ShownLine",
        "ShownTls",
        "ShownTranscript",
        "Suppression",
        "SuppressionPage",
        "TrafficPoint",
    }
)


HOMES = {"DsnOptions": "dsn", "Event": "events"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "client" if name in CLIENT else HOMES.get(name, "errors")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
