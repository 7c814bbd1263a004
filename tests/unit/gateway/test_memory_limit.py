"""How much memory the embedded store may take, on made-up machines with control groups of either version."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_gateway.embedded_store.memory_limit import Room, in_words, memory_room, store_octets

GiB, MiB = 1 << 30, 1 << 20
MACHINE = "MemTotal:       16777216 kB\nMemFree: 1 kB\n"
V2_MOUNT = "30 23 0:26 {top} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
V1_MOUNT = "35 31 0:32 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_OTHER = "36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
UNLIMITED_V1 = "9223372036854771712\n"


def machine(folder: Path, files: dict[str, str]) -> Path:
    """A machine with 16 GiB and these files."""
    for name, text in {"proc/meminfo": MACHINE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "octets"),
    [
        pytest.param({}, 16 * GiB, id="no control groups"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/memory.max": f"{GiB}\n",
            },
            GiB,
            id="v2, a container's own namespace",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/system.slice/mail.service\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/system.slice/mail.service/memory.max": "max\n",
                "sys/fs/cgroup/system.slice/memory.max": f"{2 * GiB}\n",
                "sys/fs/cgroup/memory.max": f"{4 * GiB}\n",
            },
            2 * GiB,
            id="v2, the limit is of a group above",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/a/b\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/a/b/memory.max": f"{3 * GiB}\n",
                "sys/fs/cgroup/a/b/memory.high": f"{GiB}\n",
            },
            GiB,
            id="v2, from memory.high on all is slowed down",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/docker/0123abc\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/docker/0123abc"),
                "sys/fs/cgroup/memory.max": f"{512 * MiB}\n",
            },
            512 * MiB,
            id="v2, a container that is told the machine's path",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/../../elsewhere\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/memory.max": f"{GiB}\n",
            },
            GiB,
            id="v2, outside of what is mounted",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "proc/self/mountinfo": V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/memory.max": "max\n",
            },
            16 * GiB,
            id="v2, max",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/user/mail\n0::/\n",
                "proc/self/mountinfo": V1_OTHER + V1_MOUNT.format(top="/"),
                "sys/fs/cgroup/memory/user/mail/memory.limit_in_bytes": UNLIMITED_V1,
                "sys/fs/cgroup/memory/user/memory.limit_in_bytes": f"{GiB}\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
            },
            GiB,
            id="v1, the limit is of a group above",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/docker/0123abc\n",
                "proc/self/mountinfo": V1_MOUNT.format(top="/docker/0123abc"),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * GiB}\n",
                "sys/fs/cgroup/memory/memory.stat": f"cache 1\nhierarchical_memory_limit {2 * GiB}\n",
            },
            2 * GiB,
            id="v1, one above that is not seen",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/\n0::/deep\n",
                "proc/self/mountinfo": V1_MOUNT.format(top="/") + V2_MOUNT.format(top="/"),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
                "sys/fs/cgroup/memory.max": f"{GiB}\n",
            },
            GiB,
            id="both",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "nonsense\n0::\n:::::\n",
                "proc/self/mountinfo": "nonsense\n- cgroup2\n 1 2 3 4 5 - cgroup2 c rw\n",
                "proc/meminfo": MACHINE + "MemTotal: x\n",
            },
            16 * GiB,
            id="nonsense",
        ),
    ],
)
def test_issue10_20_the_smallest_limit_counts(tmp_path: Path, files: dict[str, str], octets: int) -> None:
    """Of all control groups from ours upwards, of either version, and of the machine."""
    assert memory_room(machine(tmp_path, files)).octets == octets


def test_issue10_20_without_proc_the_system_is_asked(tmp_path: Path) -> None:
    """As on a Mac, where there are no control groups either."""
    assert memory_room(tmp_path).octets > 16 * MiB


@pytest.mark.parametrize(
    ("there", "workers", "others", "octets"),
    [
        (16 * GiB, 2, 2, round((16 * GiB - 4 * 64 * MiB - 512 * MiB) * 0.6)),
        (16 * GiB, 0, 1, round((16 * GiB - 64 * MiB) * 0.6)),
        (GiB, 2, 2, GiB // 4),
        (256 * MiB, 2, 2, 64 * MiB),
    ],
    ids=["a machine", "a store alone", "a small container", "a tiny one"],
)
def test_issue10_20_our_other_processes_get_theirs_first(there: int, workers: int, others: int, octets: int) -> None:
    """Three fifths of what they leave, since a log that is rewritten takes memory too; a quarter of it all at least."""
    config = load(None, environ={})
    assert store_octets(config, workers=workers, others=others, room=Room(there, "")) == octets


@pytest.mark.parametrize(("text", "octets"), [("512MiB", 512 * MiB), ("none", 0), ("0", 0)])
def test_issue10_20_what_is_configured_holds(text: str, octets: int) -> None:
    """Also no limit at all."""
    config = load(None, environ={"SOFTBOUNCE__STORE__MAXMEMORY": text})
    assert store_octets(config, workers=2, others=2, room=Room(GiB, "")) == octets


@pytest.mark.parametrize(
    ("octets", "words"), [(5, "5 B"), (1536, "1.5 KiB"), (512 * MiB, "512 MiB"), (14431090278, "13.4 GiB")]
)
def test_octets_in_words(octets: int, words: str) -> None:
    """In the largest unit of which there is one, with one place."""
    assert in_words(octets) == words
