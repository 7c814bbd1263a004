"""Where the store and the jobs are, as a URL that was configured.

Nothing is connected to here. The grammar is :mod:`softbounce.store.url`'s.
"""

from __future__ import annotations

from urllib.parse import quote

from softbounce.store.url import check_url

__all__ = ["EMBEDDED", "check_store_url", "unix_url"]

EMBEDDED = "embedded"


def check_store_url(url: str) -> str:
    """Return *url* when it names a place where a store can be.

    :raises ValueError: it does not; the message never repeats the URL, which may hold a password.
    """
    try:
        return check_url(url)
    except ValueError as error:
        raise ValueError(str(error).replace("the store can be", f'the store can be "{EMBEDDED}",')) from None


def unix_url(path: str) -> str:
    """The URL of the server that listens on the unix socket at the absolute *path*."""
    return f"unix://{quote(path)}"
