"""Which share an envelope is in, as its id and its attempts tell."""

from __future__ import annotations

from collections import Counter

from softbounce.envelope import Record
from softbounce.ids import envelope_id, new_message_id, shard_of, tenant_number_of
from softbounce.share import TENANTS, is_of_retries, share_of, sibling_of, tenant_number


def test_issue13_6_an_id_tells_its_tenant_s_number_and_its_shard() -> None:
    """For every number, beside the clock, which is read by nobody and in the same order as before."""
    for number in range(TENANTS):
        one = envelope_id(new_message_id(4095, number), 999)
        assert (tenant_number_of(one), shard_of(one), len(one)) == (number, 4095, 16)
    before, after = (new_message_id(0, 5) for _ in range(2))
    assert before[:8] <= after[:8]


def test_issue13_6_an_id_of_an_older_version_is_of_the_first_share() -> None:
    """Its mail stays in the lists that that version knows, until it was tried."""
    older = bytes.fromhex("0000019ae1b2c3d4") + bytes(8)
    assert share_of(older, 0) == 0
    assert share_of(older, 1) == TENANTS


def test_issue13_6_what_was_tried_is_in_a_share_of_its_own() -> None:
    """An uncharged attempt was none."""
    record = Record(id=envelope_id(new_message_id(0, 7), 0), lane="a.test")
    assert (record.share, is_of_retries(record.share)) == (7, False)
    record.charged = 3
    assert (record.share, is_of_retries(record.share)) == (7 + TENANTS, True)
    assert sibling_of(sibling_of(record.share)) == record.share
    assert sibling_of(7) == record.share


def test_issue13_6_ten_thousand_tenants_make_sixty_four_shares() -> None:
    """All about as large, whatever the names are like; the same name is in the same share in every process."""
    sizes = Counter(tenant_number(f"customer-{number}.example") for number in range(10_000))
    assert set(sizes) == set(range(TENANTS))
    assert max(sizes.values()) < 3 * 10_000 / TENANTS
    assert [tenant_number(name) for name in ("", "acme", "example.com", "Ä")] == [0, 62, 57, 11]
