"""What the last looks of the service's machines found: as ``softbounce doctor`` says it, and since when it is so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from softbounce.client.flow import Flow, repeat
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms
from softbounce.store.health import read_checkups

__all__ = ["HealthFinding", "MachineHealth", "read_health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFinding:
    """One thing that was looked at.

    :ivar state: ``ok``, ``warn``, ``fail``, or ``unknown``: it could not be looked at.
    :ivar known: the latest state that is not unknown; empty: there was none yet.
    :ivar since: since when that is so.
    """

    check: str
    what: str
    state: str
    found: str
    mend: str
    known: str
    since: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "check": self.check,
            "what": self.what,
            "state": self.state,
            "found": self.found,
            "mend": self.mend,
            "known": self.known,
            "since": rfc3339(self.since) if self.since else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineHealth:
    """What the last look of a machine found.

    :ivar at: when; ``None``: its first look is under way.
    """

    machine: str
    at: datetime | None
    findings: tuple[HealthFinding, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "machine": self.machine,
            "at": rfc3339(self.at) if self.at else None,
            "findings": [one.to_dict() for one in self.findings],
        }


def read_health() -> Flow[list[MachineHealth]]:
    """Of all machines, by their names."""
    found = yield from repeat(read_checkups())
    return [
        MachineHealth(
            machine=name,
            at=_instant(checkup.at_ms),
            findings=tuple(
                HealthFinding(
                    check=one.check,
                    what=one.what,
                    state=one.state,
                    found=one.found,
                    mend=one.mend,
                    known=one.known,
                    since=_instant(one.since_ms),
                )
                for one in checkup.findings
            ),
        )
        for name, checkup in sorted(found.items())
    ]


def _instant(at_ms: int) -> datetime | None:
    return from_epoch_ms(at_ms) if at_ms else None
