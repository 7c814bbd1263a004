"""Which file an ``up`` with a store of its own goes by, and what of it comes and goes with a reload.

It stands in the lock of the data folder, so that ``softbounce config reload`` on the same machine finds out whether the
running service tells others than the file names now, and asks it to follow. Whom to tell stands in no store: addresses
and where secrets are belong to the machine.
"""

from __future__ import annotations

import fcntl
import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from softbounce_gateway.up.told_tables import alerts_of, webhooks_of

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["RunningUp", "as_noted", "digest_of", "running_up"]

NOTED = ("file", "told")
MOST_OCTETS = 16_384


class RunningUp(NamedTuple):
    """An ``up`` that runs on a data folder.

    :ivar file: its configuration; ``None``: it has none, or its version does not say.
    :ivar told: the digest of the tables by which it tells; empty: it tells nobody, for it has not the role.
    """

    pid: int
    file: Path | None
    told: str


def digest_of(config: Config) -> str:
    """One word for whom a configuration names to be told; another one where anything of it is another."""
    tables = [*webhooks_of(config), "", *alerts_of(config)]
    return blake2b(repr(tables).encode(), digest_size=16).hexdigest()


def as_noted(file: Path | None, told: str) -> dict[str, str]:
    """What is written into the lock, each a word."""
    return {"file": "-" if file is None else quote(str(file)), "told": told or "-"}


def running_up(folder: Path) -> RunningUp | None:
    """The ``up`` that has this data folder now; ``None``: none has, or it cannot be told which one that is."""
    path = folder / "lock"
    try:
        with path.open("rb") as lock:
            if not _is_held(lock.fileno()):
                return None
            words = lock.read(MOST_OCTETS).decode(errors="replace").split()
    except OSError:
        return None
    lines = dict(zip(words[::2], words[1::2], strict=False))
    pid = lines.get("up", "")
    if not (pid.isdecimal() and len(pid) < 10 and _is_ours(int(pid))):  # noqa: PLR2004 - no pid is longer
        return None
    file, told = (lines.get(name, "-") for name in NOTED)
    return RunningUp(int(pid), None if file == "-" else Path(unquote(file)), "" if told == "-" else told)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_ours(pid: int) -> bool:
    """Whether that is a program of ours: an ``up`` that was killed leaves its pid to anybody."""
    try:
        return b"softbounce" in Path(f"/proc/{pid}/cmdline").read_bytes() and pid != os.getpid()
    except OSError:
        return False
