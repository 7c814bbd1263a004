"""What schemathesis has to be told: how a message's octets are a body."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("message/rfc822")
def as_octets(ctx: Any, value: Any) -> bytes:  # noqa: ANN401, ARG001 - what it hands over
    """As they are; what is no text is none of a message either."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
