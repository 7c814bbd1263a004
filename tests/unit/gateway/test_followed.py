"""By what file a running service goes, as its data folder's lock has it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_gateway.embedded_store.folder_lock import FolderLock
from softbounce_gateway.up.followed import RunningUp, as_noted, digest_of, running_up

HOOK = '[[webhook]]\nname = "app"\nurl = "https://app.test/"\nsecret_file = "s"\n'
ALERT = '[[alert]]\nname = "night"\nto = "ops@shop.test"\n'
SLEEPS = "import sys; sys.stdin.read()"


def test_issue14_who_is_told_has_one_digest(tmp_path: Path) -> None:
    """It is another one when anything of the tables is, and the same for all else."""
    file = tmp_path / "softbounce.toml"
    seen = set()
    for text in ("", HOOK, HOOK.replace('"s"', '"t"'), HOOK + 'streams = ["otp"]\n', ALERT, HOOK + ALERT):
        file.write_text(text)
        digest = digest_of(load(file, environ={}))
        file.write_text('[policy.default]\nwindow = "3d"\n' + text)
        assert digest_of(load(file, environ={})) == digest
        seen.add(digest)
    assert len(seen) == 6


@pytest.mark.parametrize("file", [None, Path("/srv/my mail/softbounce.toml")])
def test_issue14_a_running_service_is_found_by_its_lock(tmp_path: Path, file: Path | None) -> None:
    """While it holds it, and by a process that is ours: the pid of one that was killed may be anybody's."""
    assert running_up(tmp_path) is None
    lock = asyncio.run(FolderLock.take(tmp_path, print))
    assert running_up(tmp_path) is None, "that is this process"
    for name, found in (("softbounce", True), ("somebody", False)):
        with subprocess.Popen([sys.executable, "-c", SLEEPS, name], stdin=subprocess.PIPE) as other:  # noqa: S603 - ours
            lock._lines["up"] = other.pid
            lock.note(as_noted(file, "abc"))
            assert running_up(tmp_path) == (RunningUp(other.pid, file, "abc") if found else None)
            lock.note(as_noted(file, ""))
            assert running_up(tmp_path) == (RunningUp(other.pid, file, "") if found else None)
    assert running_up(tmp_path) is None, "it is gone"
    lock.release()


@pytest.mark.parametrize(
    "text", ["", "up", "up x\n", "up 0\n", "up 99999999999999999999\n", "\x00\xff", "up 1\n" * 9_999]
)
def test_issue14_a_lock_with_anything_in_it_names_nobody(tmp_path: Path, text: str) -> None:
    """Nobody is signalled for it."""
    lock = asyncio.run(FolderLock.take(tmp_path, print))
    os.truncate(tmp_path / "lock", 0)
    (tmp_path / "lock").write_text(text, encoding="latin-1")
    assert running_up(tmp_path) is None
    lock.release()
