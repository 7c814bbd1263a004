"""The log lines of every process of the service, its libraries' included: JSON, to stderr.

A disk that is full, or a reader that is gone, costs lines and nothing else: no work ends for want of words.
Here because scheduler and worker never import each other, and this is the room below both.
"""

from __future__ import annotations

import logging
import os
import sys

import structlog

__all__ = ["log_json_lines"]

LOG_LEVEL = "SOFTBOUNCE_LOG"


class Lines:
    """Writes lines to an open file; those that cannot be written are counted, and the next that can says how many."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._dropped = 0

    def write(self, line: str) -> None:
        """Write a line, or drop it."""
        octets = f"{line}\n".encode(errors="backslashreplace")
        if self._dropped:
            octets = b'\n{"event": "log_lines_dropped", "level": "error", "lines": %d}\n' % self._dropped + octets
        try:
            is_written = os.write(self._file, octets) == len(octets)
        except OSError:
            is_written = False
        self._dropped = 0 if is_written else self._dropped + 1

    debug = info = warning = error = critical = log = write


class Forwarding(logging.Handler):
    """Gives what libraries log (dramatiq, asyncio) the form of our own lines: one line, the error without its trace."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it once more, as ours."""
        error = record.exc_info[1] if record.exc_info else None
        more = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), **more)


def log_json_lines() -> None:
    """Log JSON lines to stderr, from the level that ``SOFTBOUNCE_LOG`` names (default: info)."""
    lines = Lines(sys.stderr.fileno())
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
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
