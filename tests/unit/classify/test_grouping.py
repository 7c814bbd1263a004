"""Whether a refusal may be about how commands were sent."""

from __future__ import annotations

import pytest

from softbounce.classify import parse_reply_text
from softbounce.classify.grouping import may_blame_grouping


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500 5.5.1 command unrecognized", True),
        ("501 syntax error", True),
        ("502 5.5.2 no", True),
        ("503 bad sequence of commands", True),
        ("503 5.5.1 bad sequence", True),
        ("504 not implemented", True),
        ("554 5.5.0 no", True),
        ("554 5.5.1 error: no valid recipients", True),
        ("421 4.7.0 synchronization error: pipelining not allowed", True),
        ("550 pipelining is forbidden here", True),
        ("501 5.1.3 bad recipient address syntax", False),
        ("503 5.7.1 authenticate first", False),
        ("554 no", False),
        ("554 5.7.1 no", False),
        ("550 5.5.0 no such user", False),
        ("550 no", False),
        ("450 4.2.1 later", False),
        ("250 pipelining", False),
        ("354 5.5.1 go on", False),
        ("220 pipelining", False),
    ],
)
def test_a_refusal_may_be_about_the_order_of_commands(text: str, expected: bool) -> None:
    """By the codes for commands, as far as their enhanced status speaks of no address or policy; and by the word."""
    assert may_blame_grouping(parse_reply_text(text)) is expected
