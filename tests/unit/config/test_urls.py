from __future__ import annotations

import pytest
from redis.connection import parse_url
from softbounce_config.urls import check_store_url

from softbounce.store.address import StoreAddress


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/0",
        "redis://user:pass%20word@store:6379/15?socket_timeout=5",
        "rediss://[2001:db8::1]:6380/1",
        "redis://h?db=3",
        "unix:///srv/mail/var/store.sock",
        "unix://:secret@/run/store.sock?db=2",
        "redis+cluster://a:7000,b:7001",
        "redis+sentinel://a:26379,b/mail",
        "rediss+sentinel://app:secret@a,b/mail/3?sentinel_password=other",
        "rediss+cluster://user:secret@a:7000,[::1]:7001/0",
    ],
)
def test_store_url_names_a_store(url: str) -> None:
    """A URL of a server, a socket or a cluster is taken as it is."""
    assert check_store_url(url) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "the store can be"),
        ("localhost:6379", "the store can be"),
        ("http://localhost", "the store can be"),
        ("Embedded", "the store can be"),
        ("redis:/localhost", "the store can be"),
        ("redis://", "stands a host"),
        ("redis:///0", "stands a host"),
        ("redis://a,b", "stands a host"),
        ("redis://h:0", "a port"),
        ("redis://h:70000", "a port"),
        ("redis://h:x", "stands a host"),
        ("redis://h/mail", "number of a database"),
        ("redis://h?db=x", "number of a database"),
        ("redis://user:pa#ss@h/0", "stands a host|%23"),
        ("redis://[::1", "bracket"),
        ("redis://h\n/0", "printable"),
        ("redis://h /0", "printable"),
        ("unix://var/store.sock", "absolute path"),
        ("unix://", "absolute path"),
        ("unix:///", "absolute path"),
        ("redis+cluster://a:7000,,b", "stands a host"),
        ("redis+cluster://a:7000/1", "database 0 only"),
        ("redis+sentinel://a:26379,b", "what they call the primary"),
        ("redis+sentinel://a,b/mail/x", "number of a database"),
    ],
)
def test_other_store_urls_are_refused(url: str, reason: str) -> None:
    """A URL that cannot be a store's is refused, and the reason never repeats it."""
    with pytest.raises(ValueError, match=reason) as refused:
        check_store_url(url)
    assert "pa#ss" not in str(refused.value)


def test_unix_url_survives_odd_folders() -> None:
    """Whatever the folder is called, redis-py finds the socket again."""
    path = "/srv/mail 100%/a?b#c/store.sock"
    assert parse_url(StoreAddress.of_socket(path).url)["path"] == path
    other = parse_url(StoreAddress.of_socket(path).in_database(1))
    assert (other["path"], other["db"]) == (path, 1)
    assert check_store_url(StoreAddress.of_socket(path).url)
