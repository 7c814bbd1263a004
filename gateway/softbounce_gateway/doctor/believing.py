"""What is made of what name servers said when they turn out to invent answers, or to deny what is there: nothing.

One that lies would have a domain's records missing, or an address on every list: no fault of the domain or the address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from softbounce_gateway.doctor.finding import Finding, State
from softbounce_gateway.doctor.patient import Patient
from softbounce_gateway.doctor.resolver import tell_the_truth

__all__ = ["FROM_DNS", "doubted"]

FROM_DNS = frozenset({"name", "senders", "lists", "out"})
"""The checks whose answers are those of name servers."""


def doubted(findings: Sequence[Finding], patient: Patient) -> list[Finding]:
    """The same, but nothing is known of what only name servers told, where these cannot be believed."""
    if all(one.check not in FROM_DNS or one.state is State.UNKNOWN for one in findings) or tell_the_truth(patient):
        return list(findings)
    mend = "mend the name server first (the lines about it say how), then look again"
    return [
        replace(one, state=State.UNKNOWN, found=f"the name server cannot be believed; it says: {one.found}", mend=mend)
        if one.check in FROM_DNS and one.state is not State.UNKNOWN
        else one
        for one in findings
    ]
