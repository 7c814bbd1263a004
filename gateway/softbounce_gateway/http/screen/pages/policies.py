"""*Policies*: each schedule drawn, with the moment of promotion; and a draft beside the policy that it would change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Response
from pydantic import ValidationError

from softbounce.errors import InvalidArgument
from softbounce.plan import Plan, plan, without_jitter
from softbounce.settings import Policy, Settings
from softbounce_gateway.http.screen.drawing import Drawing, timeline
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page"]

SHOWN = 40
LISTED = 60
DRAFT = ("window", "first", "factor", "cap", "delays", "max_attempts")


class DraftQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A draft: what it is based on, and what is otherwise in it."""

    base: str | None = None
    window: str | None = None
    first: str | None = None
    factor: str | None = None
    cap: str | None = None
    delays: str | None = None
    max_attempts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A policy on paper.

    :ivar wrong: why it has no plan here: a wait strategy of the operator's own, that this process has not.
    """

    policy: Policy
    plan: Plan | None
    drawing: Drawing | None
    wrong: str = ""


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/policies``."""
    asked = visit.query(DraftQuery)
    settings = await visit.house.client.settings()
    base = settings.policies.get(asked.base or "default") or next(iter(settings.policies.values()), None)
    draft = _draft(asked, base) if base is not None else None
    async with visit.house.walks:
        drawn, compared = await asyncio.to_thread(_draw, settings, base, draft)
    command = ("softbounce", "plan", "--published")
    return visit.page(
        "policies.html",
        title="Policies",
        command=command,
        drawn=drawn,
        compared=compared,
        names=list(settings.policies)[:SHOWN],
        more=max(len(settings.policies) - SHOWN, 0),
        assign=settings.assign,
        asked=asked,
        listed=LISTED,
        version=settings.version,
    )


def _draw(settings: Settings, base: Policy | None, draft: Policy | None) -> tuple[list[Drawn], list[Drawn]]:
    drawn = [_drawn(one, one.window) for one in list(settings.policies.values())[:SHOWN]]
    if base is None or draft is None:
        return drawn, []
    longest = max(base.window, draft.window)
    return drawn, [_drawn(base, longest), _drawn(draft, longest)]


@lru_cache(maxsize=4 * SHOWN)
def _drawn(policy: Policy, longest: timedelta) -> Drawn:
    try:
        made = plan(without_jitter(policy))
    except Exception as error:  # noqa: BLE001 - a strategy of the operator's own
        return Drawn(policy=policy, plan=None, drawing=None, wrong=f"{type(error).__name__}: {error}"[:300])
    return Drawn(policy=policy, plan=made, drawing=timeline(made, max(longest, made.promoted_at)))


def _draft(asked: DraftQuery, base: Policy) -> Policy | None:
    """The policy that was written into the form, checked as a file's is.

    :raises InvalidArgument: naming what cannot be so.
    """
    from softbounce_config.rules import PolicySection  # noqa: PLC0415 - pydantic takes its time

    given: dict[str, Any] = {name: value for name in DRAFT if (value := getattr(asked, name)) is not None}
    if not given:
        return None
    if "delays" in given:
        given["delays"] = [one.strip() for one in given["delays"].split(",") if one.strip()]
    elif {"first", "factor", "cap"} & set(given):
        given["delays"] = []
    try:
        checked = PolicySection.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"][:1]) or "draft"
        raise InvalidArgument(where, str(first["msg"])) from None
    changed = {name: getattr(checked, name) for name in given}
    return msgspec.structs.replace(base, name=f"a draft of {base.name}", wait="", **changed)
