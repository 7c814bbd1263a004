"""The lock of a data folder."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from softbounce_gateway.embedded_store.folder_lock import FolderLock, make_folder
from softbounce_gateway.errors import StartFailed


def take(folder: Path, said: list[str] | None = None) -> FolderLock:
    """Take the lock, with little patience."""
    return asyncio.run(FolderLock.take(folder, (said if said is not None else []).append, patience=0.15))


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second one waits, says so once, and is refused with the pid of the first; afterwards it may have the lock."""
    first = take(tmp_path)
    said: list[str] = []
    with pytest.raises(StartFailed, match=rf"in use by process {os.getpid()} \(softbounce up\)") as refused:
        take(tmp_path, said)
    assert refused.value.exit_code == 1
    assert said == [f"waiting for process {os.getpid()} (softbounce up) to leave {tmp_path}"]
    first.release()
    take(tmp_path).release()


def test_the_store_keeps_the_lock(tmp_path: Path) -> None:
    """While the store that inherited it lives, the lock is taken, and names the store when its `up` is gone."""
    lock = take(tmp_path)
    store = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[lock.descriptor], stdin=subprocess.PIPE
    )
    lock.name_store(store.pid)
    (tmp_path / "lock").write_text(f"up {2**22 + 1}\nstore {store.pid}\n")
    lock.release()
    with pytest.raises(StartFailed, match=rf"in use by process {store.pid} \(the store of an earlier up\)"):
        take(tmp_path)
    store.communicate()
    take(tmp_path).release()


@pytest.mark.parametrize("text", ["", "up\n", "up x\nstore -1\n", "\x00\xff", "up 99999999999999999999\n"])
def test_a_lock_file_with_anything_in_it(tmp_path: Path, text: str) -> None:
    """What stands in the file is only for people: the lock works whatever it is."""
    (tmp_path / "lock").write_text(text, encoding="latin-1")
    first = take(tmp_path)
    (tmp_path / "lock").write_text(text, encoding="latin-1")
    with pytest.raises(StartFailed, match="in use by"):
        take(tmp_path)
    first.release()


def test_a_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    """A data folder that is missing is made, and nobody else can look into it."""
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file in the folder's place is an error of configuration."""
    (tmp_path / "a").write_text("")
    with pytest.raises(StartFailed, match="cannot be made") as refused:
        make_folder(tmp_path / "a" / "b")
    assert refused.value.exit_code == 2


def test_issue15_a_file_system_without_locks_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none: the folder is named, why it cannot be used, and what to do instead."""

    def without_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(StartFailed, match="name a folder on a local disk") as refused:
        take(tmp_path)
    assert f"the data folder {tmp_path} cannot be locked: No locks available" in str(refused.value)
    assert refused.value.exit_code == 2
