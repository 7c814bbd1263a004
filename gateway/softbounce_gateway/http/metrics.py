"""``GET /metrics``: what Prometheus scrapes, in its own format or as OpenMetrics."""

from __future__ import annotations

from typing import Any

from litestar import Response
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from softbounce_gateway.http.house import HEADERS, Call
from softbounce_gateway.metrics.families import registry

__all__ = ["metrics"]

OPENMETRICS = "application/openmetrics-text"
PLAIN = "text/plain; version=0.0.4"
"""The framework adds the charset to it. With two of them the type is malformed, and a strict reader takes no scrape."""


async def metrics(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /metrics``. 200 also while the store is away: `softbounce_store_up` says so then, and nothing else."""
    made = registry(await call.house.metrics.now())
    # The library's own choice of a format repeats in its answer what the client said, and fails for odd versions.
    if OPENMETRICS in call.request.headers.get("accept", "").lower():
        text = openmetrics.generate_latest(made)  # type: ignore[no-untyped-call]
        return Response(text, media_type=openmetrics.CONTENT_TYPE_LATEST, headers=HEADERS)
    return Response(generate_latest(made), media_type=PLAIN, headers=HEADERS)
