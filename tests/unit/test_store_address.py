"""The store's URL in parts: whom to ask, and the URL of each node."""

from __future__ import annotations

import pytest
from redis.connection import parse_url

from softbounce.store.address import SOLE, Kind, Node, StoreAddress, for_redis, redact

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


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("redis://h/3?d%62=1", 1),
        ("redis://h?db=2&ssl_ca_certs=a%26db%3D3", 2),
        ("rediss://u:p%40@[::1]:7000/4", 4),
        ("unix:///run/a@b.sock?db=1", 1),
        ("unix://u:p@/run/a%20b%3F.sock?d%62=1&password=x%2540", 1),
    ],
)
def test_issue11_a_url_names_the_database_that_redis_py_finds(url: str, database: int) -> None:
    """However it is written: read otherwise than by redis-py, jobs would go beside the mail, and be flushed with it."""
    address = StoreAddress.parse(url)
    read = parse_url(url)
    assert (address.number, read["db"]) == (database, database)
    for number in address.other_databases:
        other = parse_url(address.in_database(number))
        assert other == {**read, "db": number}
        assert StoreAddress.parse(address.in_database(number)).number == number


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://h?db=1&db=2", "more than once"),  # redis-py takes the first
        ("redis://h?db=1&d%62=2", "more than once"),
        ("unix:///run/s?db=1&db=1", "more than once"),
        ("redis+cluster://a:7000?db=1", "database 0 only"),
    ],
)
def test_issue11_a_url_that_could_be_read_in_two_ways_is_none(url: str, reason: str) -> None:
    """It is refused, where it could mean another database to another reader."""
    with pytest.raises(ValueError, match=reason):
        StoreAddress.parse(url)


def test_issue11_an_at_in_a_socket_s_path_is_no_login() -> None:
    """Of such a server's cluster the other nodes are asked without one."""
    assert StoreAddress.parse("unix:///run/a@b/store.sock").url_of(A) == "redis://a:7000"
    assert StoreAddress.parse("unix:///run/a@b/store%20.sock").socket == "/run/a@b/store .sock"
    assert StoreAddress.parse("redis://h").socket is None


def test_issue11_an_address_shows_itself_without_secrets() -> None:
    """In a log or a traceback as well, and so do its parts' owners."""
    address = StoreAddress.parse("redis+sentinel://u:s3cret@s/mail?sentinel_password=s3cret")
    assert repr(address) == str(address) == "StoreAddress('redis+sentinel://u:***@s/mail?sentinel_password=***')"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("redis://h", "redis://h"),
        ("redis://h/0?db=3&socket_timeout=5", "redis://h/0?db=3&socket_timeout=5"),
        ("redis://h?max_connections=3", "redis://h"),
        ("unix:///s?health_check_interval=5&db=1&protocol=3", "unix:///s?db=1"),
        (
            "rediss://u:p@h:1/0?decode_responses=True&ssl_ca_certs=ca.pem&retry=1",
            "rediss://u:p@h:1/0?ssl_ca_certs=ca.pem",
        ),
    ],
)
def test_issue10_how_a_server_is_spoken_to_is_not_for_its_url_to_say(url: str, read: str) -> None:
    """What redis-py would take from the URL over what we ask of it is left out; all else stays as it was written."""
    assert for_redis(url) == read
