"""Errors as HTTP tells them: problem details (RFC 9457), which name the field at fault and say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import msgspec

from softbounce.errors import (
    AlreadyEnded,
    CannotUndo,
    EventsLost,
    InvalidArgument,
    InvalidMessage,
    KeyReused,
    MessageGone,
    NotFound,
    QuotaExceeded,
    SchemaMismatch,
    SoftbounceError,
    StoreError,
    StoreFull,
    StoreUncertain,
)

__all__ = ["Problem", "ProblemDetails", "problem_of"]

TYPE = "urn:softbounce:problem:"
TRY_AGAIN_AFTER = "5"
TOO_LARGE = "more than max_message_octets"
STORE_TITLES: Mapping[type[StoreError], str] = {
    StoreFull: "The store has no memory left for new mail",
    SchemaMismatch: "The store has something that this version cannot read",
}


class ProblemDetails(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong, and what to do (RFC 9457).

    :ivar field: the part of the request at fault.
    :ivar uncertain: the message may have been taken, or not: repeat it with ``key``, which sends it once.
    :ivar resume_after: the cursor from which reading can go on.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    index: int | None = None
    key: str | None = None
    uncertain: bool | None = None
    resume_after: str | None = None


class Problem(Exception):
    """An answer that is an error.

    :param word: what kind of error it is, as in ``InvalidMessage``.
    :param more: further members of the details.
    """

    def __init__(
        self,
        status: int,
        word: str,
        detail: str,
        *,
        title: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401 - members of ProblemDetails
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.details = ProblemDetails(type=TYPE + word, title=title, status=status, detail=detail, **more)


def problem_of(error: SoftbounceError, *, field: str | None = None) -> Problem:  # noqa: C901 - one case an error
    """The answer to an error of ours.

    :param field: what the field at fault is called in the request, where it has another name there.
    """
    word = type(error).__name__
    match error:
        case InvalidMessage():
            status = 413 if TOO_LARGE in error.reason else 422
            name = field or error.field
            return Problem(
                status,
                word,
                f"{name}: {error.reason}",
                title="The message is too large" if status == 413 else "The message cannot be sent as it is",  # noqa: PLR2004
                field=name,
                index=error.index,
            )
        case InvalidArgument():
            name = field or error.field
            return Problem(400, word, f"{name}: {error.reason}", title="This cannot be asked so", field=name)
        case KeyReused():
            return Problem(
                409, word, str(error), title="The key was used for other content", key=error.key, index=error.index
            )
        case QuotaExceeded():
            wait = error.retry_after
            return Problem(
                429,
                word,
                str(error),
                title="A quota is used up",
                headers={} if wait is None else {"Retry-After": str(max(1, ceil(wait.total_seconds())))},
                index=error.index,
            )
        case AlreadyEnded():
            return Problem(409, word, str(error), title="The envelope has ended")
        case MessageGone():
            return Problem(409, word, str(error), title="The message is no longer stored")
        case CannotUndo():
            return Problem(409, word, str(error), title="It cannot be undone")
        case NotFound():
            return Problem(404, word, str(error), title="There is no such thing here")
        case EventsLost():
            return Problem(
                410, word, str(error), title="Events were trimmed meanwhile", resume_after=error.resume_after
            )
        case StoreUncertain():
            return Problem(
                503,
                word,
                f"{error}; repeat the request with this key, which sends the message once",
                title="It may have been taken, or not",
                headers={"Retry-After": TRY_AGAIN_AFTER},
                uncertain=True,
                key=error.key,
            )
        case StoreError():
            title = next(
                (words for kind, words in STORE_TITLES.items() if isinstance(error, kind)), "The store is away"
            )
            return Problem(
                503,
                word,
                f"{error}; nothing was taken",
                title=title,
                headers={"Retry-After": TRY_AGAIN_AFTER},
                uncertain=False,
            )
        case _:
            return Problem(500, word, str(error), title="A fault of ours")
