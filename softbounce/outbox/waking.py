"""Wakes the relays of this process when a transaction that has mail was committed."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["is_heard", "listen", "wake"]

_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> Callable[[], None]:
    """Have it called at each commit, in whatever thread that happens; returns what ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def is_heard() -> bool:
    """Whether some relay listens: without one no commit need be watched."""
    return bool(_listeners)


def wake() -> None:
    """Call all that listen."""
    for listener in tuple(_listeners):
        listener()
