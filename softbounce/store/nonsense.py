"""Says that something in the store, a job or a wake-up is nonsense and is ignored: seldom, however often it is met.

Through the standard library's logging, because apps import this too; the service gives those lines the form of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from softbounce.errors import StoreError

if TYPE_CHECKING:
    from softbounce.store.call import StoreAnswer

__all__ = ["Seldom", "ignore", "of_type"]

EVERY = 60.0
"""Seconds between two lines about the same kind of thing."""
KINDS = 1000
SHOWN = 120
log = logging.getLogger("softbounce")


class Seldom:
    """Lets one line of a kind through in a while, and counts those that it keeps back. For any thread."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, int]] = {}

    def ask(self, kind: str) -> int | None:
        """How many were kept back since the last line, now that one may be written; ``None``: keep this one back."""
        now = time.monotonic()
        with self._lock:
            at, kept = self._kept.get(kind, (now - self._every, 0))
            if now - at < self._every:
                self._kept[kind] = (at, kept + 1)
                return None
            if len(self._kept) >= KINDS:
                self._kept.clear()
            self._kept[kind] = (now, 0)
            return kept


_seldom = Seldom()


def ignore(kind: str, item: object) -> None:
    """Log that an item of a kind is ignored, in a form that breaks no log; the kind is a word of ours."""
    kept = _seldom.ask(kind)
    if kept is not None:
        more = f" (and {kept} more since the last such line)" if kept else ""
        log.warning("nonsense ignored: %s %s%s", kind, _shown(item), more)


def of_type(answer: StoreAnswer, kind: str, instead: Any) -> Any:  # noqa: ANN401 - what servers answer
    """An answer; where a value of another type stands in the key's place, what to take instead.

    :param kind: how that is logged, as :func:`ignore` does.
    :raises StoreError: the answer is another error.
    """
    if isinstance(answer, StoreError):
        if "WRONGTYPE" not in str(answer):
            raise answer
        ignore(kind, str(answer))
        return instead
    return answer


def _shown(item: object) -> str:
    if isinstance(item, str | bytes):
        return ascii(item[:SHOWN]) + ("..." if len(item) > SHOWN else "")
    if isinstance(item, int | float | bool | None):
        return ascii(item)[:SHOWN]
    return type(item).__name__
