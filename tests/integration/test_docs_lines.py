"""The shell lines of README and docs/, run as they stand beside one service with a playground.

A block of ``sh`` is run as it is; of a ``console`` block the lines behind ``$``. Only what nobody can know when he
writes a page is put in: the ports, and ids of envelopes. A comment before a block, which no reader sees, says of what
is not to be run why, and of what goes on by itself for how long it is let:

    <!-- not run: it needs Docker -->
    <!-- runs on: 2 s -->
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ports import free_ports
from service import Service

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:^<!-- (?P<word>not run|runs on): (?P<rest>[^\n]+) -->\n)?^```(?:sh|console)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ENVELOPE = re.compile(r"\b000[0-9a-z]{23}\b")
PROMPT = "$ "
FILES = {
    "message.eml": "From: app@example.com\r\nTo: ada@a.test\r\nSubject: Hi\r\n\r\nHello.\r\n",
    "replies.jsonl": '{"id": 1, "reply": "452 4.2.2 The mailbox is full", "stage": "rcpt"}\n',
}
CONFIG = """
[gateway]
http = "127.0.0.1:{port}"
[worker]
processes = 1
[policy.otp]
window = "15m"
[[assign]]
stream = "otp"
policy = "otp"
"""
ENDS_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """Shell lines of a page.

    :ivar seconds: for so long they are let go on, where they do.
    """

    where: str
    lines: str
    seconds: float | None


def blocks(page: Path) -> Iterator[Block]:
    """What is to be run of a page."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        if found["word"] == "not run":
            continue
        lines = found["text"]
        if lines.startswith(PROMPT):
            lines = "".join(
                line.removeprefix(PROMPT) for line in lines.splitlines(keepends=True) if line.startswith(PROMPT)
            )
        where = f"{page.name}:{text.count(chr(10), 0, found.start('text'))}"
        seconds = float(found["rest"].removesuffix(" s")) if found["word"] == "runs on" else None
        yield Block(where=where, lines=lines, seconds=seconds)


BLOCKS = [block for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) for block in blocks(page)]


@dataclass(frozen=True, kw_only=True)
class Here:
    """A service with an inbox, in a folder with the files that the pages speak of."""

    service: Service
    http_port: int
    envelope: str


@pytest.fixture(scope="module")
def here(store_binary: object) -> Iterator[Here]:
    """One for all pages, with an envelope that waits."""
    del store_binary
    (port,) = free_ports(1)
    service = Service(CONFIG.format(port=port))
    try:
        for name, text in FILES.items():
            (service.folder / name).write_text(text)
        (service.folder / ".curlrc").write_text("fail-with-body\n")
        service.start("--playground", "--inbox")
        with service.client() as mail:
            message = FILES["message.eml"].encode()
            receipt = mail.send(sender="app@example.com", recipients=["full@d.test"], message=message)
        yield Here(service=service, http_port=port, envelope=receipt.envelopes["full@d.test"])
    finally:
        service.clean()


@pytest.mark.parametrize("block", BLOCKS, ids=[block.where for block in BLOCKS])
def test_issue14_lines_of_the_pages_run_as_they_stand(here: Here, block: Block) -> None:
    """Each ends with 0, or goes on saying something until it is ended."""
    if shutil.which("curl") is None and "curl " in block.lines:
        pytest.skip("curl is not installed")
    lines = ENVELOPE.sub(here.envelope, block.lines).replace("127.0.0.1:8026", f"127.0.0.1:{here.http_port}")
    folder = here.service.folder
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE")}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "CURL_HOME": str(folder)}
    with subprocess.Popen(  # noqa: S603 - lines of our own pages
        ["bash", "-e", "-c", lines],  # noqa: S607
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=block.seconds or ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 15)
            said, _ = process.communicate()
            assert block.seconds is not None, f"it goes on: {said.decode()}"
            assert said
            return
    assert block.seconds is None, f"it ended by itself: {said.decode()}"
    assert process.returncode == 0, f"{lines}\n{said.decode()}"
