"""The addresses that stand in a text, whoever wrote it."""

from __future__ import annotations

import re

from softbounce_gateway.returns.reading.parts import written

__all__ = ["addresses_in", "addresses_of"]

ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+=/'-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,254}[A-Za-z0-9]")
MOST = 100


def addresses_in(text: str) -> tuple[str, ...]:
    """Those in a text, each once, the first hundred."""
    found: dict[str, None] = {}
    for one in ADDRESS.finditer(text):
        found[one[0]] = None
        if len(found) == MOST:
            break
    return tuple(found)


def addresses_of(octets: bytes) -> tuple[str, ...]:
    """Those in a message and in what it returns, as it came and decoded."""
    return tuple(dict.fromkeys(one for text in written(octets) for one in addresses_in(text.decode("latin-1"))))
