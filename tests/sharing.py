"""How the tests are dealt out to processes: see :mod:`shared_modules`."""

from __future__ import annotations

from shared_modules import scope_of
from xdist.scheduler import LoadScopeScheduling

__all__ = ["PiecesScheduling"]


class PiecesScheduling(LoadScopeScheduling):
    """xdist's own, with our pieces. Its groups would say the same, but pytest 9.2 has no place for their names."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
