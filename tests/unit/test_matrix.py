"""The list of what is required against the tests: no row without one, and no test for a row that there is not."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "script"))

import matrix  # noqa: E402 - of script/

ROWS = {row: words for group in matrix.read_groups() for row, words in group.rows.items()}
LATER = matrix.read_later()


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """The files of the tests that show each row."""
    found: dict[str, set[str]] = {}
    for test in matrix.read_tests():
        for row in test.rows:
            found.setdefault(row, set()).add(test.path)
    return found


@pytest.mark.parametrize("row", ROWS)
def test_issue12_each_row_has_a_test(shown: dict[str, set[str]], row: str) -> None:
    """One that bears its id in its name; or the row says with which part it comes."""
    assert shown.get(row) or LATER.get(row), f"{row}, {ROWS[row]}: no test is named by it"


def test_issue12_no_test_is_named_by_a_row_that_there_is_not(shown: dict[str, set[str]]) -> None:
    """Nor does anything come later that nobody has listed; each row has its words, and stands once."""
    assert set(shown) <= set(ROWS)
    assert set(LATER) <= set(ROWS)
    assert len(ROWS) == sum(len(group.rows) for group in matrix.read_groups())
    assert all(len(words) > 5 for words in ROWS.values())


def test_issue12_each_test_of_a_row_says_its_rule() -> None:
    """The page shows its docstring."""
    assert not [test.name for test in matrix.read_tests() if not test.says]


def test_issue12_the_matrix_page_is_fresh() -> None:
    """What `script/docs` would write is what is there."""
    assert (ROOT / "docs" / "matrix.md").read_text("utf-8") == matrix.page(), "run script/docs"


def test_the_files_of_fault_tests_are_named_by_what_they_test(shown: dict[str, set[str]]) -> None:
    """Each id in the name of a file in tests/faults is in the name of one of its tests."""
    for path in (ROOT / "tests" / "faults").glob("test_F*.py"):
        for row in re.findall(r"F\d\d", path.name):
            assert path.relative_to(ROOT).as_posix() in shown.get(row, set()), f"{path.name} has no test of {row}"
