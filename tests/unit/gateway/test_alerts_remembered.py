"""By which way each table told: what of the file counts, and who may have written it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from softbounce_config.alerts import AlertSection
from softbounce_gateway.alerts.remembered import MOST_REMEMBERED, is_any_removed, recall, remember

PAGE = AlertSection(name="night", command=("/usr/local/bin/page", "--team"), most_an_hour=7)
DESK = AlertSection(name="desk", to="ops@example.net", level="bad")


def test_issue15_5_each_way_is_remembered_for_who_may_read_the_folder(tmp_path: Path) -> None:
    """What is not of the way is not; none left: no file."""
    remember(tmp_path, [PAGE, DESK])
    (file,) = tmp_path.iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert recall(tmp_path) == (PAGE, AlertSection(name="desk", to="ops@example.net"))
    assert is_any_removed(tmp_path, [PAGE])
    assert not is_any_removed(tmp_path, [DESK, PAGE])
    remember(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert recall(tmp_path) == ()
    remember(tmp_path / "nowhere", [PAGE])
    assert recall(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("fault", ["others write", "a link", "nonsense", "a deep one", "another shape", "a fifo"])
def test_issue15_5_a_program_is_run_only_by_a_file_that_is_ours(tmp_path: Path, fault: str) -> None:
    """Else nothing is remembered, and nothing fails."""
    remember(tmp_path, [PAGE])
    file = tmp_path / "alerts.json"
    if fault == "others write":
        file.chmod(0o620)
    elif fault == "a link":
        file.rename(tmp_path / "other")
        file.symlink_to(tmp_path / "other")
    elif fault == "a fifo":
        file.unlink()
        os.mkfifo(file, 0o600)
    else:
        text = {"nonsense": "[", "a deep one": "[" * 100_000, "another shape": json.dumps([{"name": 7}])}[fault]
        file.write_text(text)
    assert recall(tmp_path) == ()


def test_issue15_5_no_more_are_remembered_than_there_can_be(tmp_path: Path) -> None:
    """Of names that come and go."""
    remember(tmp_path, [AlertSection(name=f"n{number}", to="a@b.test") for number in range(2 * MOST_REMEMBERED)])
    assert len(recall(tmp_path)) == MOST_REMEMBERED
