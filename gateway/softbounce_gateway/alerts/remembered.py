"""Which ``[[alert]]`` tables this machine told by, and how: kept in its data folder for when a table is taken away.

Who was told that trouble began has to hear its end, also where the file no longer says by which way. The store has what
was told, and not how: a program that is run, or an address, is never taken from there. So this is a file of our own
user's, which nobody else may write; the secret of a webhook is not in it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from softbounce_config.alerts import MOST_ALERTS, AlertSection

from softbounce.private_files import open_private

__all__ = ["MOST_REMEMBERED", "is_any_removed", "recall", "remember"]

FILE = "alerts.json"
MOST_REMEMBERED = 3 * MOST_ALERTS
MOST_OCTETS = 4 * 1024 * 1024
WAY = ("name", "to", "sent_from", "stream", "command", "webhook", "most_an_hour")
"""What a goodbye takes of a table."""
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
log = structlog.get_logger("softbounce.alerts")


def is_any_removed(folder: Path, tables: Iterable[AlertSection]) -> bool:
    """Whether some table told by from here that a configuration does not have."""
    return bool({one.name for one in _read(folder / FILE)[0]} - {one.name for one in tables})


def recall(folder: Path) -> Sequence[AlertSection]:
    """The tables that were noted; none where the file is another's, or cannot be read, which the log says."""
    tables, why = _read(folder / FILE)
    if why:
        log.warning("alerts_not_remembered", file=str(folder / FILE), why=why)
    return tables


def _read(path: Path) -> tuple[Sequence[AlertSection], str]:
    """The tables, or why there are none that count."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or facts.st_mode & OTHERS_WRITE or not stat.S_ISREG(facts.st_mode):
                return (), "others may write it, or it is not ours"
            octets = file.read(MOST_OCTETS)
    except FileNotFoundError:
        return (), ""
    except OSError as error:
        return (), error.strerror or str(error)
    try:
        return tuple(AlertSection.model_validate(one) for one in json.loads(octets)[:MOST_REMEMBERED]), ""
    except (ValueError, TypeError, KeyError, RecursionError):  # pydantic's is a ValueError
        return (), "it cannot be read"


def remember(folder: Path, tables: Sequence[AlertSection]) -> None:
    """Note these in place of those before; none: no file. Where it cannot be written the log says so."""
    path = folder / FILE
    kept = [
        {name: value for name in WAY if (value := getattr(one, name))} for one in tables[:MOST_REMEMBERED]
    ]  # fmt: skip
    try:
        if not kept:
            path.unlink(missing_ok=True)
            return
        new = path.with_suffix(".new")
        with os.fdopen(open_private(new, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        log.warning("alerts_not_remembered", file=str(path), why=error.strerror)
