"""The file that remembers how far the store was seen, and where the history of a restored store ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from softbounce_gateway.restored_store.guard import history_end_ms
from softbounce_gateway.restored_store.history_file import HistoryFile

from softbounce.store.store_history import HistoryMark, ShardHistory

HOUR = 3_600_000
SEEN = 100 * HOUR


def folder_with_file(tmp_path: Path) -> Path:
    """A data folder whose witness was written."""
    folder = tmp_path / "var"
    folder.mkdir()
    HistoryFile(folder).write(HistoryMark(2, "one", [1, 2]))
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The file is for its user alone, leaves nothing beside it, and is no copy of itself."""
    folder = folder_with_file(tmp_path)
    file = HistoryFile(folder)
    read = file.read(2)
    assert read is not None
    assert (read.store, read.seen_ms, file.is_copy) == ("one", [1, 2], False)
    assert [path.name for path in folder.iterdir()] == ["witness"]
    assert file.path.stat().st_mode & 0o077 == 0


def test_a_copy_of_the_folder_is_known(tmp_path: Path) -> None:
    """In a copy of the folder it is a copy, until it is written there; in a folder that was renamed it is not."""
    folder = folder_with_file(tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    file = HistoryFile(tmp_path / "copy")
    assert file.read(2) is not None
    assert file.is_copy
    file.write(HistoryMark(2, "one", [3, 4]))
    again = HistoryFile(tmp_path / "copy")
    assert again.read(2) is not None
    assert not again.is_copy
    moved = HistoryFile(folder.rename(tmp_path / "moved"))
    assert moved.read(2) is not None
    assert not moved.is_copy


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"layout": 2}', '{"layout": 1}', '{"layout": 1, "store": "x", "seen_ms": ["y"]}', "\xff"],
)
def test_a_file_that_is_none_of_ours(tmp_path: Path, text: str) -> None:
    """It is never taken for a past that there was not."""
    (tmp_path / "witness").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        HistoryFile(tmp_path).read(1)


def test_no_file_is_no_past(tmp_path: Path) -> None:
    """A data folder that was wiped knows nothing."""
    assert HistoryFile(tmp_path).read(1) is None


@pytest.mark.parametrize(
    ("noted_ms", "event_ms", "newest_ms", "end_ms"),
    [
        pytest.param(SEEN, SEEN - 5, SEEN + 9, SEEN + 9, id="no copy: its newest event"),
        pytest.param(SEEN - HOUR, SEEN - HOUR - 5, SEEN - HOUR + 3000, SEEN - HOUR + 3000, id="a copy: the same"),
        pytest.param(SEEN - HOUR, SEEN - HOUR - 5, SEEN + 9, SEEN - HOUR - 5, id="apps used it since: what was noted"),
        pytest.param(0, 0, SEEN + 9, SEEN + 9, id="nothing was ever noted"),
    ],
)
def test_where_the_history_ends(noted_ms: int, event_ms: int, newest_ms: int, end_ms: int) -> None:
    """At its newest event; where that is newer than all that was seen of the original, at the newest noted one."""
    found = ShardHistory("one", noted_ms, event_ms, newest_ms, 5, 0, 0, SEEN + HOUR)
    assert history_end_ms([found], HistoryMark(1, "one", [SEEN])) == end_ms
