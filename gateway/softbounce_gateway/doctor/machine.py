"""File limits, of this shell and of the workers that run here; and the disk: writable, with room, quick, and local."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic

from softbounce_config.identity import host_label

from softbounce.errors import StoreError
from softbounce.store.membership import leases
from softbounce.store.shards import Shards
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import PATIENCE, Patient

__all__ = ["check_disk", "check_files"]

BESIDE_SESSIONS = 200
"""Files that a worker has open beside its sessions."""
MOST_PROCESSES = 32
LEAST_FREE, LEAST_SHARE = 2**30, 0.1
LEAST_INODES = 0.05
SLOW_SYNC = 0.05
SYNCS = 5
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs"})
MOUNTS = Path("/proc/self/mounts")


def check_files(patient: Patient) -> Iterator[Finding]:
    """Whether so many sessions as are configured can be open."""
    needed = patient.config.worker.sessions + BESIDE_SESSIONS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _limit("open files here", hard, needed)
    try:
        for pid in _workers_here(patient):
            limit = _limit_of(pid)
            if limit is not None:
                yield _limit("open files of a worker", limit, needed, f" (process {pid})")
    except StoreError:
        return  # the store's own check says so


def _limit(what: str, most: int, needed: int, whose: str = "") -> Finding:
    """:param whose: not in ``what``: what is looked at is the same one after a restart."""
    if most in {resource.RLIM_INFINITY, -1} or most >= needed:
        return good(what, f"{'no limit' if most in {resource.RLIM_INFINITY, -1} else most}; {needed} are needed{whose}")
    mend = f"raise it (systemd: LimitNOFILE={needed}; docker: --ulimit nofile={needed}), or lower [worker] sessions"
    return warn(what, f"{most}, and {needed} are needed for [worker] sessions{whose}: it will open fewer", mend)


def _workers_here(patient: Patient) -> list[int]:
    """Those that live, as the store has them."""
    store = Shards(patient.config.store_url, patience=PATIENCE)
    try:
        told = store.run(leases())
    finally:
        store.close()
    here = host_label()
    alive = [
        info.pid for name, info in told.infos.items() if info.host == here and told.ends.get(name, 0) > told.now_ms
    ]
    return alive[:MOST_PROCESSES]


def _limit_of(pid: int) -> int | None:
    """How many files a process may open; ``None``: it is gone, or this system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return -1 if soft == "unlimited" else int(soft)
    return None


def check_disk(patient: Patient) -> Iterator[Finding]:
    """The folder that holds the embedded store and the workers' journals."""
    folder = patient.config.data_dir
    what = f"disk of {folder}"
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    if place != folder:
        yield unknown(what, "the folder is not there yet: softbounce up makes it", f"see that {place} may be written")
    free = os.statvfs(place)
    yield _room(what, free, is_embedded=patient.config.is_embedded)
    if free.f_files and free.f_favail < free.f_files * LEAST_INODES:
        yield warn(
            what, f"{free.f_favail} of {free.f_files} inodes are free", "delete small files, or use another disk"
        )
    kind = _kind_of(place)
    if kind in NETWORKED:
        mend = "move [store] data_dir to a local disk: locks and syncs are not what they seem over a network"
        yield fail(what, f"it is on {kind}", mend)
    try:
        took = _sync(place)
    except OSError as error:
        mend = "free space, or give the user that runs softbounce the folder: chown, chmod 0700"
        yield fail(what, f"nothing can be written there: {error.strerror or error}", mend)
        return
    if took > SLOW_SYNC:
        mend = "each accepted message waits for one: use a disk with a write cache that survives power loss, or an SSD"
        yield warn(what, f"a sync takes {took * 1000:.0f} ms", mend)
    else:
        yield good(what, f"it can be written, and a sync takes {took * 1000:.1f} ms")


def _room(what: str, free: os.statvfs_result, *, is_embedded: bool) -> Finding:
    octets, most = free.f_bavail * free.f_frsize, free.f_blocks * free.f_frsize
    found = f"{octets / 2**30:.1f} of {most / 2**30:.1f} GiB are free"
    if octets >= LEAST_FREE and (octets >= most * LEAST_SHARE or octets >= 10 * LEAST_FREE):
        return good(what, found)
    mend = "free some: " + (
        "the store's log grows to twice its size while it is rewritten" if is_embedded else "journals are there"
    )
    return (fail if is_embedded and octets < LEAST_FREE // 4 else warn)(what, found, mend)


def _kind_of(place: Path) -> str:
    """The kind of file system that a place is on, as far as the system tells."""
    try:
        mounts = [line.split()[1:3] for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    real = str(place.resolve())
    over = [(point, kind) for point, kind in mounts if f"{real}/".startswith(f"{point.rstrip('/')}/")]
    return max(over, key=lambda one: len(one[0]), default=("", ""))[1]


def _sync(place: Path) -> float:
    """Seconds that writing 4 KiB to the disk takes, of the middle one of some tries."""
    took: list[float] = []
    with TemporaryFile(dir=place) as file:
        for _ in range(SYNCS):
            began = monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(monotonic() - began)
    return sorted(took)[SYNCS // 2]
