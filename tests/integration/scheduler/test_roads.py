"""Mail is released to the lane of its road at once, as far as its header tells which that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from softbounce.road import Road, RouteRule
from softbounce.settings import Settings
from softbounce.store.sites import Site, learn_sites

if TYPE_CHECKING:
    from conftest import Bench

DOMAIN, SITE = "example.net", "mx.test~0123456789abcdef"
RELAY = Road(host="relay.test", port=587)
OWN = Road(source=("192.0.2.1",))
UNRESOLVED = f"?{DOMAIN}"

ROUTES: dict[str, tuple[tuple[RouteRule, ...], str, str]] = {
    # the routes: the lane where its site is not known, and where it is
    "none": ((), UNRESOLVED, SITE),
    "all by a smarthost": ((RouteRule(road=RELAY),), RELAY.lane_of(""), RELAY.lane_of("")),
    "its domain": ((RouteRule(domain="*.net", road=RELAY),), RELAY.lane_of(""), RELAY.lane_of("")),
    "another domain": ((RouteRule(domain="*.org", road=RELAY),), UNRESOLVED, SITE),
    "an exception first": ((RouteRule(domain=DOMAIN), RouteRule(road=RELAY)), UNRESOLVED, SITE),
    "our own address": ((RouteRule(road=OWN),), UNRESOLVED, OWN.lane_of(SITE)),
    "by sender: a worker has to look": ((RouteRule(sender="x@*", road=RELAY),), UNRESOLVED, SITE),
    "by what happened: a worker has to look": ((RouteRule(after_attempts=1, road=RELAY),), UNRESOLVED, SITE),
    "by site: a worker has to look": ((RouteRule(site="mx.test", road=RELAY),), UNRESOLVED, SITE),
}


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("name", ROUTES)
def test_issue12_what_is_due_goes_straight_to_its_road(bench: Bench, name: str, *, is_known: bool) -> None:
    """Where more than the header decides it goes the old way, and whoever claims it sends it on."""
    bag = bench.bag
    routes, unknown, known = ROUTES[name]
    bench.settings = Settings(route=routes)
    if is_known:
        bag.store.run(learn_sites({DOMAIN: Site(lane=SITE, learnt_ms=0)}, shards=1))
    (record,) = bag.scheduled()
    assert record.lane == UNRESOLVED
    bench.run(lambda parts: parts.releaser.step())
    assert bag.record(record.id).lane == (known if is_known else unknown)
