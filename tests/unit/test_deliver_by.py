"""DELIVERBY: what is left of a time."""

from __future__ import annotations

from typing import Any

import pytest

from softbounce.client.send.arguments import check
from softbounce.deliver_by import By, DeliverBy
from softbounce.errors import InvalidMessage


@pytest.mark.parametrize(
    ("asked", "spent_ms", "left"),
    [
        (DeliverBy(within_ms=120_000, returns=True), 0, By(120, "R")),
        (DeliverBy(within_ms=120_000, returns=True), 22_000, By(98, "R")),
        (DeliverBy(within_ms=120_000, returns=True), 119_999, By(1, "R")),
        (DeliverBy(within_ms=120_000, returns=True), 120_000, By(0, "R")),
        (DeliverBy(within_ms=120_000, returns=True, traces=True), 1, By(120, "RT")),
        (DeliverBy(within_ms=120_000), 120_001, By(0, "N")),
        (DeliverBy(within_ms=120_000), 180_000, By(-60, "N")),
        (DeliverBy(within_ms=-60_000, traces=True), 1_000, By(-61, "NT")),
    ],
)
def test_M31_what_is_left_of_a_time(asked: DeliverBy, spent_ms: int, left: By) -> None:
    """In seconds begun; of a time that is over how long ago that was."""
    now_ms = 1_800_000_000_000
    assert asked.by(now_ms - spent_ms, now_ms) == left
    assert left.returns is asked.returns


def test_M31_another_kind_of_time_is_refused() -> None:
    """By name, as any argument."""
    sent: Any = {"sender": "a@b.test", "recipients": ["c@d.test"], "message": b"Subject: x\n\nx\n", "deliver_by": 60}
    with pytest.raises(InvalidMessage, match="deliver_by: not a DeliverBy but int"):
        check(sent, max_octets=1_000)
