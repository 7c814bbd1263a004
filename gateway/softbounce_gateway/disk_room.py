"""Whether the disk of the embedded store has room: full, the store takes nothing, and cannot always say so itself."""

from __future__ import annotations

import os

from softbounce_config import Config

from softbounce.client import Finding

__all__ = ["disk_trouble"]

LEAST_FREE = 16 * 2**20
"""With less there is no room for one more rewrite of even a small log."""


def disk_trouble(config: Config) -> Finding | None:
    """What is wrong with it; ``None``: nothing, or the store is another machine's."""
    if not config.is_embedded:
        return None
    try:
        free = os.statvfs(config.data_dir)
    except OSError:  # there is no store yet
        return None
    octets = free.f_bavail * free.f_frsize
    if octets >= LEAST_FREE:
        return None
    return Finding(
        kind="disk",
        scope="store",
        level="bad",
        what=f"The store's disk is full: {octets >> 20} MiB are free",
        why=f"The store's log in {config.data_dir} cannot be written. New mail is refused; what was accepted is kept.",
        next="With room again all goes on by itself.",
        command=("df", "-h", str(config.data_dir)),
        act="free some space there; softbounce doctor says whether that was enough",
        place="/ui/health",
    )
