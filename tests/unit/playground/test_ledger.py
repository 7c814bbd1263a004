from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from softbounce_playground import Entry, Ledger, read_ledger


def entry(**changes: object) -> Entry:
    """A message that was taken, with changes."""
    fields = {
        "at": "2026-01-01T00:00:00.000Z",
        "host": "h",
        "address": "127.77.0.1",
        "peer": "127.0.0.1:1",
        "ehlo": "e",
        "sender": "s@a.test",
        "recipients": ("r@a.test",),
        "complete": True,
        "kept": True,
        "answer": 250,
    }
    return Entry(**(fields | changes))


async def until(is_true: Callable[[], bool]) -> None:
    """Let the loop run until something is true."""
    for _ in range(500):
        if is_true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came true")


def test_the_file_has_what_was_added(tmp_path: Path) -> None:
    """Entries reach the file by themselves soon, and all of them when it is closed."""
    path = tmp_path / "new" / "ledger.jsonl"

    async def write() -> None:
        ledger = Ledger(path, clock=lambda: 1_700_000_000.1239)
        ledger.open()
        ledger.add(entry(at=ledger.now()))
        await until(lambda: path.stat().st_size > 0)
        ledger.add(entry(answer=None))
        ledger.close()

    asyncio.run(write())
    first, second = read_ledger(path)
    assert (first.at, first.is_taken, second.is_taken, second.kept) == ("2023-11-14T22:13:20.123Z", True, False, True)
    assert json.loads(path.read_text().splitlines()[0])["recipients"] == ["r@a.test"]


def test_a_torn_last_line_is_left_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    """A reader may come while a line is being written, but nonsense within the file is an error."""
    path = tmp_path / "ledger.jsonl"

    async def write() -> None:
        ledger = Ledger(path)
        ledger.open()
        ledger.add(entry())
        ledger.add(entry())
        ledger.close()

    asyncio.run(write())
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert len(read_ledger(path)) == 1
    path.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(ValueError, match="line 1"):
        read_ledger(path)


def test_counts_by_recipient() -> None:
    """Taken counts what was answered 250; copies counts what a host has, answered or not."""
    ledger = Ledger()
    for changes in ({}, {"answer": None}, {"answer": 451, "kept": False}, {"complete": False, "kept": False}):
        ledger.add(entry(**changes))
    assert (ledger.taken("r@a.test"), ledger.copies("r@a.test"), ledger.taken("x@a.test")) == (1, 2, 0)
    assert (ledger.counters["entries"], ledger.counters["complete"], len(ledger.entries)) == (4, 3, 4)


def test_out_of_memory_only_totals_remain() -> None:
    """A ledger that keeps nothing in memory still counts."""
    ledger = Ledger()
    ledger.in_memory = False
    ledger.add(entry())
    assert (ledger.entries, ledger.taken("r@a.test"), ledger.counters["taken"]) == ([], 0, 1)
