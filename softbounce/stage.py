"""Where in an attempt something happened: the stages of a delivery, in their order.

``route`` is ours (names and addresses); the rest is RFC 5321 §3 and RFC 3207. A stage names the step that was under
way: a reply at stage ``mail`` answers MAIL, one at ``end_of_data`` answers the final dot.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Stage"]


class Stage(StrEnum):
    """A step of an attempt."""

    ROUTE = "route"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"
