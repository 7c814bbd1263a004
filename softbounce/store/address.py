"""The URL of a store: its grammar, what it names, how it is shown, and where jobs go beside the mail.

Forms: ``redis://`` and ``rediss://`` (``[user]:password@host:port/database``), ``unix:///path?db=0``,
``redis+cluster://host:port,host:port`` (``rediss+cluster://`` with TLS), and
``redis+sentinel://host:port,host:port/SERVICE[/database]``, whose hosts are sentinels. In a user's name or a password
``/ ? # % @ +`` and spaces are written ``%2F`` and so on: in an option a ``+`` is a space.

Nobody else reads or writes such a URL, but for redis-py, which is given those that are made here. What could be read in
two ways is none: whose mail is in a database must not hang on who reads. Nothing is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from softbounce.store.masking import redact

__all__ = ["LARGEST_PORT", "SOLE", "Kind", "Node", "StoreAddress", "for_redis", "redact"]

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379
LARGEST_PORT = 65535
JOBS_DATABASE = 1
SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
OURS = {"decode_responses", "health_check_interval", "max_connections", "protocol", "retry"}
"""Options of redis-py's about how a server is spoken to. It lets a URL win over its caller; these would break us."""
SOCKET_SCHEME = "unix"
SCHEMES_HINT = "redis://, unix://, redis+cluster:// and redis+sentinel:// (with TLS rediss:// and rediss+...)"
ESCAPE_HINT = "in a user's name or a password write / as %2F, ? as %3F, # as %23, @ as %40, + as %2B"

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
SERVICE = re.compile(r"[A-Za-z0-9_.-]+")
DATABASE = re.compile(r"[0-9]{1,4}")


class Kind(Enum):
    """How the node of a shard is found."""

    SERVER = "server"  # it is the one that the URL names
    CLUSTER = "cluster"  # its nodes know
    SENTINEL = "sentinel"  # the sentinels know


SCHEMES = {
    "redis": Kind.SERVER,
    "rediss": Kind.SERVER,
    SOCKET_SCHEME: Kind.SERVER,
    "redis+cluster": Kind.CLUSTER,
    "rediss+cluster": Kind.CLUSTER,
    "redis+sentinel": Kind.SENTINEL,
    "rediss+sentinel": Kind.SENTINEL,
}


class Node(NamedTuple):
    """A server by its host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


SOLE = Node("", 0)
"""The server that a URL itself names; it may be a unix socket."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StoreAddress:
    """A store URL in parts. It shows itself without its secrets.

    :ivar scheme: of its servers: ``redis``, ``rediss`` or ``unix``.
    :ivar login: as it is written before the ``@``.
    :ivar hosts: as they are written; empty for a socket.
    :ivar path: of a socket, as it is written.
    :ivar seeds: whom to ask where the shards are; empty for a server.
    :ivar service: the name that the sentinels know the primary by.
    :ivar database: its number, where one is named; a cluster has none.
    :ivar options: all others, as they are written behind the ``?``.
    """

    url: str
    kind: Kind
    scheme: str
    login: str
    hosts: str
    path: str = ""
    seeds: tuple[Node, ...]
    service: str = ""
    database: str = ""
    options: str = ""
    sentinel_login: str = ""

    @classmethod
    def parse(cls, url: str) -> StoreAddress:
        """Read a URL.

        :raises ValueError: it is none; the message never repeats the URL or a part of it, which may be of a password.
        """
        scheme, kind = _scheme(url)
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("not a URL: a bracket of an IPv6 address is missing") from None
        login, _, hosts = parts.netloc.rpartition("@")
        is_socket = scheme == SOCKET_SCHEME
        behind = parts.query if is_socket else url.partition("://")[2].removeprefix(parts.netloc)
        if parts.fragment or "#" in url:
            raise ValueError(f"a # in a URL must be written %23; {ESCAPE_HINT}")
        if "@" in behind:
            raise ValueError(f"an @ stands behind the host; {ESCAPE_HINT}")
        if is_socket and (hosts or parts.path in {"", "/"}):
            raise ValueError("a unix URL has an absolute path, with three slashes: unix:///srv/mail/var/store.sock")
        nodes = () if is_socket else _nodes(hosts, kind)
        service, rest = _service(parts.path) if kind is Kind.SENTINEL else ("", parts.path)
        asked = parse_qsl(parts.query, keep_blank_values=True)
        sentinel = {name: quote(value, safe="") for name, value in asked if name in SENTINEL_OPTIONS}
        return cls(
            url=url,
            kind=kind,
            scheme=scheme.partition("+")[0],
            login=login,
            hosts=hosts,
            path=parts.path if is_socket else "",
            seeds=() if kind is Kind.SERVER else nodes,
            service=service,
            database=_database("" if is_socket else rest.removeprefix("/"), asked, kind),
            options=urlencode([one for one in asked if one[0] not in SENTINEL_OPTIONS | {"db"}]),
            sentinel_login=f"{sentinel.get('sentinel_username', '')}:{sentinel['sentinel_password']}"
            if "sentinel_password" in sentinel
            else "",
        )

    @classmethod
    def of_socket(cls, path: str) -> StoreAddress:
        """The server that listens on the unix socket at the absolute *path*."""
        return cls.parse(f"{SOCKET_SCHEME}://{quote(path)}")

    def __repr__(self) -> str:
        return f"StoreAddress({redact(self.url)!r})"

    # -- what it names ----------------------------------------------------------------------------------------------

    @property
    def socket(self) -> str | None:
        """The path of the unix socket, where it is one."""
        return unquote(self.path) if self.scheme == SOCKET_SCHEME else None

    @property
    def number(self) -> int:
        """The database's."""
        return int(self.database or 0)

    # -- where its servers are --------------------------------------------------------------------------------------

    def url_of(self, node: Node) -> str:
        """The URL of one of the store's servers, as redis-py reads it."""
        if node == SOLE:
            return self.url
        scheme = "redis" if self.scheme == SOCKET_SCHEME else self.scheme
        return self._url(scheme, self.login, node, self.database if self.kind is Kind.SENTINEL else "")

    def sentinel_url(self, node: Node) -> str:
        """The URL of a sentinel, whose login is its own."""
        return self._url(self.scheme, self.sentinel_login, node, "")

    def _url(self, scheme: str, login: str, node: Node, database: str) -> str:
        address = f"{scheme}://{login}{'@' if login else ''}{node}"
        return address + (f"/{database}" if database else "") + (f"?{self.options}" if self.options else "")

    # -- where jobs go ----------------------------------------------------------------------------------------------

    @property
    def other_databases(self) -> tuple[int, ...]:
        """Where jobs may go, the best first: never beside the mail as long as the server has another database."""
        if self.kind is Kind.CLUSTER:
            return ()
        first = JOBS_DATABASE if self.number != JOBS_DATABASE else JOBS_DATABASE + 1
        return (first, 0) if self.number else (first,)

    def in_database(self, number: int) -> str:
        """The URL of another database of the same server; a cluster has but one."""
        if self.kind is Kind.CLUSTER:
            return self.url
        address = f"{self.url.partition('://')[0]}://{self.login}{'@' if self.login else ''}{self.hosts}{self.path}"
        options = self.options
        if self.scheme == SOCKET_SCHEME:
            options = f"{options}{'&' if options else ''}db={number}"
        else:
            address += f"{'/' if self.service else ''}{self.service}/{number}"
        return address + (f"?{options}" if options else "")


