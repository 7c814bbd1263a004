"""Where a smarthost is found, without anybody's MX: by its address, in the file of hosts, or by a socket."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from softbounce_worker.route import Route
from softbounce_worker.route.relay_hosts import RelayHosts
from softbounce_worker.route.resolver import Resolver

from softbounce.reply import Trouble
from softbounce.road import Road

HOSTS = """\
127.0.0.1 localhost
10.1.2.3  Relay.Test relay   # a comment
2001:db8::1 relay.test
169.254.169.254 metadata.test
not-an-address bad.test
"""


def find(tmp_path: Path, road: Road) -> Route | Trouble:
    """Where it is; no name server answers."""
    file = tmp_path / "hosts"
    file.write_text(HOSTS)

    async def ask() -> Route | Trouble:
        resolver = Resolver(["127.0.0.1:9"], timedelta(seconds=0.2), clock=time.monotonic)
        return await RelayHosts(resolver, 0.5, file).find(road)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("road", "addresses"),
    [
        (Road(host="192.168.1.2"), ("192.168.1.2",)),
        (Road(host="127.0.0.1"), ("127.0.0.1",)),
        (Road(host="fd00::1"), ("fd00::1",)),
        (Road(host="localhost"), ("127.0.0.1", "::1")),
        (Road(host="relay"), ("10.1.2.3",)),
        (Road(socket="/run/dovecot/lmtp"), ("unix:/run/dovecot/lmtp",)),
    ],
)
def test_issue12_A08_a_smarthost_may_be_on_our_own_network(
    tmp_path: Path, road: Road, addresses: tuple[str, ...]
) -> None:
    """It is the operator's choice, other than what a stranger's DNS says."""
    found = find(tmp_path, road)
    assert isinstance(found, Route)
    assert [host.addresses for host in found.hosts] == [addresses]
    assert found.site == road.lane_of("")


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("169.254.169.254", "is a link-local address"),
        ("metadata.test", "is a link-local address"),
        ("0.0.0.0", "is the unspecified address"),  # noqa: S104
        ("224.0.0.1", "is a multicast address"),
        ("::ffff:127.0.0.1", "is an IPv4 address in IPv6 clothes"),
        ("nowhere.test", ""),
        ("bad.test", ""),
    ],
)
def test_issue12_a_smarthost_that_cannot_be_dialled_is_no_mails_fault(tmp_path: Path, host: str, why: str) -> None:
    """Temporary, whatever it is; and nothing that no mail host can be is dialled."""
    found = find(tmp_path, Road(host=host))
    assert isinstance(found, Trouble)
    assert not found.permanent
    assert found.text.startswith(f"the smarthost {host} cannot be found: ")
    assert why in found.text
