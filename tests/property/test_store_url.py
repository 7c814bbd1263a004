"""URLs of stores, as redis-py reads them and as we do: the same, or none."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.connection import parse_url

from softbounce.store.address import StoreAddress
from softbounce.store.masking import redact

ODD = st.text("aZ09%:@/?#&=+[]{}, .-_2\"'\\", max_size=8)
SECRET = "s3cret"
PATHS = {
    "unix": ["/run/a.sock", "/run/a@b%20c.sock", "/1"],
    "redis": ["", "/", "/0", "/7", "/1"],
    "rediss": ["", "/3"],
    "redis+cluster": ["", "/0"],
    "redis+sentinel": ["/mail", "/mail/", "/mail/3", "/1"],
}


def rarely(usual: list[str]) -> st.SearchStrategy[str]:
    """One of the usual texts; at times another."""
    return st.integers(0, 9).flatmap(lambda number: st.sampled_from(usual) if number else ODD)


OPTION = st.one_of(
    st.tuples(st.sampled_from(["db", "d%62"]), rarely(["0", "1", "2", "15"])),
    st.tuples(st.sampled_from(["password", "username", "ssl_ca_certs", "dbx"]), rarely(["x", "a%2540", "db=1", "a+b"])),
)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """What may be a URL, and mostly is."""
    scheme = draw(st.sampled_from(list(PATHS)))
    login = draw(rarely(["", "u:p@", ":p%40@", "u@"]))
    hosts = draw(rarely(["h", "h:1", "[::1]:7", "a,b:2" if "+" in scheme else "a"])) if scheme != "unix" else ""
    path = draw(rarely(PATHS[scheme]))
    options = draw(st.lists(OPTION, max_size=2))
    query = "&".join(f"{name}={value}" for name, value in options)
    return f"{scheme}://{login}{hosts}{path}{'?' if options else ''}{query}"


def parse(url: str) -> StoreAddress | None:
    """Read it, where it is one."""
    with suppress(ValueError):
        return StoreAddress.parse(url)
    return None


def read(url: str) -> dict[str, Any] | None:
    """What redis-py reads, where it takes the URL: an option that takes a number may have none."""
    with suppress(ValueError):
        found: dict[str, Any] = parse_url(url)
        return found
    return None


@settings(max_examples=200)
@given(urls())
def test_we_and_redis_py_mean_the_same_server(url: str) -> None:
    """A URL that we take names the same socket and database to redis-py, and other databases differ in that only."""
    address, found = parse(url), read(url) if "+" not in url.partition("://")[0] else None
    if address is None or found is None:
        return
    assert found.get("db", 0) == address.number
    assert found.get("path") == address.socket
    for number in address.other_databases:
        assert number != address.number
        assert read(address.in_database(number)) == {**found, "db": number}


@settings(max_examples=200)
@given(urls())
def test_another_database_is_one_of_the_same_store(url: str) -> None:
    """Whatever the kind of store, its address in another database is that, and has the same nodes and logins."""
    address = parse(url)
    for number in address.other_databases if address else ():
        assert address
        other = StoreAddress.parse(address.in_database(number))
        assert (other.number, other.kind, other.seeds, other.service) == (
            number,
            address.kind,
            address.seeds,
            address.service,
        )
        assert (other.login, other.socket) == (address.login, address.socket)


@settings(max_examples=200)
@given(urls(), st.sampled_from(["u", ""]), ODD)
def test_no_login_is_shown(url: str, user: str, odd: str) -> None:
    """Where a password stands in a URL, of ours or of none, it is not in what is shown."""
    scheme, _, rest = url.partition("://")
    for text in (f"{scheme}://{user}:{SECRET}{odd}@{rest}", f"{scheme}://{user}:{odd}{SECRET}@{rest}"):
        assert SECRET not in redact(text)
