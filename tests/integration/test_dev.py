"""`softbounce dev`: one command, and an app's mail is seen as it goes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from developing import WITHIN, Dev


@pytest.mark.usefixtures("store_binary")
def test_issue14_dev_shows_each_message_on_its_way(tmp_path: Path) -> None:
    """Accepted, each reply, retry and end; five days pass in seconds; Ctrl-C leaves nothing behind."""
    with Dev(tmp_path, "--policy-speed", "60000") as dev:
        dev.wait_for(rf"^  SMTP   127\.0\.0\.1:{dev.port}, without login")
        dev.wait_for(rf"^  HTTP   http://127\.0\.0\.1:{dev.http_port}/api/v1/messages, without token")
        assert dev.post("bob@c.test") == 202
        dev.wait_for(r"delivered +bob@c\.test +250 2\.0\.0 Message taken")
        dev.send("anna@gmail.com", "greylist@a.test", "reject@a.test", "defer@b.test", "x@alldead.test")
        dev.wait_for(r"accepted +anna@gmail\.com +from app@shop\.test")
        dev.wait_for(r"delivered +anna@gmail\.com +250 2\.0\.0 Message taken")
        dev.wait_for(r"deferred +greylist@a\.test +450 4\.7\.1 Greylisted.* again in [0-9.]+ m?s")
        dev.wait_for(r"delivered +greylist@a\.test")
        dev.wait_for(r"bounced +reject@a\.test +550 5\.1\.1 No such user here")
        dev.wait_for(r"promoted +defer@b\.test +450 4\.2\.0 .*the window closed: a hard bounce now")
        dev.wait_for(r"promoted +x@alldead\.test")
        assert len(re.findall(r"deferred +x@alldead\.test", dev.said)) < 10  # not each time that it is dialled
        (folder,) = re.findall(r"unix://(/\S+)/var/store\.sock", dev.said)
        assert Path(folder).is_dir()
        assert dev.interrupt() == 0
        assert not Path(folder).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("store_binary")
def test_issue14_dev_in_json(tmp_path: Path) -> None:
    """One value a line: that it is there and where, and then the events; policies of a file count."""
    (tmp_path / "softbounce.toml").write_text('[policy.default]\nwindow = "2s"\ndelays = ["500ms"]\n')
    with Dev(tmp_path, "--json") as dev:
        dev.wait_for('"ready": true')
        dev.send("defer@a.test")
        dev.wait_for('"kind": "bounced"')
        assert dev.interrupt() == 0
        values: list[dict[str, Any]] = [json.loads(line) for line in dev.read().splitlines()]
    assert values[0]["smtp"] == f"127.0.0.1:{dev.port}"
    assert values[0]["http"] == f"127.0.0.1:{dev.http_port}"
    assert [one["kind"] for one in values[1:]][:2] == ["accepted", "deferred"]
    assert values[-1]["cause"] == "promoted"


@pytest.mark.usefixtures("store_binary")
def test_issue14_dev_says_that_its_port_is_taken(tmp_path: Path) -> None:
    """And ends."""
    with Dev(tmp_path) as first:
        first.wait_for("  SMTP   ")
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "softbounce", "dev", *first.places],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=WITHIN,
            check=False,
        )
        assert done.returncode == 1
        assert "in use" in done.stderr
        assert "Traceback" not in done.stderr
        assert time.monotonic() - began < WITHIN


def test_speed_is_for_playgrounds(tmp_path: Path) -> None:
    """Real hosts do not live faster."""
    done = subprocess.run(
        [sys.executable, "-m", "softbounce", "up", "--policy-speed", "60"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=WITHIN,
        check=False,
    )
    assert done.returncode == 2
    assert "--policy-speed: is for --playground" in done.stderr
