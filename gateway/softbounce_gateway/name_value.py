"""Pairs as commands and query parameters have them: ``NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Iterable

from softbounce.errors import InvalidArgument

__all__ = ["read_pairs"]


def read_pairs(texts: Iterable[str], field: str) -> dict[str, str]:
    """What they say; a value may be empty, and may have further signs in it.

    :param field: what they are given as.
    :raises InvalidArgument: one is none, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InvalidArgument(field, f"{text[:64]!r} is not NAME=VALUE")
        if name in found:
            raise InvalidArgument(field, f"{name[:64]!r} is there twice")
        found[name] = value
    return found
