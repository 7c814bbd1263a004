"""What a child runs: all that it takes to start it, whichever way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a child runs.

    :ivar name: how it is spoken of.
    :ivar arguments: its command line.
    :ivar environment: all of its environment.
    :ivar descriptors: open files that it inherits, under the same numbers.
    :ivar speaks: whether it says on stdout that it is ready.
    :ivar module: the package of ours that it runs, if it does: what its ``__main__.main`` gets is :attr:`options`.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    descriptors: tuple[int, ...] = ()
    speaks: bool = True
    module: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """What stands behind the module in its command line."""
        return self.arguments[self.arguments.index(self.module) + 1 :]
