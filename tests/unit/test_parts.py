"""Lanes in parts: their names, and which envelope is in which."""

from __future__ import annotations

from collections import Counter

import pytest

from softbounce.ids import envelope_id, new_message_id
from softbounce.road import MX, Road, base_of, digest_in, part_of
from softbounce.routing import lane_for, lanes_of, part_for
from softbounce.settings import BUILT_IN, LaneRule, Settings
from softbounce.site import organisation_of, shown_of
from softbounce.store.keys import is_lane

SPLIT = Settings(policies=BUILT_IN.policies, lane=(LaneRule(site="big.test", parts=4),))
RELAY = Road(host="big.test", port=587)
FROM = Road(source=("192.0.2.1",))


@pytest.mark.parametrize("road", [MX, RELAY, FROM])
def test_issue13_4_a_part_is_in_the_lane_s_name_and_in_nothing_else(road: Road) -> None:
    """Site, road and organisation are read from it as from the whole; part 0 is called as a lane that is not split."""
    lanes = lanes_of(SPLIT, road, "big.test~0123456789abcdef")
    whole = road.lane_of("big.test~0123456789abcdef")
    assert lanes[0] == whole
    assert len(set(lanes)) == 4
    for number, lane in enumerate(lanes):
        assert is_lane(lane)
        assert part_of(lane) == number
        assert (digest_in(lane), base_of(lane)) == (digest_in(whole), base_of(whole))
        assert (shown_of(lane), organisation_of(lane)) == ("big.test", organisation_of(whole))
    assert lanes_of(SPLIT, road, "other.test~0123456789abcdef") == [road.lane_of("other.test~0123456789abcdef")] or (
        road is RELAY
    )


@pytest.mark.parametrize("lane", ["?[IPv6:2001:db8::1]", "?a.test", "[2001:db8::1]~00", "a.test~00:", "a.test~00:x7"])
def test_issue13_4_what_is_no_part_is_none(lane: str) -> None:
    """An address has the same sign in it."""
    assert part_of(lane) == 0


def test_issue13_4_messages_spread_evenly_and_their_recipients_go_together() -> None:
    """By the random octets of their ids."""
    found: Counter[int] = Counter()
    for _ in range(4000):
        message = new_message_id(0, 7)
        parts = {part_for(envelope_id(message, number), 4) for number in range(3)}
        assert len(parts) == 1
        found.update(parts)
    assert set(found) == {0, 1, 2, 3}
    assert min(found.values()) > 800
    one = envelope_id(new_message_id(0), 0)
    assert lane_for(SPLIT, MX, "big.test~00", one) == lanes_of(SPLIT, MX, "big.test~00")[part_for(one, 4)]
    assert lane_for(BUILT_IN, MX, "big.test~00", one) == "big.test~00"
