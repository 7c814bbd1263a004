"""The store's scripts, one Lua file each; their heads say which keys they touch, what they take and answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

__all__ = ["Script", "script"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script's text and the name by which the server knows it."""

    name: str
    text: bytes
    sha: bytes


@cache
def script(name: str) -> Script:
    """The script in ``NAME.lua``."""
    text = files(__name__).joinpath(f"{name}.lua").read_bytes()
    return Script(name=name, text=text, sha=sha1(text, usedforsecurity=False).hexdigest().encode())
