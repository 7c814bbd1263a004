"""The file in the data folder that remembers how far the store was seen: a store restored from a backup goes less far.

It is written anew and renamed into its place, and says which file it is, and in which folder (their inodes): in a copy
of the folder, on another disk or put back from a backup, they are others. Nothing is decided here.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from softbounce_config.identity import host_label

from softbounce.private_files import open_private
from softbounce.store.store_history import HistoryMark

__all__ = ["HistoryFile"]

NAME = "witness"
LAYOUT = 1
LARGEST_OCTETS = 1_000_000


@dataclass(slots=True)
class HistoryFile:
    """The file of one data folder.

    :ivar is_copy: whether what was read is a copy of what was written.
    """

    folder: Path
    is_copy: bool = False

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / NAME

    def read(self, shards: int) -> HistoryMark | None:
        """How far the store was seen; ``None``: there is no file.

        :raises ValueError: it cannot be read, or is none of ours.
        """
        try:
            with self.path.open("rb") as file:
                inodes = self._inodes(file.fileno())
                written = json.loads(file.read(LARGEST_OCTETS))
            if written["layout"] != LAYOUT:
                raise ValueError(f"layout {written['layout']}, this softbounce knows {LAYOUT}")
            mark = HistoryMark(shards, str(written["store"]), [int(one) for one in written["seen_ms"]])
            self.is_copy = written["inodes"] != inodes
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError) as error:
            raise ValueError(repr(error)) from error
        return mark

    def write(self, mark: HistoryMark) -> None:
        """Put what is known into the file's place, on the disk.

        :raises OSError: it cannot be written.
        """
        new = self.path.with_name(f"{NAME}.{host_label()}.{os.getpid()}.new")  # containers share a folder
        descriptor = open_private(new, os.O_WRONLY | os.O_TRUNC)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                written = {
                    "layout": LAYOUT,
                    "store": mark.store,
                    "seen_ms": mark.seen_ms,
                    "inodes": self._inodes(file.fileno()),
                }
                json.dump(written, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise
        self.is_copy = False

    def _inodes(self, file: int) -> list[int]:
        return [self.folder.stat().st_ino, os.fstat(file).st_ino]
