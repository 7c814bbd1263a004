"""An empty dict that all share. A process may have ten thousand lanes, most of which have nothing under way.

Each has a dozen dicts, and an empty one takes 64 octets. So they begin as this one, and whoever is about to put
something in takes a dict of its own in its place.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

__all__ = ["EMPTY"]


def _refuse(*_: object) -> NoReturn:
    raise TypeError("this dict is everybody's: put nothing in")


_refused: Any = _refuse


class _Empty(dict[Any, Any]):
    """Stays so."""

    __setitem__ = setdefault = update = __ior__ = _refused


EMPTY: Final[dict[Any, Any]] = _Empty()
"""To be compared by identity: a dict that is empty just now has room already."""
