"""Which modules have their tests share something that takes long to start."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["scope_of", "shares"]

ROOT = Path(__file__).parents[1]


def shares(nodeid: str) -> bool:
    """Whether a test's module, or the conftest beside it, has a fixture that is made once for a module."""
    return _has_shared(nodeid.partition("::")[0])


def scope_of(nodeid: str) -> str:
    """What stays in one process: the module of a test that shares, else the test."""
    return nodeid.partition("::")[0] if shares(nodeid) else nodeid


@cache
def _has_shared(module: str) -> bool:
    path = ROOT / module
    return any('scope="module"' in one.read_text() for one in (path, path.with_name("conftest.py")) if one.exists())
