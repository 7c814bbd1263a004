"""Which road an envelope takes: that of the first ``[[route]]`` that fits it, else the usual one. Pure.

Where an operator sent it by a route, that one counts, and no condition of any.

What happened to it counts as well, and for good: the reason of any of its attempts, not only of the last one, so that
mail which a smarthost defers does not go back to the hosts that refused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from softbounce.envelope import Record
from softbounce.gate import closes_to
from softbounce.globs import matches
from softbounce.ids import message_of
from softbounce.road import MX, Road, RouteRule
from softbounce.settings import Settings
from softbounce.site import shown_of

__all__ = [
    "USUAL",
    "Choice",
    "lane_for",
    "lanes_of",
    "name_of",
    "part_for",
    "road_by_header",
    "road_for",
    "roads_in",
    "route_named",
]

ALL = frozenset({None, "*"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A road, and by which rule.

    :ivar rule: ``route[0]`` as the configuration counts, ``gate``, or ``default``.
    :ivar after_reason: what had to happen for it.
    """

    road: Road = MX
    rule: str = "default"
    after_reason: str | None = None


USUAL = Choice()
PART_OCTETS = 2
"""Random ones, at the end of a message's id."""


def road_for(
    settings: Settings, record: Record, site: str | None, *, reason: str | None = None, is_charged: bool = True
) -> Choice | None:
    """The road of an envelope; ``None``: that depends on its domain's site, which is not known.

    :param site: the site of its domain's MX hosts, as it is shown.
    :param reason: why an attempt of it has just ended that is not recorded yet.
    :param is_charged: that attempt counts.
    """
    if not settings.route:
        return USUAL
    envelope = record.envelope
    is_caught = settings.route[0].is_gated and _is_gated(settings, record)  # no hand leads around the gate
    if envelope.set_route and not is_caught and (chosen := route_named(settings, envelope.set_route)) is not None:
        return chosen
    for number in settings.routes_for(domain=envelope.domain, sender=envelope.sender, stream=record.stream):
        rule = settings.route[number]
        if _has_happened(rule, record, reason, is_charged=is_charged) and (
            not rule.is_gated or _is_gated(settings, record)
        ):
            if rule.site not in ALL and site is None:
                return None
            if rule.site in ALL or matches(rule.site, site):
                return _choice(name_of(settings.route, number), rule)
    return USUAL


def road_by_header(settings: Settings, *, domain: str, stream: str) -> Choice | None:
    """The same, by what is known without reading an envelope; ``None``: that does not tell."""
    for number in settings.routes_for_any(domain=domain, stream=stream):
        rule = settings.route[number]
        if not rule.by_hand:
            is_of_records = rule.sender not in ALL or rule.after_attempts or rule.after_reason or rule.is_gated
            if is_of_records or rule.site not in ALL:
                return None
            return _choice(name_of(settings.route, number), rule)
    return USUAL


def route_named(settings: Settings, name: str) -> Choice | None:
    """The road of the route with a name, by which an operator sends mail; ``None``: there is none."""
    for number, rule in enumerate(settings.route):
        if rule.name == name:
            return Choice(rule.road, name_of(settings.route, number))
    return None


def name_of(routes: Sequence[RouteRule], number: int) -> str:
    """A rule as the configuration counts: the gate's comes before all tables."""
    return "gate" if routes[number].is_gated else f"route[{number - routes[0].is_gated}]"


def lanes_of(settings: Settings, road: Road, site: str) -> list[str]:
    """The lane of a road to a site; or all its parts, where it is split."""
    whole = road.lane_of(site)
    parts = settings.lane_rule_for(shown_of(whole)).parts if settings.is_any_split else 1
    return [road.lane_of(site, part) for part in range(parts)] if parts > 1 else [whole]


def part_for(identity: bytes, parts: int) -> int:
    """The part of a lane that an envelope is in. Those of one message go together: hosts get them in one transaction.

    The script ``reroute`` reckons the same.
    """
    return int.from_bytes(message_of(identity)[-PART_OCTETS:]) % parts


def lane_for(settings: Settings, road: Road, site: str, identity: bytes) -> str:
    """The lane of an envelope that takes a road to a site."""
    lanes = lanes_of(settings, road, site)
    return lanes[part_for(identity, len(lanes))]


def roads_in(settings: Settings) -> dict[str, Road]:
    """The roads that routes name beside the usual one, by their digests."""
    return {rule.road.digest: rule.road for rule in settings.route if not rule.road.is_usual}


def _has_happened(rule: RouteRule, record: Record, reason: str | None, *, is_charged: bool) -> bool:
    if record.charged + (reason is not None and is_charged) < rule.after_attempts:
        return False
    wanted = rule.after_reason
    return wanted is None or wanted == reason or any(one.reason == wanted for one in record.envelope.attempts)


def _is_gated(settings: Settings, record: Record) -> bool:
    envelope = record.envelope
    return closes_to(settings.gate, envelope.recipient, past_gate=envelope.past_gate)


@lru_cache(maxsize=4096)
def _choice(name: str, rule: RouteRule) -> Choice:
    return Choice(rule.road, name, rule.after_reason)
