"""Children that are forked from a process which has imported what they need are what they would be as commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import StartService
from service import Service, until

MODULE = """
import os, signal, sys, time

def main(options):
    what = options[0]
    if what == "exit": sys.exit(int(options[1]))
    if what == "words": sys.exit("in words")
    if what == "raise": raise ValueError("a fault")
    if what == "signal": os.kill(os.getpid(), signal.SIGKILL)
    if what == "tell":
        has, group = os.environ.get("HAS"), os.getpgrp() == os.getpid()
        files = sorted(int(one) for one in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{one}"))
        title = open("/proc/self/cmdline").read().replace("\\0", " ").strip()
        print("ready", has, os.environ.get("HAD"), group, files, os.pread(int(options[1]), 9, 0), title, flush=True)
        time.sleep(60)
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
SCRIPT = """
import asyncio, os, signal, sys
from softbounce_gateway.supervise.child import Child
from softbounce_gateway.supervise.nursery import Nursery
from softbounce_gateway.supervise.program import Program

os.environ["HAD"] = "1"
nursery = Nursery.begin(["forked"])
file = os.open("words", os.O_RDONLY)
os.dup2(file, 77)

def program(*options):
    environment = {name: value for name, value in os.environ.items() if name != "HAD"} | {"HAS": "2"}
    arguments = (sys.executable, "-m", "forked", *options)
    return Program(name="child", arguments=arguments, module="forked", environment=environment, descriptors=(77,))

async def code_of(*options):
    nothing = os.open(os.devnull, os.O_WRONLY)
    process = await nursery.start(program(*options), nothing)
    os.close(nothing)
    return await process.wait()

async def play():
    print([await code_of(*words.split()) for words in ("exit 7", "exit 0", "words", "raise", "signal", "return")])
    child = Child(lambda: program("tell", "77"), nursery=nursery)
    child.start()
    await asyncio.wait_for(child.ready.wait(), 10)
    print(child.ready_line)
    many = await asyncio.gather(*(code_of("exit", str(number)) for number in range(40)))
    print(many == list(range(40)))
    os.kill(nursery.pid, signal.SIGKILL)
    while not nursery.is_lost:
        await asyncio.sleep(0.01)
    print(child.pid is not None, await child.stop(10), child.pid)
    other = Child(lambda: program("tell", "77"), nursery=nursery)
    other.start()
    await asyncio.wait_for(other.ready.wait(), 10)
    print(other.ready_line)
    await other.stop(10)

asyncio.run(play())
nursery.close()
"""


def test_forked_children_are_as_commands_are(tmp_path: Path) -> None:
    """Exit codes, environment, files, group and title; and when the one who forks them is killed, they run on."""
    (tmp_path / "forked").mkdir()
    (tmp_path / "forked" / "__init__.py").touch()
    (tmp_path / "forked" / "__main__.py").write_text(MODULE)
    (tmp_path / "words").write_text("some words")
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes, ready, many, killed, other = done.stdout.splitlines()
    assert codes == "[7, 0, 1, 1, -9, 0]"
    told = f"ready 2 None True [0, 1, 2, 77] b'some word' {sys.executable} -m forked tell 77"
    assert ready == told
    assert many == "True"
    assert killed == "True True None"
    assert other == told
    assert "ValueError: a fault" in done.stderr
    assert "was lost: from now on they are started without it" in done.stderr


@pytest.fixture
def running(start: StartService) -> Service:
    """A service with a nursery."""
    return start("")


def nursery_of(service: Service) -> int:
    """Its process."""
    (pid,) = service.pids("starts the processes of")
    return pid


def test_mail_goes_on_when_the_nursery_is_killed(running: Service) -> None:
    """Workers run on; one that dies afterwards is started as a command; all end in order."""
    os.kill(nursery_of(running), signal.SIGKILL)
    until(lambda: "was lost: from now on" in running.log, 10, "it is noticed")
    with running.client() as mail:
        first = mail.send(sender="a@b.test", recipients=["accept@c.test"], message=b"Subject: x\r\n\r\nx\r\n")
        running.wait_final(list(first.envelopes.values()), 20)
        workers = workers_of(running)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(running.pids("softbounce_worker")) == 1, 20, "a child of the service itself takes its place")
        second = mail.send(sender="a@b.test", recipients=["accept@d.test"], message=b"Subject: x\r\n\r\nx\r\n")
        running.wait_final(list(second.envelopes.values()), 40)
    assert running.stop() == 0
    assert not workers_of(running)


def workers_of(service: Service) -> list[int]:
    """By their command lines, for their parent may be gone."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if b"softbounce_worker" in words and str(service.config).encode() in words:
                found.append(int(entry.name))
    return found


def test_all_end_when_the_service_is_killed(running: Service) -> None:
    """The nursery too, and it holds neither the lock of the data folder nor an end of a pipe of the children."""
    pids = [nursery_of(running), *running.children()]
    assert running.process is not None
    assert running.process.stdout is not None
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(10)
    running.process.stdout.close()
    until(lambda: not any(is_running(pid) for pid in pids), 20, "all are gone")
    running.start()
    assert running.stop() == 0, running.log


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
