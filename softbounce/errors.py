"""Every error that a caller of softbounce may have to handle.

A reply of a mail host, even a 5xx, is a value (:class:`softbounce.reply.Reply`) and never an error. What stands
here is what stops us from doing what we were asked: bad input, a store that cannot be reached, a broken config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from softbounce.client.send.receipt import Receipt

__all__ = [
    "AlreadyEnded",
    "CannotUndo",
    "ConfigError",
    "EventsLost",
    "InvalidAddress",
    "InvalidArgument",
    "InvalidMessage",
    "KeyReused",
    "LeaseLost",
    "MessageGone",
    "NotFound",
    "QuotaExceeded",
    "SchemaMismatch",
    "SoftbounceError",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "StoreUncertain",
]


TO_SECONDS = "%Y-%m-%d %H:%M:%S UTC"


class SoftbounceError(Exception):
    """The root of all our errors."""


class ConfigError(SoftbounceError):
    """A setting that cannot be used: says where it stands, what is wrong and what would be right."""


class InvalidMessage(SoftbounceError):
    """A message that cannot be sent; nothing was stored.

    :ivar field: the argument or header at fault, such as ``"message"`` or ``"window"``.
    :ivar reason: what is wrong with it, in words.
    :ivar index: for ``send_many``: which of the messages, from 0.
    """

    def __init__(self, field: str, reason: str, *, index: int | None = None) -> None:
        super().__init__(f"{field}: {reason}" if index is None else f"message {index}: {field}: {reason}")
        self.field = field
        self.reason = reason
        self.index = index


class InvalidAddress(InvalidMessage):
    """An address outside the grammar of RFC 5321 §4.1.2; nothing was stored."""


class InvalidArgument(SoftbounceError):
    """A question that cannot be asked so: a cursor, a state or a filter that is none.

    :ivar field: the argument at fault.
    :ivar reason: what is wrong with it, in words.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class KeyReused(SoftbounceError):
    """The idempotency key was used before, for other content; nothing was stored.

    :ivar index: for ``send_many``: which of the messages, from 0.
    """

    def __init__(self, key: str, *, index: int | None = None) -> None:
        super().__init__(
            f"{'' if index is None else f'message {index}: '}the key {key!r} was used before for a message with other "
            "sender, recipients, stream or content; "
            "use a new key for new mail"
        )
        self.key = key
        self.index = index


class QuotaExceeded(SoftbounceError):
    """A quota has no room for this mail; nothing was stored.

    :ivar quota: its name.
    :ivar limit: which of its limits, in words: ``messages 1000 in 1 h``, ``waiting 100000``.
    :ivar retry_after: when it has room, as far as nobody else takes it; ``None``: that hangs on how soon what waits
        ends, or the message is larger than the limit.
    :ivar index: for ``send_many``: which of the messages, from 0.
    """

    def __init__(
        self, quota: str, limit: str, *, reason: str, retry_after: timedelta | None = None, index: int | None = None
    ) -> None:
        super().__init__(
            f"{'' if index is None else f'message {index}: '}the quota {quota!r} ({limit}) is used up: {reason}; "
            "nothing was stored"
        )
        self.quota = quota
        self.limit = limit
        self.reason = reason
        self.retry_after = retry_after
        self.index = index


class NotFound(SoftbounceError):
    """No such envelope (or its record was trimmed after the retention of finished mail)."""


class AlreadyEnded(SoftbounceError):
    """The envelope has ended: nothing more can be done with it but to send it again.

    :ivar state: how it ended: delivered, bounced or cancelled.
    """

    def __init__(self, identity: str, state: str, act: str) -> None:
        anew = "" if state == "delivered" else f": `softbounce resend {identity}` does, while its message is kept"
        super().__init__(
            f"envelope {identity} was {state}, so there is nothing left to {act}; send it again if it is wanted{anew}"
        )
        self.state = state


class MessageGone(SoftbounceError):
    """The envelope has ended and its message is no longer stored, so it cannot be sent again.

    :ivar state: how it ended.
    :ivar ended_at: when.
    """

    def __init__(self, identity: str, state: str, ended_at: datetime, keep: timedelta | None) -> None:
        words = f"envelope {identity} was {state} at {ended_at:{TO_SECONDS}} and its message is no longer stored"
        if keep is None:
            kept = "that of a delivered one goes at once"
        elif keep:
            kept = (
                f"it was kept until {ended_at + keep:{TO_SECONDS}} at the latest ([store] keep_bodies), and less long "
                "where keep_bodies_max or memory did not reach, or no scheduler ran"
            )
        else:
            kept = "[store] keep_bodies is 0, so it went at once"
        super().__init__(f"{words}: {kept}. Send it anew if it is still wanted")
        self.state = state
        self.ended_at = ended_at


class CannotUndo(SoftbounceError):
    """Nothing of an action can be taken back."""

    def __init__(self, identity: str, act: str, why: str) -> None:
        super().__init__(f"action {identity} ({act}) cannot be undone: {why}")


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
    :ivar keys: for ``send_many``: the keys to repeat the others with, by index.
    """

    def __init__(self, reason: str, *, key: str | None = None) -> None:
        super().__init__(reason)
        self.key = key
        self.receipts: dict[int, Receipt] = {}
        self.keys: dict[int, str] = {}


class SchemaMismatch(StoreError):
    """The store was written by a newer softbounce, or with another number of shards."""


class LeaseLost(StoreError):
    """The worker process no longer holds its lease: it may send no further final dot."""
