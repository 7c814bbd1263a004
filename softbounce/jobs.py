"""What a job says, and where jobs live. A job is a hint: "this lane has work". Losing one costs time, never mail.

The words here are shared by who sends jobs (the scheduler) and who takes them (the workers); neither imports the other.
"""

from __future__ import annotations

from typing import NamedTuple

from softbounce.errors import StoreError
from softbounce.store.call import Call
from softbounce.store.shards import Shards

__all__ = ["ACTOR", "QUEUE", "JobsPlace", "jobs_place"]

QUEUE = "softbounce"
ACTOR = "drain"


class JobsPlace(NamedTuple):
    """Where dramatiq keeps its jobs."""

    url: str
    namespace: str


def jobs_place(store: Shards, url: str = "") -> JobsPlace:
    """Where jobs live: at *url* where given, else in database 1 of the store's server, or by its side on a cluster.

    :raises StoreError: the store cannot be reached.
    """
    if url:
        return JobsPlace(url, "dramatiq")
    answer = store.call([Call.read(0, b"INFO", b"cluster")])[0]
    if isinstance(answer, StoreError):
        raise answer
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    if "cluster_enabled:1" in text:
        return JobsPlace(store.url.replace("+cluster://", "://", 1), "{jobs}")
    return JobsPlace(_in_database_1(store.url), "dramatiq")


def _in_database_1(url: str) -> str:
    """The same server's database 1 (``urllib`` would drop the slashes of ``unix:///``)."""
    address, _, query = url.partition("?")
    if address.startswith("unix:"):
        options = [one for one in query.split("&") if one and not one.startswith("db=")]
        return f"{address}?{'&'.join([*options, 'db=1'])}"
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/1" + (f"?{query}" if query else "")
