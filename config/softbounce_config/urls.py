"""Where the store and the jobs are, as a URL: its syntax, and how to show one.

Nothing is connected to here. Forms: ``redis://`` and ``rediss://`` (``[user]:password@host:port/database``),
``unix:///path?db=0``, ``redis+cluster://host:port,host:port`` (``rediss+cluster://`` with TLS), and
``redis+sentinel://host:port,host:port/SERVICE[/database]``, whose hosts are sentinels.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit

from softbounce_config.hosts import LARGEST_PORT

__all__ = ["EMBEDDED", "check_store_url", "masked", "unix_url"]

EMBEDDED = "embedded"
SERVER_SCHEMES = ("redis", "rediss")
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
SCHEMES_HINT = (
    f'"{EMBEDDED}", redis://, unix://, redis+cluster:// and redis+sentinel:// (with TLS rediss:// and rediss+...)'
)

HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
SERVICE = re.compile(r"[A-Za-z0-9_.-]+")
DATABASE = re.compile(r"[0-9]{1,4}")
# Rather too much than too little: a password with a raw / in it makes no URL, and is shown in the error about that.
SECRET_BEFORE_HOST = re.compile(r"(?<=://)(?!/)([^/?#@:\s]*:)?\S*@")
SECRET_IN_QUERY = re.compile(r"(?<=[?&])((?:sentinel_)?password=)[^&#]*", re.IGNORECASE)
MASK = "***"


def check_store_url(url: str) -> str:
    """Return *url* when it names a place where a store can be.

    :raises ValueError: it does not; the message never repeats the URL, which may hold a password.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL has printable ASCII characters only; write others as %XX")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in {*SERVER_SCHEMES, *CLUSTER_SCHEMES, *SENTINEL_SCHEMES, "unix"}:
        raise ValueError(f"the store can be {SCHEMES_HINT}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("not a URL: a bracket of an IPv6 address is missing") from error
    if parts.fragment:
        raise ValueError("a # in a URL must be written %23")
    if scheme == "unix":
        if parts.netloc.rpartition("@")[2] or parts.path in {"", "/"}:
            raise ValueError("a unix URL has an absolute path, with three slashes: unix:///srv/mail/var/store.sock")
    else:
        _check_hosts(parts.netloc.rpartition("@")[2], several=scheme not in SERVER_SCHEMES)
        path = _check_service(parts.path) if scheme in SENTINEL_SCHEMES else parts.path
        _check_path(path, clustered=scheme in CLUSTER_SCHEMES)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "db" and DATABASE.fullmatch(value) is None:
            raise ValueError("db= takes the number of a database")
    return url


def _check_hosts(netloc: str, *, several: bool) -> None:
    hosts = netloc.split(",") if several else [netloc]
    for host in hosts:
        found = HOST.fullmatch(host)
        if found is None:
            raise ValueError("after // stands a host, and a port after a colon: redis://localhost:6379/0")
        if found[1] is not None and not 0 < int(found[1]) <= LARGEST_PORT:
            raise ValueError(f"a port is a number from 1 to {LARGEST_PORT}")


def _check_service(path: str) -> str:
    """Check what stands after the sentinels; the path that is left."""
    service, slash, database = path.removeprefix("/").partition("/")
    if SERVICE.fullmatch(service) is None:
        raise ValueError("after the sentinels stands what they call the primary: redis+sentinel://host:26379/mail")
    return slash + database


def _check_path(path: str, *, clustered: bool) -> None:
    database = path.removeprefix("/")
    if clustered and database not in {"", "0"}:
        raise ValueError("a cluster has database 0 only")
    if database and DATABASE.fullmatch(database) is None:
        raise ValueError("after the host stands the number of a database: redis://localhost:6379/0")


def unix_url(path: str) -> str:
    """The URL of the server that listens on the unix socket at the absolute *path*."""
    return f"unix://{quote(path)}"


def masked(text: str) -> str:
    """*text* with the passwords of URLs in it replaced by ``***``; the user's name stays."""
    return SECRET_IN_QUERY.sub(rf"\1{MASK}", SECRET_BEFORE_HOST.sub(lambda found: _mask_login(found[1]), text))


def _mask_login(user: str | None) -> str:
    return f"{user or ''}{MASK}@"
