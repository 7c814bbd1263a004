"""Files and folders of ours: nobody else may look into them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from softbounce.private_files import make_private_folder, open_private


@pytest.fixture(params=[0, 0o022, 0o277], ids=["none", "usual", "odd"], autouse=True)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Some umask, while the test runs."""
    assert tmp_path.is_dir()  # made before
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Who may do what with it."""
    return path.stat().st_mode & 0o777


def test_issue10_30_folders_are_made_for_their_user_alone(tmp_path: Path) -> None:
    """Each that was missing; one that was there keeps what its maker gave it."""
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path / "a" / "b")
    assert [mode(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o700, 0o700]
    (tmp_path / "a").chmod(0o750)
    make_private_folder(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o750


def test_issue10_30_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    """As the system tells it."""
    (tmp_path / "a").touch(0o600)
    (tmp_path / "a").chmod(0o600)
    with pytest.raises(OSError, match="a"):
        make_private_folder(tmp_path / "a" / "b")
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "a")
    with pytest.raises(OSError, match="/proc/no"):
        make_private_folder(Path("/proc/no/such/folder"))


def test_issue10_30_files_are_their_user_s_alone(tmp_path: Path) -> None:
    """A new one, and one that others could read before; what stands in it stays."""
    path = tmp_path / "file"
    os.close(open_private(path, os.O_WRONLY))
    assert mode(path) == 0o600
    path.write_text("kept")
    path.chmod(0o644)
    os.close(open_private(path, os.O_WRONLY | os.O_APPEND))
    assert (mode(path), path.read_text()) == (0o600, "kept")
