"""``softbounce doctor``: what would keep mail from arriving, found before it does. Each check has a file of its own."""

from __future__ import annotations

from softbounce_gateway.doctor.examination import examine
from softbounce_gateway.doctor.finding import Finding, State
from softbounce_gateway.doctor.patient import Patient

__all__ = ["Finding", "Patient", "State", "examine"]
