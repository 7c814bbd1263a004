"""How long a gate keeps those who wait, beside the time for which it closes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_worker.lane.gate import JITTER, LEAST, LEAST_SHARE, MOMENT, MOMENTS, Gate, Input, Output

from softbounce.settings import LaneRule


@pytest.mark.parametrize("seconds", [0.3, 30.0, 300.0])
def test_issue11_who_waits_for_a_canary_waits_a_moment(seconds: float) -> None:
    """However long it was closed, and however short: little is added beside that, and never more than a second."""
    rule = LaneRule(close_first=timedelta(seconds=seconds), close_cap=timedelta(seconds=seconds))
    gate = Gate("a.test")
    gate.step(Input.ENOUGH, 0.0, rule)
    assert seconds * (1 - JITTER) <= gate.wait(0.0) <= seconds
    now = gate.opens_at
    assert gate.step(Input.ASKED, now, rule, b"canary") is Output.LET_ONE_GO
    assert gate.wait(now) == gate.moment
    assert 0 < gate.moment <= min(MOMENT, max(seconds / MOMENTS, min(LEAST, seconds / LEAST_SHARE)))
    now += gate.moment / 2
    gate.step(Input.FAILED, now, rule)
    assert gate.wait(now) >= seconds * (1 - JITTER)
