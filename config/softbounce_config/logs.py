"""The log lines of every process of the service, its libraries' included: JSON, to stderr.

Here because scheduler and worker never import each other, and this is the room below both.
"""

from __future__ import annotations

import logging
import os
import sys

import structlog

__all__ = ["log_json_lines"]

LOG_LEVEL = "SOFTBOUNCE_LOG"


class Forwarding(logging.Handler):
    """Gives what libraries log (dramatiq, asyncio) the form of our own lines: one line, the error without its trace."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it once more, as ours."""
        error = record.exc_info[1] if record.exc_info else None
        more = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), **more)


def log_json_lines() -> None:
    """Log JSON lines to stderr, from the level that ``SOFTBOUNCE_LOG`` names (default: info)."""
    logging.basicConfig(handlers=[Forwarding()], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(os.environ.get(LOG_LEVEL, "info")),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
