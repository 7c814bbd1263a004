"""What an operator chooses for envelopes, as he writes it: a policy, a window, a route; ``-`` takes a choice back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TypedDict

from softbounce.duration import LONGEST, MILLISECOND, format_duration, parse_duration
from softbounce.errors import InvalidArgument
from softbounce.road import RouteRule
from softbounce.settings import Settings
from softbounce.transitions import Terms

__all__ = ["AS_CONFIGURED", "KNOWN_TERMS", "Chosen", "as_text", "check_terms", "read_terms", "road_words"]

AS_CONFIGURED = "-"
KNOWN_TERMS = {"change": ("policy", "window"), "redirect": ("route",)}
"""Which of them the acts know that know any."""
MOST_NAMED = 20


class Chosen(TypedDict, total=False):
    """What is chosen: ``policy`` and ``route`` by name, ``window`` as a duration. ``"-"``: as configured."""

    policy: str | None
    window: timedelta | str | None
    route: str | None


def read_terms(act: str, chosen: Mapping[str, object]) -> Terms:
    """What is chosen, checked as far as it can be without the settings.

    :raises InvalidArgument: the act knows no such thing, needs one, or it cannot be so.
    """
    known = KNOWN_TERMS.get(act, ())
    given = {name: value for name, value in chosen.items() if value is not None}
    for name in given:
        if name not in known:
            knowing = [one for one, names in KNOWN_TERMS.items() if name in names]
            raise InvalidArgument(name, f"a {act} knows none; {' and '.join(knowing) or 'nothing'} does")
    if known and not given:
        raise InvalidArgument(known[0], f"is missing: say what to {act} to; {AS_CONFIGURED} is as configured")
    names = {name: _name(name, given[name]) for name in ("policy", "route") if name in given}
    return Terms(names.get("policy"), _window_ms(given["window"]) if "window" in given else None, names.get("route"))


def check_terms(terms: Terms, settings: Settings) -> None:
    """See that there is what is chosen.

    :raises InvalidArgument: there is not; naming what there is.
    """
    if terms.policy and terms.policy not in settings.policies:
        raise InvalidArgument("policy", _unknown("policy", terms.policy, list(settings.policies)))
    if terms.route:
        names = [rule.name for rule in settings.route if rule.name]
        if terms.route not in names:
            raise InvalidArgument("route", _unknown("route", terms.route, names))


def as_text(terms: Terms) -> dict[str, str]:
    """What is chosen, as it is stored and written down; :func:`read_terms` reads it."""
    window = None if terms.window_ms is None else format_duration(terms.window_ms * MILLISECOND)
    written = {"policy": terms.policy, "window": window if terms.window_ms != 0 else "", "route": terms.route}
    return {name: value or AS_CONFIGURED for name, value in written.items() if value is not None}


def road_words(settings: Settings, route: str) -> str:
    """Where a route leads, in words."""
    road = next((rule.road for rule in settings.route if rule.name == route), RouteRule().road)
    if not road.is_relay:
        return "to the MX hosts" + (f" from {' and '.join(road.source)}" if road.source else "")
    return f"to {road.socket or road.host}" + (f", port {road.port}" if road.port else "")


def _unknown(what: str, name: str, known: list[str]) -> str:
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    there = f"there are {', '.join(known[:MOST_NAMED])}{more}" if known else f"no {what} has a name"
    how = "" if known else f" (`name` in a [[{what}]] table gives it one)"
    return f"{name[:64]!r} is none that is published; {there}{how}"


def _name(what: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(what, f"is no name; {AS_CONFIGURED} is as configured")
    return "" if value.strip() == AS_CONFIGURED else value.strip()


def _window_ms(value: object) -> int:
    if isinstance(value, str):
        if value.strip() == AS_CONFIGURED:
            return 0
        try:
            value = parse_duration(value.strip())
        except ValueError as error:
            raise InvalidArgument("window", str(error)) from None
    if not isinstance(value, timedelta) or not MILLISECOND <= value <= LONGEST:
        raise InvalidArgument("window", "is not between a millisecond and ten years")
    return value // MILLISECOND
