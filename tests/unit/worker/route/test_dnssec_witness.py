"""Whose word on DNSSEC counts."""

from __future__ import annotations

import pytest
import structlog
from softbounce_worker.route.dnssec_witness import ENOUGH, DnssecWitness


@pytest.mark.parametrize(
    ("servers", "trusted", "counts"),
    [
        (["127.0.0.1"], [], True),
        (["127.0.0.53", "::1"], [], True),
        (["192.0.2.53"], [], False),
        (["192.0.2.53"], ["192.0.2.53"], True),
        (["2001:db8::35"], ["2001:DB8::35"], True),
        (["127.0.0.1", "192.0.2.53"], [], False),
        (["127.0.0.1", "192.0.2.53"], ["192.0.2.53"], True),
        (["127.0.0.11"], [], False),
        (["127.0.0.11"], ["127.0.0.11"], True),
    ],
)
def test_L09_all_servers_have_to_be_trusted(servers: list[str], trusted: list[str], counts: bool) -> None:
    """On loopback, or named so; Docker's own is on loopback and validates nothing."""
    assert DnssecWitness([(server, 53) for server in servers], trusted).is_trusted == counts


def test_issue12_servers_that_call_nothing_authentic_are_told_of_once() -> None:
    """After many answers; and not, where one of them was."""
    with structlog.testing.capture_logs() as logs:
        witness = DnssecWitness([("127.0.0.1", 53)], [])
        for _ in range(3 * ENOUGH):
            witness.saw(has_records=True, is_secure=False)
        assert [one["event"] for one in logs] == ["dnssec_not_seen"]
        witness = DnssecWitness([("127.0.0.1", 53)], [])
        witness.saw(has_records=True, is_secure=True)
        for _ in range(3 * ENOUGH):
            witness.saw(has_records=True, is_secure=False)
        assert len(logs) == 1
