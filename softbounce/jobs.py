"""What a job says, and where jobs live. A job is a hint: "this lane has work". Losing one costs time, never mail.

Its arguments are a lane, when it was sent (ms), and, where many lanes got work at once, a list of others. Who knows no
such list takes the first; jobs for the others are sent again.

The words here are shared by who sends jobs (the scheduler) and who takes them (the workers); neither imports the
other. Both look for the place in the same way, by trying, and so find the same. On a cluster and behind Sentinel
redis-py's own clients find the node: they may send a job twice, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import redis
from redis import exceptions
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.sentinel import Sentinel

from softbounce.errors import StoreError, StoreUnavailable
from softbounce.store.address import Kind, StoreAddress, for_redis, redact
from softbounce.store.call import Call
from softbounce.store.clock import ask_time
from softbounce.store.keys import HOME, key
from softbounce.store.shards import Shards

__all__ = [
    "ACTOR",
    "MOST_LANES",
    "NO_MAINTENANCE",
    "QUEUE",
    "JobsPlace",
    "NoJobsPlace",
    "jobs_place",
    "open_jobs",
]

QUEUE = "softbounce"
ACTOR = "drain"
NO_MAINTENANCE = 0
"""The chance of dramatiq's own; workers do what is needed of it."""
MOST_LANES = 32
"""That one job names."""
TIMEOUT = 10.0
CONNECT_TIMEOUT = 2.0
APART = "dramatiq"
TOGETHER = "{jobs}"
"""In one slot of a cluster."""
AMONG_OURS = "sb:{jobs}"
"""Where a user may have no keys but ours."""
PASSING = (
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
)
FOR_GOOD = (
    exceptions.ResponseError,
    exceptions.AuthenticationError,
    exceptions.RedisClusterException,
)


class NoJobsPlace(StoreUnavailable):
    """There is none as things are configured, whenever one asks; a store that is merely away is no such thing."""


class JobsPlace(NamedTuple):
    """Where dramatiq keeps its jobs.

    :ivar is_clustered: whether the URL names a node of a cluster, which has to be spoken to as such.
    :ivar beside_mail: why they are in the mail's own database, where they are.
    """

    url: str
    namespace: str
    is_clustered: bool = False
    beside_mail: str = ""


class _Refused(Exception):
    """A place cannot be used, and never will be as long as the server is as it is."""


def jobs_place(store: Shards, url: str = "") -> JobsPlace:
    """Where jobs live: at *url*, else in another database of the store's server, else beside the mail.

    Beside it, in a namespace of their own, only where there is no other database or this user may not go there; or
    where *url* says so. Whose jobs are flushed away there loses mail with them.

    :raises NoJobsPlace: there is no place for jobs.
    :raises StoreError: the store cannot be reached.
    """
    if url:
        place = _at(url, is_clustered=StoreAddress.parse(url).kind is Kind.CLUSTER)
        try:
            if _try(place):
                return place._replace(beside_mail="[jobs] url says so")
        except _Refused as error:
            raise NoJobsPlace(f"[jobs] url {redact(url)} cannot be used: {error}") from error
        except redis.RedisError:
            pass  # a server of their own may be away: mail goes on meanwhile
        return place
    why = ""
    for place in _beside(store):
        try:
            _try(place)
        except _Refused as error:
            why = why or str(error)
        except redis.RedisError as error:
            raise StoreUnavailable(f"the store went away while a place for jobs was looked for: {error}") from error
        else:
            is_beside = place.url == store.url and not _is_cluster(place)
            return place._replace(beside_mail=f"there is no other: {why}") if is_beside else place
    raise NoJobsPlace(
        f"the store at {redact(store.url)} has no place for jobs: {why}. Let its user reach another database, or the "
        f"keys {AMONG_OURS}:*, or name a server for them ([jobs] url)"
    )


def _is_cluster(place: JobsPlace) -> bool:
    return place.namespace == TOGETHER


def _beside(store: Shards) -> Iterator[JobsPlace]:
    """The places on the store's own server, the best first."""
    address = StoreAddress.parse(store.url)
    if address.kind is Kind.CLUSTER or _says_cluster(store):
        yield _at(store.url, is_clustered=True)
    else:
        for number in address.other_databases:
            yield JobsPlace(address.in_database(number), APART)
            yield JobsPlace(address.in_database(number), AMONG_OURS)
    yield JobsPlace(store.url, AMONG_OURS)
    yield _at(store.url, is_clustered=True)  # it may be one all the same, and not tell


def _says_cluster(store: Shards) -> bool:
    """Whether the server is a node of a cluster. One that may not be asked (INFO) is taken for none.

    :raises StoreError: it does not answer.
    """
    told, time = store.call([Call.read(HOME, b"INFO", b"cluster"), ask_time(HOME)])
    if isinstance(time, StoreError):
        raise time
    return isinstance(told, bytes) and b"cluster_enabled:1" in told


def _at(url: str, *, is_clustered: bool) -> JobsPlace:
    if not is_clustered:
        return JobsPlace(url, APART)
    # A unix socket leads to one node only, so that has everything.
    return JobsPlace(url, TOGETHER, is_clustered=StoreAddress.parse(url).socket is None)


def _try(place: JobsPlace) -> bool:
    """See that a place can be used, and whether mail is there as well, which on a cluster it may be.

    :raises _Refused: it cannot.
    :raises redis.exceptions.RedisError: its server cannot be reached.
    """
    try:
        with closing(open_jobs(place)) as client:
            client.exists(f"{place.namespace}:{QUEUE}.msgs")
            return not _is_cluster(place) and _has_mail(client)
    except PASSING:
        raise
    except FOR_GOOD as error:
        raise _Refused(str(error)) from error


def _has_mail(client: Any) -> bool:  # noqa: ANN401 - as below
    """Whether a store is in the database. Who may not look there has none there that it could reach."""
    try:
        return bool(client.exists(key(HOME, "schema")))
    except exceptions.ResponseError:
        return False


def open_jobs(place: JobsPlace) -> Any:  # noqa: ANN401 - three kinds of client without a common type
    """A client for dramatiq, which makes no connection before it is used, save on a cluster.

    :raises redis.exceptions.RedisError: the cluster cannot be reached.
    """
    address = StoreAddress.parse(place.url)
    if place.is_clustered:
        url = for_redis(address.url_of(address.seeds[0]) if address.seeds else place.url)
        nodes = [ClusterNode(seed.host, seed.port) for seed in address.seeds]
        return RedisCluster.from_url(
            url, startup_nodes=nodes, socket_timeout=TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT
        )
    if address.kind is Kind.SENTINEL:
        of_primary = parse_url(for_redis(address.url_of(address.seeds[0])))
        of_sentinel = parse_url(for_redis(address.sentinel_url(address.seeds[0])))
        for one in (of_primary, of_sentinel):
            one.pop("host", None)
            one.pop("port", None)
        of_sentinel.pop("connection_class", None)
        is_tls = of_primary.pop("connection_class", None) is not None
        of_sentinel |= {"ssl": is_tls, "socket_timeout": CONNECT_TIMEOUT}
        sentinels = Sentinel(list(address.seeds), sentinel_kwargs=of_sentinel, ssl=is_tls)
        return sentinels.master_for(address.service, socket_timeout=TIMEOUT, **of_primary)
    return redis.Redis.from_url(for_redis(place.url), socket_timeout=TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT)
