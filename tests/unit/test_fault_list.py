"""The list of faults against the tests: each has one that is named by it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FAULTS = {
    "F01": "the app is killed during a send",
    "F02": "a worker is killed after the claim",
    "F03": "a worker is killed after MAIL, RCPT, 354, in the body",
    "F04": "a worker is killed after the marker",
    "F05": "a worker is killed after the 250",
    "F06": "a worker is paused for longer than its lease",
    "F07": "all workers are killed at once",
    "F08": "the service is told to end under load",
    "F09": "the scheduler is away; two schedulers",
    "F10": "jobs are lost, doubled, orphaned",
    "F11": "the store is killed under load",
    "F12": "the machine of the store loses its power",
    "F13": "the store takes its time to read its log",
    "F14": "connections to the store are cut",
    "F15": "the store is slow, or a black hole",
    "F16": "the store has no memory left",
    "F17": "a disk is full",
    "F18": "a primary fails over; shards move",
    "F20": "clocks jump",
    "F21": "the resolver is down, or lies",
    "F22": "tarpits",
    "F23": "trickles and endless replies",
    "F24": "connections are dropped every time",
    "F25": "TLS handshakes that hang, break, or never end",
    "F26": "few file descriptors",
    "F27": "a message kills its worker",
    "F28": "two versions share a store",
    "F29": "a herd is due at once",
    "F30": "the store is restored from a backup",
}
"""Numbers are given once: F19 is none."""


def named_in(folder: Path) -> dict[str, set[Path]]:
    """The ids in the names of test functions, with the files that they are in."""
    found: dict[str, set[Path]] = {}
    for path in folder.rglob("test_*.py"):
        for name in re.findall(r"^ *(?:async )?def test_((?:F\d\d_)+)", path.read_text(), re.MULTILINE):
            for identity in name.rstrip("_").split("_"):
                found.setdefault(identity, set()).add(path)
    return found


@pytest.mark.parametrize("identity", FAULTS)
def test_each_fault_has_a_test_that_is_named_by_it(identity: str) -> None:
    """Somewhere in tests/ a function says so in its name."""
    assert identity in named_in(TESTS), f"{identity}, {FAULTS[identity]}: no test is named by it"


def test_no_test_is_named_by_a_fault_that_is_not_in_the_list() -> None:
    """Who names a test by one says in the list what it is."""
    assert set(named_in(TESTS)) <= set(FAULTS)


def test_the_files_of_fault_tests_are_named_by_what_they_test() -> None:
    """Each id in the name of a file in tests/faults is in the name of one of its tests."""
    for path in (TESTS / "faults").glob("test_F*.py"):
        for identity in re.findall(r"F\d\d", path.name):
            assert path in named_in(TESTS / "faults").get(identity, set()), f"{path.name} has no test of {identity}"
