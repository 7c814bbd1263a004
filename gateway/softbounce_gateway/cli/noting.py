"""Writes down who acts on one thing at the command line: that it begins, and what came of it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from softbounce.errors import SoftbounceError, StoreError

if TYPE_CHECKING:
    from softbounce.client import Client

__all__ = ["noting", "who"]


def who() -> str:
    """Who asks: the user of this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"[:64]


@contextmanager
def noting(  # noqa: PLR0913 - what is written down of an act, by name
    mail: Client, act: str, of: Mapping[str, str], *, reason: str = "", force: bool = False, detail: str = ""
) -> Iterator[dict[str, int]]:
    """An act, within which it is done; what came of it, and how often, goes into what it is given.

    Nothing there: nothing was done, and nothing is written down. A store that goes away leaves it as begun.
    """
    begun = mail.begin_act(act, of, by=who(), reason=reason, force=force, detail=detail)
    answers: dict[str, int] = {}
    try:
        yield answers
    except StoreError:
        raise
    except SoftbounceError:
        with suppress(StoreError):  # what it failed for is told, then
            mail.end_act(begun, answers or None)
        raise
    mail.end_act(begun, answers or None)
