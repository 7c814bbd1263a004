"""*Health*: what would keep mail from arriving, as the last look of each machine found, and ``doctor --last`` says.

Looks are kept in the store. Where there is none yet, or somebody wants one, this machine is looked at now, and that is
kept. Where the store is away what this process finds by itself is shown, and kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from litestar import Response

from softbounce.client.health import HealthFinding, MachineHealth
from softbounce.errors import StoreError
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.remembered import Remembered
from softbounce_gateway.http.screen.visit import Visit

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["again", "page"]

FRESH_SECONDS = 900.0
EXAMINED_FOR = 20.0
EACH = EXAMINED_FOR / 3
PATIENCE = 0.05
WORST_FIRST = ("fail", "warn", "unknown", "ok")
WORDS = {"fail": "failed", "warn": "to look at", "unknown": "could not be looked at", "ok": "ok"}
OLD_AFTER = timedelta(hours=1)
_here: Remembered[MachineHealth | None] = Remembered(FRESH_SECONDS)


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/health``."""
    visit.query(Nothing)
    config = visit.house.config
    away = ""
    try:
        machines: Sequence[MachineHealth] = [one for one in await visit.house.client.health() if one.at is not None]
    except StoreError as error:
        machines, away = [], str(error)
    found = _here.known() if machines else await _here.get(lambda: _look(config), patience=PATIENCE)
    if not (machines or away or found.is_looking):  # it ended, and was kept, since the store was asked
        machines = [one for one in await visit.house.client.health() if one.at is not None]
    if away and found.value is not None:
        machines = [found.value]
    now = datetime.now(UTC)
    return visit.page(
        "health.html",
        title="Health",
        command=("softbounce", "doctor", *(() if away else ("--last",))),
        found=found,
        away=away,
        every=config.health.every,
        machines=[
            {
                "name": one.machine,
                "at": one.at,
                "is_old": one.at is not None and now - one.at > max(OLD_AFTER, 3 * config.health.every),
                "counts": _counts(one.findings),
                "findings": sorted(one.findings, key=_how_bad),
            }
            for one in machines
        ],
    )


async def again(visit: Visit) -> Response[Any]:
    """``POST /ui/health``: look at this machine anew, now."""
    await visit.form()
    await _here.get(lambda: _look(visit.house.config), patience=0, anew=True)
    return visit.to("/ui/health")


def _how_bad(one: HealthFinding) -> int:
    """What is known of it counts where it could not be looked at."""
    states = {one.state, one.known or one.state}
    return min((number for number, state in enumerate(WORST_FIRST) if state in states), default=0)


def _counts(findings: Iterable[HealthFinding]) -> list[tuple[str, int, str]]:
    counts = Counter(one.state for one in findings)
    return [(word, counts[state], state) for state, word in WORDS.items() if counts[state]]


async def _look(config: Config) -> MachineHealth | None:
    return await asyncio.to_thread(_examine, config)


def _examine(config: Config) -> MachineHealth | None:
    """Look, and keep it; what was found, where that cannot be kept."""
    from softbounce_config.identity import host_label  # noqa: PLC0415 - dnspython, below, takes its time

    from softbounce_gateway.checkups.looking import look  # noqa: PLC0415
    from softbounce_gateway.doctor import Patient, examine  # noqa: PLC0415
    from softbounce_gateway.doctor.checks import STANDING  # noqa: PLC0415

    try:
        look(config, seconds=EXAMINED_FOR, is_asked=True)
    except StoreError:
        found = examine(STANDING, Patient(config=config, seconds=round(EACH, 1)), EXAMINED_FOR)
        findings = tuple(HealthFinding(**one.to_dict(), known="", since=None) for one in found)
        return MachineHealth(machine=host_label(), at=datetime.now(UTC), findings=findings)
    return None
