"""How much memory the embedded store may take: what the configuration says, or a share of what there is.

Without a limit of its own a store never says that it is full: the kernel kills it instead, again and again. What
there is is the smallest of the limits that bind us: of every control group from ours upwards (version 1 and 2), of this
process, and the machine's memory. Of that our other processes get theirs first. The rest is the store's but for two
fifths: while it rewrites its log it is there twice, as far as it changes meanwhile.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from softbounce_config import Config

__all__ = ["Room", "in_words", "memory_room", "store_octets"]

SHARE = 0.6
LEAST_SHARE = 0.25
"""Of what there is, however much our other processes may need: they seldom need it at once."""
PROCESS_OCTETS = 64 * 1024 * 1024
"""Of one of our other processes at rest."""
NO_LIMIT = 1 << 60
"""Nobody has as much; a control group of version 1 without a limit says more."""
ROOT = Path("/")


class Room(NamedTuple):
    """How much memory there is, in octets, and who says so."""

    octets: int
    whose: str


def store_octets(config: Config, *, workers: int, others: int, room: Room | None = None) -> int:
    """What the embedded store may take; 0: no limit.

    :param workers: how many worker processes run beside it, each with its bodies, and *others* without.
    :param room: what there is; ``None``: find out.
    """
    wanted = config.store.maxmemory
    if wanted != "auto":
        return wanted
    there = (room or memory_room()).octets
    reserve = (workers + others) * PROCESS_OCTETS + workers * config.worker.bodies
    return round(max((there - reserve) * SHARE, there * LEAST_SHARE))


def memory_room(root: Path = ROOT) -> Room:
    """How much memory there is for this process and those beside it.

    :param root: where ``proc`` and ``sys`` are.
    """
    rooms = [_machine(root)]
    rooms += [Room(octets, "of this control group") for octets in _group_limits(root)]
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            rooms.append(Room(soft, "that this process may have (ulimit)"))
    return min((room for room in rooms if 0 < room.octets < NO_LIMIT), key=lambda room: room.octets)


def in_words(octets: int) -> str:
    """So many octets, for people."""
    size, unit = float(octets), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":  # noqa: PLR2004 - by the units' own meaning
            break
        size /= 1024
    return f"{size:.1f}".removesuffix(".0") + f" {unit}"


def _machine(root: Path) -> Room:
    for line in _lines(root / "proc/meminfo"):
        name, _, rest = line.partition(":")
        if name == "MemTotal" and rest.split()[:1] and rest.split()[0].isdecimal():
            return Room(int(rest.split()[0]) * 1024, "of this machine")
    return Room(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "of this machine")


def _group_limits(root: Path) -> Iterator[int]:
    """The limits of our control group and of all above it, as far as they are seen from here."""
    for folder in _groups(root):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            yield from _numbers(_lines(folder / name))
        # Of version 1: the smallest of all above, also of those that a container does not see.
        told = [line.split() for line in _lines(folder / "memory.stat")]
        yield from _numbers(words[1] for words in told if words[:1] == ["hierarchical_memory_limit"] and words[1:])


def _groups(root: Path) -> Iterator[Path]:
    """The folders of our memory control groups, from ours upwards."""
    ours = dict(_our_groups(root))
    for is_v2, mount, top in _mounts(root):
        path = ours.get(is_v2)
        if path is None:
            continue
        inside = path.relative_to(top) if path.is_relative_to(top) else path.relative_to("/")
        if ".." in inside.parts:  # ours is outside of what is mounted here
            inside = PurePosixPath()
        folder = root / mount.relative_to("/")
        for steps in range(len(inside.parts), -1, -1):
            yield folder.joinpath(*inside.parts[:steps])


def _our_groups(root: Path) -> Iterator[tuple[bool, PurePosixPath]]:
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path.startswith("/") and ("memory" in controllers.split(",") or (number, controllers) == ("0", "")):
            yield number == "0", PurePosixPath(path)


def _mounts(root: Path) -> Iterator[tuple[bool, PurePosixPath, PurePosixPath]]:
    """Where control groups are mounted: whether of version 2, at which folder, and which group is at the top there."""
    for line in _lines(root / "proc/self/mountinfo"):
        about, _, kind = line.partition(" - ")
        words, what = about.split(), kind.split()
        if len(words) < 5 or len(what) < 3 or not words[3].startswith("/"):  # noqa: PLR2004 - see proc(5)
            continue
        is_v2 = what[0] == "cgroup2"
        if is_v2 or (what[0] == "cgroup" and "memory" in what[2].split(",")):
            yield is_v2, PurePosixPath(_unescaped(words[4])), PurePosixPath(_unescaped(words[3]))


def _unescaped(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _numbers(words: Iterator[str] | list[str]) -> Iterator[int]:
    yield from (int(word) for word in words if word.isascii() and word.isdecimal())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
