"""F07: kill -9 of all workers at once in the middle of a load, with another one on another volume alive throughout."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from kill_all import CONFIG, ENVELOPES, kill_all, start_another
from service import PlaygroundProcess

if TYPE_CHECKING:
    from conftest import StartService

LEASE, SWEEP = 10, 5  # the defaults
AFTER_A_LOST_CLAIM = 2
START = 3


@pytest.mark.long
@pytest.mark.parametrize(
    "with_another",
    [pytest.param(False, marks=pytest.mark.thorough), True],
    ids=["all", "all but one on another volume"],
)
def test_F07_all_workers_killed_double_nothing_that_was_answered(
    start: StartService, playground: PlaygroundProcess, with_another: bool
) -> None:
    """Whose 250 was read has one copy; any other copy is owned; work resumes within lease + sweep."""
    service = start(CONFIG)
    with ExitStack() as stack:
        if with_another:
            start_another(service, stack)
        found = kill_all(service, playground, after=ENVELOPES // 2)
    assert ENVELOPES // 4 < found.sure < ENVELOPES, "it was in the middle"
    assert found.doubled == ()
    assert found.unfounded == ()
    assert found.extra <= found.uncertain
    assert found.resumed <= LEASE + SWEEP
    assert found.everywhere <= LEASE + SWEEP + AFTER_A_LOST_CLAIM + START
