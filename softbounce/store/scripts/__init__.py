"""The store's scripts, one Lua file each; their heads say which keys they touch, what they take and answer.

Before each stands the prelude, which tells the store's time; before some, what takes from quotas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

__all__ = ["Script", "script"]

OF_QUOTAS = frozenset({"accept", "reserve"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script's text and the name by which the server knows it."""

    name: str
    text: bytes
    sha: bytes


def script(name: str) -> Script:
    """The script in ``NAME.lua``."""
    return _scripts()[name]


@cache
def _scripts() -> dict[str, Script]:
    """All scripts, read with the first: later a process may have no file descriptor left to open one with."""
    folder = files("softbounce.store")
    prelude, quotas = (folder.joinpath(file).read_bytes() for file in ("prelude.lua", "quotas.lua"))
    found = {}
    for file in files(__name__).iterdir():
        name, dot, kind = file.name.rpartition(".")
        if dot and kind == "lua":
            engine, end, body = file.read_bytes().partition(b"\n")
            text = engine + end + prelude + (quotas if name in OF_QUOTAS else b"") + body
            found[name] = Script(name=name, text=text, sha=sha1(text, usedforsecurity=False).hexdigest().encode())
    return found
