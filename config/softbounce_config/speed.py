"""Time that passes faster: for who tries things out, and would not wait for days to see a promotion.

Divided is what a policy, a rule for replies or a lane says; what a send says of its own times is divided when it is
accepted (:mod:`softbounce.client.send.packing`). Not divided is what others say or do: waits that a reply states, the
hours for which a refused sender is parked, timeouts of sessions, DNS.
"""

from __future__ import annotations

from datetime import timedelta

from softbounce.duration import MILLISECOND, floor_to_ms
from softbounce.settings import GREYLIST_DELAYS, SHORTEST_WINDOW
from softbounce_config.config import Config
from softbounce_config.rules import LaneSection, PolicySection, ReplySection

__all__ = ["sped_up"]

SHORTEST_CLOSE = timedelta(milliseconds=100)
"""More often a host that is away need not be dialled, however short days are."""
OWN_WAITS = frozenset({"first", "factor", "cap", "delays", "wait"})


def sped_up(config: Config, speed: float) -> Config:
    """The same configuration, so many times as fast."""
    lanes = [*config.lane]
    if all(lane.site != "*" for lane in lanes):
        lanes.append(LaneSection())
    return config.model_copy(
        update={
            "policy": {name: _policy(policy, speed) for name, policy in config.policy.items()},
            "reply": tuple(_reply(rule, speed) for rule in config.reply),
            "lane": tuple(_lane(lane, speed) for lane in lanes),
        }
    )


def _policy(policy: PolicySection, speed: float) -> PolicySection:
    # Where a policy has waits of its own they count for greylisting too, and that is told by their being there.
    greylist = policy.greylist
    if greylist is None and not OWN_WAITS & policy.model_fields_set:
        greylist = GREYLIST_DELAYS
    speed = _within(policy.window, speed)
    return policy.model_copy(
        update={
            "window": _faster(policy.window, speed),
            "first": _faster(policy.first, speed),
            "cap": _faster(policy.cap, speed),
            "delays": tuple(_faster(one, speed) for one in policy.delays),
            "warn_after": _faster(policy.warn_after, speed) if policy.warn_after else policy.warn_after,
            "greylist": None if greylist is None else tuple(_faster(one, speed) for one in greylist),
        }
    )


def _reply(rule: ReplySection, speed: float) -> ReplySection:
    window = None if rule.window is None else _faster(rule.window, _within(rule.window, speed))
    return rule.model_copy(update={"delays": tuple(_faster(one, speed) for one in rule.delays), "window": window})


def _lane(lane: LaneSection, speed: float) -> LaneSection:
    closes = {name: max(SHORTEST_CLOSE, _faster(getattr(lane, name), speed)) for name in ("close_first", "close_cap")}
    return lane.model_copy(update={**closes, "greylist": _faster(lane.greylist, speed)})


def _within(window: timedelta, speed: float) -> float:
    """As fast as a policy can pass whose window keeps :data:`SHORTEST_WINDOW`: mail has to have a chance within it."""
    return max(1.0, min(speed, window / SHORTEST_WINDOW))


def _faster(duration: timedelta, speed: float) -> timedelta:
    return max(MILLISECOND, floor_to_ms(duration / speed))
