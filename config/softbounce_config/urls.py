"""Where the store and the jobs are, as a URL that was configured: one of :mod:`softbounce.store.address`, or a word."""

from __future__ import annotations

from softbounce.store.address import StoreAddress

__all__ = ["EMBEDDED", "SOCKET", "check_store_url"]

EMBEDDED = "embedded"
SOCKET = "store.sock"
"""Where an embedded store listens, in the data folder."""


def check_store_url(url: str) -> str:
    """Return *url* when it names a place where a store can be.

    :raises ValueError: it does not; the message never repeats the URL, which may hold a password.
    """
    try:
        return StoreAddress.parse(url).url
    except ValueError as error:
        raise ValueError(str(error).replace("the store can be", f'the store can be "{EMBEDDED}",')) from None
