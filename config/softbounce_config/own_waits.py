"""Which strategies of the user's own (``wait = "package.module:strategy"``) this process's configuration names.

Settings come from the store, and who may write there must not choose what a process imports. So a name that they bring
counts only where the file or the environment that this process was started with says the same, as they are now: a
``config reload`` needs no restart. The file is read again only when it changed and a name is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from softbounce.errors import ConfigError
from softbounce_config.sources import find_file, load

__all__ = ["OwnWaits"]


class OwnWaits:
    """The names, as a container that is asked for one.

    :param path: the configuration's file, as it was given; it need not be right any more.
    :param known: the names that it had when it was read at start.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], known: frozenset[str]) -> None:
        self._path = path
        self._environ = dict(environ)
        self._known = known
        self._seen = self._signature()

    def __contains__(self, wait: object) -> bool:
        if wait not in self._known and self._signature() != self._seen:
            self._seen = self._signature()
            try:
                self._known = load(self._path, environ=self._environ).settings().waits
            except ConfigError:
                return False  # who reads the file to publish it says what is wrong with it
        return wait in self._known

    def _signature(self) -> tuple[int, int, int] | None:
        file = find_file(self._path)
        try:
            state = None if file is None else file.stat()
        except OSError:
            return None
        return state and (state.st_ino, state.st_mtime_ns, state.st_size)
