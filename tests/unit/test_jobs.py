"""Where dramatiq's jobs live: beside the mail, never among it."""

from __future__ import annotations

import pytest
from proxy import Canned

from softbounce.errors import StoreError
from softbounce.jobs import JobsPlace, _in_database_1, jobs_place
from softbounce.store.shards import Shards


def place(info: bytes, url: str = "") -> tuple[JobsPlace, str]:
    """The place for a store that says this about clusters, and the store's URL."""
    with Canned() as server:
        server.replies = [b"$%d\r\n%s" % (len(info), info)]
        store = Shards(server.url)
        found = jobs_place(store, url)
        store.close()
        return found, server.url


def test_an_own_instance_is_used_as_it_is() -> None:
    """Where the config names one."""
    assert place(b"", "redis://jobs/5")[0] == JobsPlace("redis://jobs/5", "dramatiq")


def test_a_single_server_keeps_them_in_database_1() -> None:
    """Apart from the mail, which is in database 0."""
    found, url = place(b"cluster_enabled:0")
    assert found == JobsPlace(f"{url}?db=1", "dramatiq")


def test_a_cluster_keeps_them_in_one_slot() -> None:
    """It has no databases; the namespace's braces keep the queue together."""
    found, url = place(b"cluster_enabled:1")
    assert found == JobsPlace(url, "{jobs}")


def test_a_store_that_is_away_is_an_error() -> None:
    """A guess would send jobs where no worker looks."""
    with pytest.raises(StoreError):
        jobs_place(Shards("unix:///nowhere/store.sock", patience=0))


@pytest.mark.parametrize(
    ("url", "jobs"),
    [
        ("redis://h:6379", "redis://h:6379/1"),
        ("redis://h:6379/0", "redis://h:6379/1"),
        ("rediss://u:p@h/0?ssl_ca_certs=ca.pem", "rediss://u:p@h/1?ssl_ca_certs=ca.pem"),
        ("redis+sentinel://u:p@a:1,b/mail", "redis+sentinel://u:p@a:1,b/mail/1"),
        ("redis+sentinel://a/mail/0?ssl_ca_certs=ca.pem", "redis+sentinel://a/mail/1?ssl_ca_certs=ca.pem"),
        ("unix:///run/store.sock", "unix:///run/store.sock?db=1"),
        ("unix:///run/store.sock?db=0&password=p", "unix:///run/store.sock?password=p&db=1"),
    ],
)
def test_database_1_of_the_same_server(url: str, jobs: str) -> None:
    """Everything else of the URL stays."""
    assert _in_database_1(url) == jobs
