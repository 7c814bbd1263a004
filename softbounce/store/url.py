"""The grammar of a store's URL: what is one, and how one is shown without its secrets. Nothing is connected to here.

Forms: ``redis://`` and ``rediss://`` (``[user]:password@host:port/database``), ``unix:///path?db=0``,
``redis+cluster://host:port,host:port`` (``rediss+cluster://`` with TLS), and
``redis+sentinel://host:port,host:port/SERVICE[/database]``, whose hosts are sentinels. In a user's name or a password
``/ ? # % @`` and spaces are written ``%2F`` and so on.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_plus, urlsplit

__all__ = ["CLUSTER_SCHEMES", "SENTINEL_SCHEMES", "SERVER_SCHEMES", "check_url", "redact", "redact_in"]

SERVER_SCHEMES = ("redis", "rediss")
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
SCHEMES_HINT = "redis://, unix://, redis+cluster:// and redis+sentinel:// (with TLS rediss:// and rediss+...)"
ESCAPE_HINT = "in a user's name or a password write / as %2F, ? as %3F, # as %23, @ as %40"
LARGEST_PORT = 65535

HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
SERVICE = re.compile(r"[A-Za-z0-9_.-]+")
DATABASE = re.compile(r"[0-9]{1,4}")
USER = re.compile(r"[^/?#@:\s\"']*:")
OPTION = re.compile(r"([?&])([^?&=]*)=((?:[^&]|&(?![^&=]*=))*)")  # a value goes on where no other option begins
SECRET_NAMES = ("pass", "secret", "token", "cred", "auth")
MASK = "***"


def check_url(url: str) -> str:
    """Return *url* when it names a place where a store can be.

    :raises ValueError: it does not; the message never repeats the URL or a part of it, which may be of a password.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL has printable ASCII characters only; write others as %XX")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {*SERVER_SCHEMES, *CLUSTER_SCHEMES, *SENTINEL_SCHEMES, "unix"}:
        raise ValueError(f"the store can be {SCHEMES_HINT}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not a URL: a bracket of an IPv6 address is missing") from None
    behind = parts.query if scheme == "unix" else rest.removeprefix(parts.netloc)
    if parts.fragment or "#" in rest:
        raise ValueError(f"a # in a URL must be written %23; {ESCAPE_HINT}")
    if "@" in behind:
        raise ValueError(f"an @ stands behind the host; {ESCAPE_HINT}")
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


def redact(url: str) -> str:
    """The URL without its passwords, also where it is none: rather too much is hidden than too little."""
    if "://" in url:
        return redact_in(url)
    return MASK + url[url.rindex("@") :] if "@" in url else _without_options(url)


def redact_in(text: str) -> str:
    """A text that may have a URL in it, without passwords.

    Whatever stands between ``://`` and the last ``@`` is taken for a login, since a raw ``/``, ``?`` or space in a
    password makes no URL and is shown in the error about that. A user's name before a colon stays.
    """
    head, separator, rest = text.partition("://")
    if not separator or "@" not in rest or (head.endswith("unix") and rest.startswith("/")):
        return _without_options(text)
    at = rest.rindex("@")
    options = next((one for one in OPTION.finditer(rest) if _is_secret(one[2])), None)
    if options is not None and options.start() < at:
        # The last @ may be one of that password's: nothing tells where it ends.
        at = len(rest)
    user = USER.match(rest, 0, at)
    return f"{head}://{user[0] if user else ''}{MASK}{_without_options(rest[at:])}"


def _without_options(text: str) -> str:
    return OPTION.sub(lambda one: f"{one[1]}{one[2]}={MASK}" if _is_secret(one[2]) else one[0], text)


def _is_secret(name: str) -> bool:
    plain = unquote_plus(name).casefold()
    return any(word in plain for word in SECRET_NAMES)
