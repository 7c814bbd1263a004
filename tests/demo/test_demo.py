"""The demo as a user starts it: the whole service, checked against the ledger of a small internet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("store_binary")

COMMAND = (sys.executable, "-P", "-m", "softbounce_gateway.demo")


@pytest.fixture
def own_tmp() -> Iterator[Path]:
    """A short folder for the demo's own."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        yield Path(folder)


def test_the_demo_agrees_with_the_ledger(own_tmp: Path) -> None:
    """Every envelope ends as planned, softbounce and the hosts agree about each, and nothing is left behind."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*COMMAND, "--json"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "TMPDIR": str(own_tmp)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["disagreements"] == []
    assert told["envelopes"] >= 500
    assert told["domains"] >= 20
    assert told["envelopes"] == told["delivered"] + sum(told["bounced"].values())
    assert told["promoted"] == told["bounced"]["promoted"] > 100
    assert told["extra_copies"] == told["behaviours"]["cut at the dot"]["envelopes"]
    assert told["seconds"] < 35
    assert list(own_tmp.iterdir()) == []


def test_an_interrupted_demo_cleans_up(own_tmp: Path) -> None:
    """Ctrl-C ends the service in good order and removes the folder."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        env={**os.environ, "TMPDIR": str(own_tmp)},
    ) as demo:
        give_up_at = time.monotonic() + 20
        while not list(own_tmp.glob("*/var/store.sock")):
            assert time.monotonic() < give_up_at
            assert demo.poll() is None
            time.sleep(0.02)
        os.kill(demo.pid, signal.SIGINT)
        demo.communicate(timeout=30)
        assert demo.returncode == 130
    assert list(own_tmp.iterdir()) == []
