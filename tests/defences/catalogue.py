"""Reads the list of defences, copies the tree, and takes one away in the copy. Runs nothing."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

__all__ = ["LIST", "PACKAGES", "Defence", "Stale", "copy_tree", "put_instead", "read_list", "take_away"]

LIST = Path(__file__).with_name("defences.toml")
PACKAGES = ("", "worker", "scheduler", "config", "gateway", "playground")
"""The folders from which the packages are imported."""
COPIED = ("softbounce", "worker", "scheduler", "config", "gateway", "playground", "tests", "pyproject.toml")


class Stale(Exception):
    """An entry of the list does not fit the code any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One entry of the list; its head says what each field means."""

    name: str
    says: str
    file: str
    lines: str
    instead: str
    test: str


def read_list(path: Path = LIST) -> list[Defence]:
    """All entries.

    :raises Stale: one has not the fields that it should have, or a name comes twice.
    """
    names = {field.name for field in fields(Defence)}
    defences = []
    for entry in tomllib.loads(path.read_text())["defence"]:
        if set(entry) != names:
            raise Stale(f"{entry.get('name', entry)!r} has other fields than {sorted(names)}")
        defences.append(Defence(**entry))
    if len({one.name for one in defences}) < len(defences):
        raise Stale("a name comes twice")
    return defences


def copy_tree(root: Path, to: Path) -> None:
    """Copy what tests need, without anything compiled."""
    to.mkdir()
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", ".*", "var"))
        else:
            shutil.copy2(source, to / name)


def take_away(defences: Iterable[Defence], tree: Path) -> None:
    """Put other lines in the place of each defence's.

    :raises Stale: a file has its lines not exactly once.
    """
    for one in defences:
        put_instead(tree / one.file, one.lines, one.instead, name=one.name)


def put_instead(path: Path, lines: str, instead: str, *, name: str) -> None:
    """Put other lines in the place of some that are in a file exactly once.

    :raises Stale: they are not.
    """
    text = path.read_text() if path.exists() else ""
    found = text.count(lines)
    if found != 1:
        raise Stale(f"{path.name} has the lines of {name!r} {found} times")
    mode = path.stat().st_mode
    path.unlink()  # other trees may have the same file
    path.write_text(text.replace(lines, instead))
    path.chmod(mode)
