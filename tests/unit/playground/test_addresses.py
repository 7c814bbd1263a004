from __future__ import annotations

import pytest
from softbounce_playground.addresses import BLOCKS, AddressPlan


def test_plain_hosts_are_spread_and_stay_where_they_are() -> None:
    """The address of a plain host depends on its name and the seed only."""
    names = [f"mx1.d{number}.test" for number in range(500)]
    first = [AddressPlan().plain_address(name) for name in names]
    assert first == [AddressPlan().plain_address(name) for name in names]
    assert set(first) <= set(AddressPlan().plain)
    assert len(set(first)) == 64
    assert first != [AddressPlan(seed=1).plain_address(name) for name in names]


def test_blocks_never_overlap_until_they_run_out() -> None:
    """Every owner has eight addresses that nobody else has."""
    plan = AddressPlan()
    blocks = [plan.block(f"owner {number}") for number in range(BLOCKS)]
    assert len({address for block in blocks for address in block} | set(plan.plain)) == BLOCKS * 8 + 64
    assert plan.block("owner 3") == blocks[3]
    assert plan.block_address("owner 3", "mx1.a.test") in blocks[3]
    assert plan.dead_address("mx1.a.test").startswith("127.77.255.")
    with pytest.raises(LookupError):
        plan.block("one more")


def test_shared_addresses_replace_all_others() -> None:
    """Where hosts share addresses, blocks are made of those too."""
    plan = AddressPlan(shared=["10.1.1.1"])
    assert plan.plain == plan.block("owner") == ("10.1.1.1",)
    assert plan.plain_address("mx1.a.test") == plan.block_address("owner", "mx1.a.test") == "10.1.1.1"
