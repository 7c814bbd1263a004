"""The store's URL in parts: whom to ask, and the URL of each node."""

from __future__ import annotations

import pytest

from softbounce.store.address import SOLE, Kind, Node, StoreAddress, redact

A, B = Node("a", 7000), Node("b", 6379)


def test_a_server_is_reached_by_its_own_url() -> None:
    """Nobody is to be asked."""
    address = StoreAddress.parse("unix:///run/store.sock?db=0")
    assert (address.kind, address.seeds) == (Kind.SERVER, ())
    assert address.url_of(SOLE) == "unix:///run/store.sock?db=0"


@pytest.mark.parametrize(
    ("url", "node", "expected"),
    [
        ("redis+cluster://a:7000,b", A, "redis://a:7000"),
        ("rediss+cluster://u:p%40@a:7000,b/0?ssl_ca_certs=ca.pem", B, "rediss://u:p%40@b:6379?ssl_ca_certs=ca.pem"),
        ("redis://u:p@a:7000/0", Node("::1", 1), "redis://u:p@[::1]:1"),
        ("unix://u:p@/run/store.sock?db=0", A, "redis://u:p@a:7000"),
        ("redis+sentinel://u:p@s:1,t/mail/3", A, "redis://u:p@a:7000/3"),
    ],
)
def test_the_url_of_a_node(url: str, node: Node, expected: str) -> None:
    """Login, options and TLS are the store's; only Sentinel's primaries have databases."""
    assert StoreAddress.parse(url).url_of(node) == expected


def test_the_seeds() -> None:
    """Each with its port, or the usual one."""
    assert StoreAddress.parse("redis+cluster://a:7000,b").seeds == (A, B)
    assert StoreAddress.parse("redis+cluster://[::1]:7000").seeds == (Node("::1", 7000),)
    assert StoreAddress.parse("redis+sentinel://a:7000,b/mail").seeds == (A, Node("b", 26379))


def test_sentinels_have_a_login_of_their_own() -> None:
    """The store's is never told to them."""
    address = StoreAddress.parse("rediss+sentinel://u:p@s:1/mail?sentinel_password=se%40cret&sentinel_username=w")
    assert address.service == "mail"
    assert address.sentinel_url(Node("s", 1)) == "rediss://w:se%40cret@s:1"
    assert address.url_of(A) == "rediss://u:p@a:7000"
    assert StoreAddress.parse("redis+sentinel://u:p@s:1/mail").sentinel_url(Node("s", 1)) == "redis://s:1"


def test_no_password_is_shown() -> None:
    """Neither the store's nor the sentinels'."""
    shown = redact("redis+sentinel://u:p@s/mail?sentinel_password=x&password=y&ssl_ca_certs=z")
    assert shown == "redis+sentinel://u:***@s/mail?sentinel_password=***&password=***&ssl_ca_certs=z"


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("redis://h", "redis://h/1"),
        ("redis://h:6379/", "redis://h:6379/1"),
        ("redis://u:p@h:6379/0", "redis://u:p@h:6379/1"),
        ("rediss://u:p@h/7?ssl_ca_certs=ca.pem", "rediss://u:p@h/1?ssl_ca_certs=ca.pem"),
        ("redis://h?db=3", "redis://h/1"),
        ("unix:///run/store.sock", "unix:///run/store.sock?db=1"),
        ("unix://:p@/run/store.sock?db=0&password=p", "unix://:p@/run/store.sock?password=p&db=1"),
        ("redis+cluster://a:7000,b:7001", "redis+cluster://a:7000,b:7001"),
        ("redis+sentinel://u:p@a:1,b/mail", "redis+sentinel://u:p@a:1,b/mail/1"),
        ("redis+sentinel://a/mail/0?ssl_ca_certs=ca.pem", "redis+sentinel://a/mail/1?ssl_ca_certs=ca.pem"),
        ("redis+sentinel://a/mail?db=0", "redis+sentinel://a/mail/1"),
    ],
)
def test_another_database_of_the_same_server(url: str, other: str) -> None:
    """Only its number changes; a cluster has one."""
    assert StoreAddress.parse(url).in_database(1) == other


@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("redis://h", (1,)),
        ("redis://h/0", (1,)),
        ("redis://h/1", (2, 0)),
        ("redis://h/5", (1, 0)),
        ("redis://h/0?db=1", (2, 0)),
        ("unix:///run/1", (1,)),
        ("unix:///run/s?db=1", (2, 0)),
        ("redis+cluster://h", ()),
        ("redis+sentinel://h/1", (1,)),
        ("redis+sentinel://h/mail/1", (2, 0)),
        ("redis+sentinel://h/mail?db=1", (2, 0)),
    ],
)
def test_issue10_26_jobs_go_to_another_database(url: str, others: tuple[int, ...]) -> None:
    """1, or 2 when the mail is in 1; then 0; never the mail's own."""
    assert StoreAddress.parse(url).other_databases == others
