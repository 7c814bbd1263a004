"""`softbounce dev` as a developer starts it, and apps that send to it."""

from __future__ import annotations

import os
import re
import select
import signal
import smtplib
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Self

import httpx
from ports import free_ports
from service import until

__all__ = ["WITHIN", "Dev"]

WITHIN = 90.0


class Dev:
    """The command, running in a folder.

    :param python: that of the environment which it is installed in.
    """

    def __init__(self, folder: Path, *options: str, python: Path | str = sys.executable) -> None:
        self.folder = folder
        self.port, self.http_port = free_ports(2)
        self.said = ""
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [python, "-m", "softbounce", "dev", *self.places, *options],
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

    @property
    def store_url(self) -> str:
        """Where its store is, as it says itself."""
        (url,) = re.findall(r"unix://\S+/var/store\.sock", self.read())
        return str(url)

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
