"""For whom what comes back is taken."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
from softbounce_gateway.returns.return_paths import Addressee, ReturnPaths

from softbounce.settings import BUILT_IN, ReturnsRule


def test_A11_the_port_for_bounces_relays_nothing() -> None:
    """Nothing for other domains, and those below ours; the address for complaints is ours."""
    paths = ReturnPaths(None, lambda: datetime(2026, 1, 31, tzinfo=UTC), lambda: 0.0)  # type: ignore[arg-type]
    rule = ReturnsRule(domain="bounces.shop.example", feedback="fbl")
    paths.settings = msgspec.structs.replace(BUILT_IN, returns=(rule,))
    for other in (
        "a@other.test",
        "fbl@x.bounces.shop.example",
        "fbl@shop.example",
        "a",
        "fbl@bounces.shop.example@c.test",
    ):
        refused = asyncio.run(paths.find(other))
        assert isinstance(refused, str), other
        assert refused.startswith("550"), other
    assert asyncio.run(paths.find("FBL@Bounces.Shop.Example.")) == Addressee(None)
