"""Presets for large providers: data, with a source each, between the user's rules for a provider and those for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_config.presets import presets

from softbounce.settings import LaneRule, Settings


def lanes(text: str, tmp_path: Path) -> Settings:
    """The settings of a file."""
    file = tmp_path / "softbounce.toml"
    file.write_text(text)
    return load(file, environ={}).settings()


def test_each_preset_has_a_source_and_says_something() -> None:
    """A figure without a source is a guess, and one that says nothing is noise."""
    for rule in presets():
        assert rule.source.startswith("preset (")
        assert (rule.connections, rule.messages_per_connection, rule.rate) != (
            LaneRule().connections,
            LaneRule().messages_per_connection,
            LaneRule().rate,
        )
    assert len({rule.site for rule in presets()}) == len(presets())


@pytest.mark.parametrize("rule", presets(), ids=lambda rule: rule.site)
def test_a_preset_is_in_force_without_a_file_and_behind_a_rule_for_all(rule: LaneRule, tmp_path: Path) -> None:
    """Who limits everybody means no provider by it."""
    assert lanes("", tmp_path).lane_rule_for(rule.site) == rule
    assert lanes('[[lane]]\nsite = "*"\nconnections = 3', tmp_path).lane_rule_for(rule.site) == rule


def test_a_rule_that_names_a_provider_goes_before_its_preset(tmp_path: Path) -> None:
    """And says where it is from."""
    settings = lanes('[[lane]]\nsite = "*.test"\n\n[[lane]]\nsite = "google.*"\nconnections = 3', tmp_path)
    rule = settings.lane_rule_for("google.com")
    assert (rule.connections, rule.messages_per_connection, rule.source) == (3, 100, "lane[1]")
    assert settings.lane_rule_for("elsewhere.example") == LaneRule()
