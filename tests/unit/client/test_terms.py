"""What an operator writes to choose a policy, a window or a route."""

from __future__ import annotations

from datetime import timedelta

import pytest

from softbounce import InvalidArgument
from softbounce.client.terms import as_text, check_terms, read_terms, road_words
from softbounce.road import Road, RouteRule
from softbounce.settings import Policy, Settings
from softbounce.transitions import Terms

SETTINGS = Settings(
    policies={"default": Policy(name="default"), "otp": Policy(name="otp")},
    route=(
        RouteRule(name="backup", road=Road(host="relay.test", port=587)),
        RouteRule(road=Road(host="other.test")),
        RouteRule(name="ours", road=Road(source=("192.0.2.1",))),
        RouteRule(name="box", road=Road(socket="/run/lmtp", protocol="lmtp")),
    ),
)


@pytest.mark.parametrize(
    ("act", "chosen", "terms", "text"),
    [
        ("change", {"policy": "otp"}, Terms(policy="otp"), {"policy": "otp"}),
        ("change", {"policy": " - ", "window": "-"}, Terms("", 0), {"policy": "-", "window": "-"}),
        ("change", {"window": "1h30m"}, Terms(window_ms=5_400_000), {"window": "1h30m"}),
        ("change", {"window": timedelta(days=2), "route": None}, Terms(window_ms=172_800_000), {"window": "2d"}),
        ("redirect", {"route": "backup"}, Terms(route="backup"), {"route": "backup"}),
        ("redirect", {"route": "-"}, Terms(route=""), {"route": "-"}),
        ("hold", {"policy": None}, Terms(), {}),
    ],
    ids=str,
)
def test_what_is_chosen_is_read_and_written_again(
    act: str, chosen: dict[str, object], terms: Terms, text: dict[str, str]
) -> None:
    """What is written down is read as the same."""
    assert read_terms(act, chosen) == terms
    assert as_text(terms) == text
    assert read_terms(act, text) == terms


@pytest.mark.parametrize(
    ("act", "chosen", "words"),
    [
        ("hold", {"policy": "otp"}, "policy.*a hold knows none; change does"),
        ("change", {"route": "backup"}, "route.*a change knows none; redirect does"),
        ("change", {}, "policy.*is missing"),
        ("redirect", {"route": None}, "route.*is missing"),
        ("redirect", {"route": "  "}, "route.*is no name"),
        ("change", {"window": "soon"}, "window.*a duration is a number"),
        ("change", {"window": "0s"}, "window.*not between a millisecond and ten years"),
        ("change", {"window": timedelta(days=4000)}, "window.*not between"),
        ("change", {"window": 5}, "window.*not between"),
    ],
    ids=str,
)
def test_what_cannot_be_so_is_refused_by_name(act: str, chosen: dict[str, object], words: str) -> None:
    """Naming what, and why."""
    with pytest.raises(InvalidArgument, match=words):
        read_terms(act, chosen)


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    """A policy, a route; where no route has a name, how one gets it."""
    check_terms(Terms("otp", 1, "backup"), SETTINGS)
    check_terms(Terms("", 0, ""), Settings())
    with pytest.raises(InvalidArgument, match=r"'fast' is none that is published; there are default, otp"):
        check_terms(Terms(policy="fast"), SETTINGS)
    with pytest.raises(InvalidArgument, match=r"'x' is none that is published; there are backup, ours, box"):
        check_terms(Terms(route="x"), SETTINGS)
    with pytest.raises(InvalidArgument, match=r"no route has a name \(`name` in a \[\[route\]\] table"):
        check_terms(Terms(route="x"), Settings())


def test_a_road_in_words() -> None:
    """Where it leads."""
    words = [road_words(SETTINGS, name) for name in ("backup", "ours", "box", "none")]
    assert words == ["to relay.test, port 587", "to the MX hosts from 192.0.2.1", "to /run/lmtp", "to the MX hosts"]
