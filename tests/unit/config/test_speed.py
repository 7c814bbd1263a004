"""Time that passes faster, for who tries things out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from softbounce_config import load
from softbounce_config.speed import sped_up

from softbounce.settings import GREYLIST_DELAYS

FILE = """\
[policy.otp]
window = "10m"
delays = ["1m", "2m"]
warn_after = 0
[[reply]]
name = "full"
code = "452"
delays = ["1h"]
window = "2d"
[[lane]]
site = "a.test"
close_first = "10m"
"""


def test_policies_rules_and_lanes_are_divided(tmp_path: Path) -> None:
    """Minutes become tenths of a second; what has no time stays, and a lane does not close for less than that."""
    (tmp_path / "softbounce.toml").write_text(FILE)
    settings = sped_up(load(tmp_path / "softbounce.toml", environ={}), 600).settings()
    otp, default = settings.policies["otp"], settings.policies["default"]
    assert otp.window == timedelta(seconds=1)
    assert otp.delays == (timedelta(milliseconds=100), timedelta(milliseconds=200))
    assert (otp.warn_after, otp.greylist) == (timedelta(0), None)
    assert (default.window, default.first, default.cap) == (
        timedelta(minutes=12),
        timedelta(milliseconds=550),
        timedelta(seconds=24),
    )
    assert default.greylist == tuple(one / 600 for one in GREYLIST_DELAYS)
    assert settings.reply[0].delays == (timedelta(seconds=6),)
    assert settings.reply[0].window == timedelta(minutes=4, seconds=48)
    assert settings.lane_rule_for("a.test").close_first == timedelta(seconds=1)
    assert settings.lane_rule_for("b.test").close_first == timedelta(milliseconds=100)
    assert settings.lane_rule_for("b.test").close_cap == timedelta(milliseconds=500)
