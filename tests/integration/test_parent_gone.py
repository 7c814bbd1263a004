"""A child whose parent died while it was starting: it ends in good order, and has nothing to complain of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Valkey
from service import IDENTITY
from softbounce_config.parent import PARENT_FD

TROUBLE = ("Traceback", "BrokenPipe", "Broken pipe", "error")


@pytest.mark.parametrize("knows", [True, False], ids=["pipe closed", "no pipe"])
@pytest.mark.parametrize("module", ["softbounce_worker", "softbounce_scheduler"])
def test_F07_who_has_nobody_to_tell_that_it_is_ready_ends_quietly(
    store_server: Valkey, tmp_path: Path, module: str, knows: bool
) -> None:
    """Exit code 0 and no word, also where the missing reader is the only sign that the parent is gone."""
    (tmp_path / "softbounce.toml").write_text(f'{IDENTITY}[store]\nurl = "{store_server.url}"\n')
    reading, stdout = os.pipe()
    os.close(reading)
    parent, writing = os.pipe()
    if knows:
        os.close(writing)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", module],
        cwd=tmp_path,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, PARENT_FD: str(parent)},
        pass_fds=[parent],
        timeout=30,
        check=False,
        text=True,
    )
    for end in (stdout, parent) if knows else (stdout, parent, writing):
        os.close(end)
    assert done.returncode == 0, done.stderr
    assert not [word for word in TROUBLE if word in done.stderr], done.stderr
