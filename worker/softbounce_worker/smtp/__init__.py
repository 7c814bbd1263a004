"""The SMTP client engine: RFC 5321 without I/O. Start at :class:`Engine`; ``state.py`` tells what is legal when."""

from __future__ import annotations

from softbounce_worker.smtp.commands import (
    Auth,
    AuthResponse,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from softbounce_worker.smtp.content import LONE_DOT, stuff, unstuff
from softbounce_worker.smtp.engine import Engine
from softbounce_worker.smtp.events import Answer, Broken, Event, Lost
from softbounce_worker.smtp.extensions import Extensions, TransactionLimits
from softbounce_worker.smtp.limits import Limits
from softbounce_worker.smtp.state import SmtpState

__all__ = [
    "LONE_DOT",
    "Answer",
    "Auth",
    "AuthResponse",
    "Broken",
    "Chunk",
    "Command",
    "Content",
    "Data",
    "Ehlo",
    "Engine",
    "Event",
    "Extensions",
    "Helo",
    "Limits",
    "Lost",
    "Mail",
    "Quit",
    "Rcpt",
    "Rset",
    "SmtpState",
    "StartTls",
    "TransactionLimits",
    "stuff",
    "unstuff",
]
