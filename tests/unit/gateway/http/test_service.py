"""What a proxy before the HTTP interface may count on."""

from __future__ import annotations

from softbounce_gateway.http.service import KEEP_ALIVE

PROXIES_KEEP = 60
"""Seconds for which nginx (keepalive_timeout of an upstream) and load balancers of clouds keep an idle connection."""


def test_issue14_a_connection_that_idles_is_kept_for_longer_than_proxies_do() -> None:
    """Who hangs up first does so into a request that is on its way, for which the proxy answers 502."""
    assert KEEP_ALIVE > PROXIES_KEEP
