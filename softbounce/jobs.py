"""What a job says, and where jobs live. A job is a hint: "this lane has work". Losing one costs time, never mail.

The words here are shared by who sends jobs (the scheduler) and who takes them (the workers); neither imports the other.
On a cluster and behind Sentinel redis-py's own clients find the node: they may send a job twice, which does no harm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.sentinel import Sentinel

from softbounce.errors import StoreError
from softbounce.store.address import Kind, StoreAddress
from softbounce.store.call import Call
from softbounce.store.shards import Shards

__all__ = ["ACTOR", "DEAD_JOBS_MS", "QUEUE", "JobsPlace", "jobs_place", "open_jobs"]

QUEUE = "softbounce"
ACTOR = "drain"
DEAD_JOBS_MS = 3_600_000
"""How long dramatiq keeps what it could not run. A job is a hint: nobody asks for it again."""
TIMEOUT = 10.0
CONNECT_TIMEOUT = 2.0


class JobsPlace(NamedTuple):
    """Where dramatiq keeps its jobs.

    :ivar is_clustered: whether the URL names a node of a cluster, which has to be spoken to as such.
    """

    url: str
    namespace: str
    is_clustered: bool = False


def jobs_place(store: Shards, url: str = "") -> JobsPlace:
    """Where jobs live: at *url* where given, else in database 1 of the store's server, or by its side on a cluster.

    :raises StoreError: the store cannot be reached.
    """
    if url:
        return _place(url, is_clustered=StoreAddress.parse(url).kind is Kind.CLUSTER)
    answer = store.call([Call.read(0, b"INFO", b"cluster")])[0]
    if isinstance(answer, StoreError):
        raise answer
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    if "cluster_enabled:1" in text:
        return _place(store.url, is_clustered=True)
    return JobsPlace(_in_database_1(store.url), "dramatiq")


def _place(url: str, *, is_clustered: bool) -> JobsPlace:
    if not is_clustered:
        return JobsPlace(url, "dramatiq")
    # A unix socket leads to one node only, so that has everything.
    return JobsPlace(url, "{jobs}", is_clustered=not url.startswith("unix:"))


def open_jobs(place: JobsPlace) -> Any:  # noqa: ANN401 - three kinds of client without a common type
    """A client for dramatiq, which makes no connection before it is used, save on a cluster.

    :raises redis.exceptions.RedisError: the cluster cannot be reached.
    """
    address = StoreAddress.parse(place.url)
    if place.is_clustered:
        url = address.url_of(address.seeds[0]) if address.seeds else place.url
        nodes = [ClusterNode(seed.host, seed.port) for seed in address.seeds]
        return RedisCluster.from_url(
            url, startup_nodes=nodes, socket_timeout=TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT
        )
    if address.kind is Kind.SENTINEL:
        of_primary = parse_url(address.url_of(address.seeds[0]))
        of_sentinel = parse_url(address.sentinel_url(address.seeds[0]))
        for one in (of_primary, of_sentinel):
            one.pop("host", None)
            one.pop("port", None)
        of_sentinel.pop("connection_class", None)
        is_tls = of_primary.pop("connection_class", None) is not None
        of_sentinel |= {"ssl": is_tls, "socket_timeout": CONNECT_TIMEOUT}
        sentinels = Sentinel(list(address.seeds), sentinel_kwargs=of_sentinel, ssl=is_tls)
        return sentinels.master_for(address.service, socket_timeout=TIMEOUT, **of_primary)
    return redis.Redis.from_url(place.url)


def _in_database_1(url: str) -> str:
    """The same server's database 1 (``urllib`` would drop the slashes of ``unix:///``)."""
    address, _, query = url.partition("?")
    if "+sentinel:" in address:
        hosts, _, path = address.partition("://")[2].partition("/")
        scheme = address.partition("://")[0]
        return f"{scheme}://{hosts}/{path.partition('/')[0]}/1" + (f"?{query}" if query else "")
    if address.startswith("unix:"):
        options = [one for one in query.split("&") if one and not one.startswith("db=")]
        return f"{address}?{'&'.join([*options, 'db=1'])}"
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/1" + (f"?{query}" if query else "")
