"""Where mail for a domain goes: MX look-ups, the address policy, and sites."""

from __future__ import annotations

from softbounce_worker.route.address_policy import AddressPolicy
from softbounce_worker.route.mail_hosts import Host, Listed, Route
from softbounce_worker.route.router import Router, RouteSettings

__all__ = ["AddressPolicy", "Host", "Listed", "Route", "RouteSettings", "Router"]
