"""Mail that misses a session which none of those that stand can be: since when. Pure.

Each waits by itself. That other mail wants more of the sessions there are says nothing of what none of them may carry.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from softbounce_worker.empty import EMPTY

__all__ = ["Unserved"]

W = TypeVar("W", bound=Hashable)


class Unserved(Generic[W]):
    """What waits, by what it wants of a session.

    :param patience: seconds that it waits before one of those that stand goes for it.
    """

    __slots__ = ("_patience", "_since")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[W, float] = EMPTY

    def __bool__(self) -> bool:
        """Whether anything waits so."""
        return bool(self._since)

    def forget_all_but(self, missing: Collection[W]) -> None:
        """Nothing else misses a session."""
        if not self._since:  # as it is for nearly every message
            return
        for wants in self._since.keys() - set(missing):
            del self._since[wants]

    def is_served(self, wants: W) -> None:
        """Some that stand may carry it."""
        self._since.pop(wants, None)

    def has_waited(self, wants: W, now: float) -> bool:
        """Whether it has missed one for long enough; from then on it waits anew."""
        if self._since is EMPTY:
            self._since = {}
        if now - self._since.setdefault(wants, now) < self._patience:
            return False
        del self._since[wants]
        return True
