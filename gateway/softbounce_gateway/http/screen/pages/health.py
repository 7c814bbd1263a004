"""*Health*: what would keep mail from arriving, as ``softbounce doctor`` finds it; a quarter of an hour old at most."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from litestar import Response

from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.remembered import Remembered
from softbounce_gateway.http.screen.visit import Visit

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce_gateway.doctor.finding import Finding

__all__ = ["again", "page"]

FRESH_SECONDS = 900.0
EXAMINED_FOR = 20.0
EACH = EXAMINED_FOR / 3
PATIENCE = 0.05
WORST_FIRST = ("fail", "warn", "unknown", "ok")
WORDS = {"fail": "failed", "warn": "to look at", "unknown": "could not be looked at", "ok": "ok"}
_known: Remembered[list[Finding]] = Remembered(FRESH_SECONDS)


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/health``."""
    visit.query(Nothing)
    found = await _known.get(lambda: _look(visit.house.config), patience=PATIENCE)
    findings = sorted(found.value or (), key=lambda one: WORST_FIRST.index(one.state))
    counts = Counter(str(one.state) for one in findings)
    return visit.page(
        "health.html",
        title="Health",
        command=("softbounce", "doctor"),
        found=found,
        findings=findings,
        counts=[(word, counts[state], state) for state, word in WORDS.items() if counts[state]],
    )


async def again(visit: Visit) -> Response[Any]:
    """``POST /ui/health``: look anew, now."""
    await visit.form()
    await _known.get(lambda: _look(visit.house.config), patience=0, anew=True)
    return visit.to("/ui/health")


async def _look(config: Config) -> list[Finding]:
    return await asyncio.to_thread(_examine, config)


def _examine(config: Config) -> list[Finding]:
    from softbounce_gateway.doctor import Patient, examine  # noqa: PLC0415 - dnspython takes its time
    from softbounce_gateway.doctor.checks import CHECKS  # noqa: PLC0415

    return examine(CHECKS, Patient(config=config, seconds=round(EACH, 1)), EXAMINED_FOR)