def for_redis(url: str) -> str:
    """A URL that has been read here as redis-py is to read it: without the options that are ours to choose."""
    place, sign, options = url.partition("?")
    left = "&".join(one for one in options.split("&") if one.partition("=")[0] not in OURS)
    return place + sign + left if left else place


# -- the grammar ----------------------------------------------------------------------------------------------------


def _scheme(url: str) -> tuple[str, Kind]:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL has printable ASCII characters only; write others as %XX")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError(f"the store can be {SCHEMES_HINT}")
    return scheme, SCHEMES[scheme]


def _nodes(hosts: str, kind: Kind) -> tuple[Node, ...]:
    default = DEFAULT_SENTINEL_PORT if kind is Kind.SENTINEL else DEFAULT_PORT
    nodes = []
    for host in [hosts] if kind is Kind.SERVER else hosts.split(","):
        found = HOST.fullmatch(host)
        if found is None:
            raise ValueError("after // stands a host, and a port after a colon: redis://localhost:6379/0")
        port = default if found[2] is None else int(found[2])
        if not 0 < port <= LARGEST_PORT:
            raise ValueError(f"a port is a number from 1 to {LARGEST_PORT}")
        nodes.append(Node(found[1].strip("[]"), port))
    return tuple(nodes)


def _service(path: str) -> tuple[str, str]:
    """What stands after the sentinels, and the path that is left."""
    service, slash, database = path.removeprefix("/").partition("/")
    if SERVICE.fullmatch(service) is None:
        raise ValueError("after the sentinels stands what they call the primary: redis+sentinel://host:26379/mail")
    return service, slash + database


def _database(in_path: str, asked: Sequence[tuple[str, str]], kind: Kind) -> str:
    """The database that a URL names: behind the host, or as its option, which is what counts on a server."""
    options = [value for name, value in asked if name == "db"]
    if any(DATABASE.fullmatch(value) is None for value in options):
        raise ValueError("db= takes the number of a database")
    if len(options) > 1:
        raise ValueError("db= stands there more than once")
    option = options[0] if options else ""
    if kind is Kind.CLUSTER:
        if in_path not in {"", "0"} or int(option or 0):
            raise ValueError("a cluster has database 0 only")
        return ""
    if in_path and DATABASE.fullmatch(in_path) is None:
        raise ValueError("after the host stands the number of a database: redis://localhost:6379/0")
    return (in_path or option) if kind is Kind.SENTINEL else (option or in_path)
