"""SIGHUP before a command is known: `up` hears of it later, any other command gets what the signal was to do."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal
{before}
from softbounce_gateway.hang_up import EARLY
EARLY.begin()
os.kill(os.getpid(), signal.SIGHUP)
assert EARLY.came
{then}
"""


@pytest.mark.parametrize(
    ("before", "then", "code"),
    [
        pytest.param("", "", 0, id="up goes on"),
        pytest.param("", "EARLY.give_back()", -signal.SIGHUP, id="any other command ends"),
        pytest.param(
            "signal.signal(signal.SIGHUP, signal.SIG_IGN)",
            "EARLY.give_back(); os.kill(os.getpid(), signal.SIGHUP); assert not EARLY.came",
            0,
            id="who is run by nohup goes on",
        ),
    ],
)
def test_issue15_sighup_that_came_early(before: str, then: str, code: int) -> None:
    """It is noted, and what becomes of it depends on the command."""
    program = PROGRAM.format(before=before, then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)  # noqa: S603 - our own
    assert done.returncode == code, done.stderr
