"""What is allowed and wasteful is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_config import wasteful

from softbounce.settings import BUILT_IN, Policy, ReplyRule, Settings

MINUTE = timedelta(minutes=1)


def of(**fields: object) -> list[str]:
    """The waste of one policy."""
    return wasteful(Settings(policies={"p": Policy(name="p", **fields)}))  # type: ignore[arg-type]


def test_the_built_in_policy_wastes_nothing() -> None:
    """Nor does a short one with short waits."""
    assert wasteful(BUILT_IN) == []
    assert of(window=15 * MINUTE, delays=(MINUTE / 6, MINUTE / 2, MINUTE, 2 * MINUTE)) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"window": 15 * MINUTE, "first": 60 * MINUTE},
            "the first wait of 1 h is not shorter than the window of 15 min",
        ),
        ({"window": 5 * MINUTE, "delays": (5 * MINUTE,)}, "the first wait of 5 min"),
        (
            {"window": 600 * MINUTE, "factor": 6.0, "cap": 600 * MINUTE},
            "the second half of its window of 10 h has 1 attempt",
        ),
    ],
    ids=["longer", "as long", "second half"],
)
def test_waits_that_leave_the_window_unused_are_said(fields: dict[str, object], said: str) -> None:
    """With the key, and why."""
    (waste,) = of(**fields)
    assert waste.startswith(f"policy.p: {said}")


def test_a_rule_whose_first_delay_is_longer_than_all_windows_is_said() -> None:
    """It would be tried once more, at the end."""
    rule = ReplyRule(name="full", delays=(timedelta(days=6),))
    assert wasteful(Settings(reply=(rule,)))[0].startswith('reply "full": its first delay of 6 d')
    own = ReplyRule(name="full", delays=(timedelta(days=6),), window=timedelta(days=9))
    assert wasteful(Settings(reply=(own,))) == []
