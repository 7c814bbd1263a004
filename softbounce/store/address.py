"""The store's URL, read: one server, a cluster or a primary that Sentinel watches, and the URL of each of their nodes.

Nothing is connected to here. Whether a URL is well formed is checked where it is configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from softbounce.store.url import redact

__all__ = ["SOLE", "Kind", "Node", "StoreAddress", "redact"]

DEFAULT_PORT = 6379
JOBS_DATABASE = 1
DEFAULT_SENTINEL_PORT = 26379
SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]+))?")


class Kind(Enum):
    """How the node of a shard is found."""

    SERVER = "server"  # it is the one that the URL names
    CLUSTER = "cluster"  # its nodes know
    SENTINEL = "sentinel"  # the sentinels know


class Node(NamedTuple):
    """A server by its host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


SOLE = Node("", 0)
"""The server that a URL itself names; it may be a unix socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A store URL in parts.

    :ivar seeds: whom to ask where the shards are; empty for a server.
    :ivar service: the name that the sentinels know the primary by.
    :ivar database: its number, where one is named; a cluster has none.
    """

    url: str
    kind: Kind
    scheme: str
    login: str
    seeds: tuple[Node, ...]
    service: str = ""
    database: str = ""
    options: str = ""
    sentinel_login: str = ""

    @classmethod
    def parse(cls, url: str) -> StoreAddress:
        """Read a URL that was checked, or that redis-py will complain about."""
        scheme, _, rest = url.partition("://")
        scheme, _, kind_text = scheme.partition("+")
        kind = {"cluster": Kind.CLUSTER, "sentinel": Kind.SENTINEL}.get(kind_text, Kind.SERVER)
        rest, _, query = rest.partition("?")
        login, _, rest = rest.rpartition("@")
        hosts, _, path = rest.partition("/")
        asked = parse_qsl(query, keep_blank_values=True)
        service, _, behind = path.partition("/")
        database = dict(asked).get("db", "")
        if kind is Kind.SENTINEL:
            database = behind or database
        elif kind is Kind.SERVER and scheme != "unix":
            database = database or path
        sentinel = {name: quote(value, safe="") for name, value in asked if name in SENTINEL_OPTIONS}
        return cls(
            url=url,
            kind=kind,
            scheme=scheme,
            login=login,
            seeds=() if kind is Kind.SERVER else tuple(_nodes(hosts, kind)),
            service=service if kind is Kind.SENTINEL else "",
            database="" if kind is Kind.CLUSTER else database,
            options=urlencode([one for one in asked if one[0] not in SENTINEL_OPTIONS | {"db"}]),
            sentinel_login=f"{sentinel.get('sentinel_username', '')}:{sentinel['sentinel_password']}"
            if "sentinel_password" in sentinel
            else "",
        )

    def url_of(self, node: Node) -> str:
        """The URL of one of the store's servers, as redis-py reads it."""
        if node == SOLE:
            return self.url
        scheme = "redis" if self.scheme == "unix" else self.scheme
        return self._url(scheme, self.login, node, self.database if self.kind is Kind.SENTINEL else "")

    @property
    def other_databases(self) -> tuple[int, ...]:
        """Where jobs may go, the best first: never beside the mail as long as the server has another database."""
        if self.kind is Kind.CLUSTER:
            return ()
        number = int(self.database) if self.database.isdecimal() else 0
        first = JOBS_DATABASE if number != JOBS_DATABASE else JOBS_DATABASE + 1
        return (first, 0) if number else (first,)

    def in_database(self, number: int) -> str:
        """The URL of another database of the same server; a cluster has but one."""
        address, _, query = self.url.partition("?")
        options = "&".join(one for one in query.split("&") if one and not one.startswith("db="))
        head, slashes, rest = address.partition("://")
        if self.kind is Kind.CLUSTER:
            return self.url
        if self.scheme == "unix":
            return f"{address}?{options}{'&' if options else ''}db={number}"
        login, at, hosts_and_path = rest.rpartition("@")
        hosts, _, _ = hosts_and_path.partition("/")
        service = f"/{self.service}" if self.service else ""
        return f"{head}{slashes}{login}{at}{hosts}{service}/{number}" + (f"?{options}" if options else "")

    def sentinel_url(self, node: Node) -> str:
        """The URL of a sentinel, whose login is its own."""
        return self._url(self.scheme, self.sentinel_login, node, "")

    def _url(self, scheme: str, login: str, node: Node, database: str) -> str:
        address = f"{scheme}://{login}{'@' if login else ''}{node}"
        return address + (f"/{database}" if database else "") + (f"?{self.options}" if self.options else "")


def _nodes(hosts: str, kind: Kind) -> list[Node]:
    default = DEFAULT_SENTINEL_PORT if kind is Kind.SENTINEL else DEFAULT_PORT
    found = (_HOST.fullmatch(host) for host in hosts.split(",") if host)
    return [Node(one[1].strip("[]"), int(one[2] or default)) for one in found if one is not None]
