"""Runs the checks side by side, each for so long and no longer: one that hangs, or fails itself, stops no other.

A check that does not come back is left behind in a thread of its own, which does not keep the program from ending:
nothing else ends a look at a disk that does not answer. What it found until then counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from time import monotonic

from softbounce_gateway.doctor.finding import Finding, State, printable, unknown
from softbounce_gateway.doctor.patient import Patient

__all__ = ["Check", "examine"]

Check = Callable[[Patient], Iterable[Finding]]
MOST_FINDINGS = 60
"""Of one check."""


class Running:
    """One check at work."""

    def __init__(self, name: str, check: Check, patient: Patient) -> None:
        self._name = name
        self._check = check
        self._patient = patient
        self._found: list[Finding] = []
        self._thread = threading.Thread(target=self._run, name=f"doctor: {name}", daemon=True)
        self._thread.start()

    def findings(self, until: float, seconds: float) -> list[Finding]:
        """What it found, at the latest then (monotonic seconds)."""
        self._thread.join(max(0.0, until - monotonic()))
        found = list(self._found)
        if self._thread.is_alive():
            mend = "look whether what it asks hangs: a disk, a name server, the store; or give it longer: --timeout"
            found.append(unknown(self._name, f"no end within {seconds:g} s", mend))
        return [replace(one, check=self._name) for one in found]

    def _run(self) -> None:
        try:
            for finding in self._check(self._patient):
                if len(self._found) == MOST_FINDINGS:
                    break
                self._found.append(finding)
        except Exception as error:  # noqa: BLE001 - one check; the others tell what they found all the same
            words = printable(f"{type(error).__name__}: {error}")
            mend = "that is a fault of softbounce's own: report it"
            self._found.append(Finding(what=self._name, state=State.UNKNOWN, found=f"it failed: {words}", mend=mend))


def examine(checks: Mapping[str, Check], patient: Patient, seconds: float) -> list[Finding]:
    """All that the checks found, in their order.

    :param seconds: for all of them together, for they run side by side.
    """
    until = monotonic() + seconds
    running = [Running(name, check, patient) for name, check in checks.items()]
    return [finding for one in running for finding in one.findings(until, seconds)]
