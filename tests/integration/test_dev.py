"""`softbounce dev`: one command, and an app's mail is seen as it goes."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import smtplib
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from ports import free_ports
from service import until

WITHIN = 40.0


class Dev:
    """The command, running in an empty folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.http_port = free_ports(2)
        self.said = ""
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "softbounce", "dev", *self.places, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE")},
            start_new_session=True,
        )

    @property
    def places(self) -> list[str]:
        """Where it listens, as options."""
        return ["--smtp", f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.http_port}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(WITHIN)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def read(self) -> str:
        """What it said so far."""
        assert self._process.stdout is not None
        while select.select([self._process.stdout], [], [], 0)[0]:
            octets = os.read(self._process.stdout.fileno(), 65536)
            if not octets:
                break
            self.said += octets.decode()
        return self.said

    def wait_for(self, pattern: str) -> None:
        """Until it said this."""
        try:
            until(lambda: re.search(pattern, self.read(), re.MULTILINE) is not None, WITHIN, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.said[-3000:]}") from None

    def send(self, *recipients: str) -> None:
        """Mail, as an app sends it."""
        for recipient in recipients:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "app@shop.test", recipient, "hello"
            message.set_content("Hello.")
            with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                client.send_message(message)

    def post(self, recipient: str) -> int:
        """Mail, as an app sends it by HTTP; the answer."""
        content = {"from": "app@shop.test", "to": [recipient], "subject": "hello", "text": "Hello."}
        return httpx.post(f"http://127.0.0.1:{self.http_port}/api/v1/messages", json=content, timeout=20).status_code

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(WITHIN)


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
