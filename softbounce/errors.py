"""Every error that a caller of softbounce may have to handle.

A reply of a mail host, even a 5xx, is a value (:class:`softbounce.reply.Reply`) and never an error. What stands
here is what stops us from doing what we were asked: bad input, a store that cannot be reached, a broken config.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "EventsLost",
    "InvalidAddress",
    "InvalidMessage",
    "KeyReused",
    "LeaseLost",
    "NotFound",
    "SchemaMismatch",
    "SoftbounceError",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "StoreUncertain",
]


class SoftbounceError(Exception):
    """The root of all our errors."""


class ConfigError(SoftbounceError):
    """A setting that cannot be used: says where it stands, what is wrong and what would be right."""


class InvalidMessage(SoftbounceError):
    """A message that cannot be sent; nothing was stored.

    :ivar field: the argument or header at fault, such as ``"message"`` or ``"window"``.
    :ivar reason: what is wrong with it, in words.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class InvalidAddress(InvalidMessage):
    """An address outside the grammar of RFC 5321 §4.1.2; nothing was stored."""


class KeyReused(SoftbounceError):
    """The idempotency key was used before, for other content; nothing was stored."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the key {key!r} was used before for a message with other sender, recipients, stream or content; "
            "use a new key for new mail"
        )
        self.key = key


class NotFound(SoftbounceError):
    """No such envelope (or its record was trimmed after the retention of finished mail)."""


class EventsLost(SoftbounceError):
    """The event cursor points before the oldest event that is kept: some events were missed.

    :ivar resume_after: the cursor from which reading can go on.
    """

    def __init__(self, resume_after: str) -> None:
        super().__init__("events between this cursor and the oldest kept one were trimmed; read on from resume_after")
        self.resume_after = resume_after


class StoreError(SoftbounceError):
    """The store did not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store could not be reached or refused the call as a whole: nothing was taken."""


class StoreFull(StoreError):
    """The store has no memory left for new mail: nothing was taken. It still drains what it holds."""


class StoreUncertain(StoreError):
    """The connection was lost after the call left: it may have been taken, or not.

    Repeat the call with the same key: it takes effect once.

    :ivar key: the idempotency key to repeat with, where the call had one.
    :ivar receipts: for ``send_many``: the receipts that are known, by index.
    """

    def __init__(self, reason: str, *, key: str | None = None) -> None:
        super().__init__(reason)
        self.key = key
        self.receipts: dict[int, object] = {}


class SchemaMismatch(StoreError):
    """The store was written by a newer softbounce, or with another number of shards."""


class LeaseLost(StoreError):
    """This worker process no longer holds its lease: it may send no further final dot."""
