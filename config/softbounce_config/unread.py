"""What is set and has no effect yet: keys of the public contract for parts of softbounce that are to come.

They are no faults. A file may name them before there is something that reads them, and whoever wrote it is told that
nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softbounce_config.shape import KeyPath, dotted, place_at

__all__ = ["unread"]


def unread(tables: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
    """Where in the merged *tables* there is a key that nothing reads, and a line about it without its origin."""
    for path in _values(tables, ()):
        place = place_at(path)
        if place is not None and place.later is not None:
            yield path, f"{dotted(path)}: has no effect yet: it is for {place.later.part}, which is to come"


def _values(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, Mapping):
        below: Iterator[tuple[str | int, object]] = iter(value.items())
    elif isinstance(value, list):
        below = enumerate(value)
    else:
        below = iter(())
        yield path
    for step, inner in below:
        yield from _values(inner, (*path, step))
