"""All checks, in the order in which their lines are shown: first what others depend on."""

from __future__ import annotations

from collections.abc import Mapping

from softbounce_gateway.doctor import (
    alerts,
    blocklists,
    certificates,
    clock,
    look_ups,
    own_name,
    resolver,
    sender_domains,
    store,
    tls_here,
    way_out,
)
from softbounce_gateway.doctor.examination import Check
from softbounce_gateway.doctor.gate import check as check_gate
from softbounce_gateway.doctor.machine import check_disk, check_files

__all__ = ["CHECKS", "STANDING"]

CHECKS: Mapping[str, Check] = {
    "dns": resolver.check,
    "look-ups": look_ups.check,
    "name": own_name.check,
    "out": way_out.check,
    "senders": sender_domains.check,
    "lists": blocklists.check,
    "gate": check_gate,
    "certificates": certificates.check,
    "tls": tls_here.check,
    "clock": clock.check,
    "store": store.check,
    "files": check_files,
    "disk": check_disk,
    "alerts": alerts.check,
}
STANDING: Mapping[str, Check] = {name: check for name, check in CHECKS.items() if name not in {"out", "tls"}}
"""Those that are looked at time and again: nobody's mail host is called for them, and no playground started."""
