"""What a job says, and where jobs live. A job is a hint: "this lane has work". Losing one costs time, never mail.

The words here are shared by who sends jobs (the scheduler) and who takes them (the workers); neither imports the other.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

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
    parts = urlsplit(store.url)
    if parts.scheme == "unix":
        query = "&".join([one for one in parts.query.split("&") if one and not one.startswith("db=")] + ["db=1"])
        return JobsPlace(urlunsplit(parts._replace(query=query)), "dramatiq")
    return JobsPlace(urlunsplit(parts._replace(path="/1")), "dramatiq")
