"""From a bare machine to the first message that is seen: README's first lines in an environment of its own, timed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from developing import Dev

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"^```sh\n(pip install [^\n]+)\nsoftbounce dev\n```$", re.MULTILINE)
WITHIN = 120.0


@pytest.mark.thorough
@pytest.mark.usefixtures("store_binary")
def test_issue14_a_bare_machine_sees_its_first_message_within_two_minutes(tmp_path: Path) -> None:
    """A fresh environment, the line that README has, `dev`, a message by SMTP, and its delivery on the screen."""
    found = INSTALL.search((ROOT / "README.md").read_text())
    assert found is not None, "README's first lines are others"
    parts: dict[str, float] = {}
    began = time.monotonic()

    def note(part: str) -> None:
        parts[part] = round(time.monotonic() - began - sum(parts.values()), 1)

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)  # noqa: S603
    note("environment")
    environ = {**os.environ, "PATH": f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", found[1]], cwd=ROOT, env=environ, check=True, timeout=600)  # noqa: S603, S607
    note("install")
    folder = tmp_path / "app"
    folder.mkdir()
    with Dev(folder, python=tmp_path / "venv" / "bin" / "python") as dev:
        dev.wait_for("  HTTP   ")
        note("dev is there")
        dev.send("ada@example.net")
        dev.wait_for(r"delivered +ada@example\.net +250")
        note("sent and seen")
    print(parts)  # noqa: T201 - what somebody looks for who asks how long it takes
    assert sum(parts.values()) < WITHIN, parts
