"""`softbounce.testing`: the fixture, its outbox, what it says where a test fails, and that nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from service import until
from softbounce_config import parent

from softbounce.testing import Outbox, ServiceFailed, TestService
from softbounce.testing import service as testing

WITHIN = 60.0


def letter(subject: str = "Welcome") -> EmailMessage:
    """A message."""
    message = EmailMessage()
    message["From"], message["Subject"] = "Shop <shop@shop.test>", subject
    message.set_content("Hello\n")
    message.add_alternative("<p>Hello <a href='https://shop.test/1'>there</a>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="terms.pdf")
    return message


@pytest.fixture(scope="module")
def running(store_binary: object) -> Iterator[TestService]:
    """One service for all."""
    del store_binary
    with TestService() as service:
        yield service


@pytest.fixture
def service(running: TestService) -> TestService:
    """As a test finds it."""
    running.begin()
    return running


def send(service: TestService, *recipients: str, subject: str = "Welcome", key: str | None = None) -> None:
    """As the app does."""
    service.client.send(sender="shop@shop.test", recipients=recipients, message=letter(subject), key=key)


def test_issue14_5_an_outbox_tells_what_was_sent_and_what_became_of_it(service: TestService) -> None:
    """Read, and followed: delivered, deferred, bounced; five days of a policy pass in seconds."""
    send(service, "ada@example.net", "greylist2@a.test", "reject@b.test", "full@c.test")
    outbox: Outbox = service.outbox
    mail = outbox.was_sent_to("ada@example.net", subject="Welc").was_delivered()
    assert (mail.sender, mail.subject, mail.state) == ("shop@shop.test", "Welcome", "delivered")
    assert mail.text == "Hello\n"
    assert mail.links == ("https://shop.test/1",)
    assert mail.attachment("terms.pdf").content == b"%PDF"
    assert len(mail.recipients) == len(outbox) == 4
    outbox.wait_for("greylist2@*").was_deferred(times=2).was_delivered()
    outbox.wait_for("reject@*", subject=re.compile("^Welc")).was_bounced(code=550, cause="rejected")
    promoted = outbox.wait_for("full@*").was_promoted_after(timedelta(days=5))
    assert timedelta(days=4.9) < promoted.taken < timedelta(days=8)
    outbox.was_not_sent_to("bob@*")


def test_issue14_5_a_messages_own_times_pass_as_fast(service: TestService) -> None:
    """A login code of 15 minutes is promoted within milliseconds; what is for tomorrow comes soon."""
    began = time.monotonic()
    service.client.send(
        sender="a@b.test", recipients=["defer@a.test"], message=letter(), window=timedelta(minutes=15), stream="otp"
    )
    service.outbox.wait_for(stream="otp").was_promoted(within=10)
    assert time.monotonic() - began < 10


def test_issue14_5_what_is_wrong_is_told_with_what_was_sent_instead(service: TestService) -> None:
    """The errors that a person reads in a test that failed."""
    outbox = service.outbox
    with pytest.raises(
        AssertionError, match=r"nothing was sent to bob@a\.test within 0\.1 s\. Nothing at all was sent"
    ):
        outbox.was_sent_to("bob@a.test", within=0.1)
    send(service, "ada@example.net", "reject@b.test")
    outbox.wait_for("ada@*").was_delivered()
    outbox.wait_for("reject@*").was_bounced()
    for ask, words in (
        (lambda: outbox.was_sent_to("bob@a.test", within=0), "nothing was sent to bob@a.test"),
        (lambda: outbox.wait_for(subject="Bye", within=0), "to anybody about 'Bye'"),
        (lambda: outbox.wait_for("ada@*", number=2, within=0), "only 1 of 2 were sent to ada@*"),
        (lambda: outbox.was_not_sent_to("ada@*"), "something was sent to ada@*"),
    ):
        with pytest.raises(AssertionError) as failed:
            ask()
        assert words in str(failed.value)
        assert "to ada@example.net from shop@shop.test 'Welcome': delivered" in str(failed.value)
    mail = outbox.wait_for("reject@*")
    for ask, words in (
        (mail.was_delivered, "it is not so that 'Welcome' to reject@b.test was delivered"),
        (lambda: mail.was_bounced(code=551), "was not bounced 551"),
        (mail.was_promoted, "was not bounced as promoted"),
        (lambda: mail.was_deferred(within=0), "was deferred within 0 s"),
    ):
        with pytest.raises(AssertionError) as failed:
            ask()
        assert words in str(failed.value)
        assert "bounced (rejected) 550 5.1.1 No such user here" in str(failed.value)
    with pytest.raises(AssertionError, match=r"no attachment 'bill\.pdf'; it has 'terms\.pdf'"):
        mail.attachment("bill.pdf")


def test_issue14_5_a_test_sees_nothing_of_the_one_before(service: TestService) -> None:
    """Not its mail, its keys, its greylisting, nor an address that was busy."""
    for _ in range(3):
        service.begin()
        assert len(service.outbox) == 0
        send(service, "greylist@a.test", "defer@b.test", key="order-1")
        service.outbox.wait_for("greylist@*").was_deferred().was_delivered()
        began = time.monotonic()
        service.outbox.wait_for("defer@*").was_deferred(times=2)
        assert time.monotonic() - began < 4
        assert len(service.outbox) == 2


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    """With its own words; nothing is left."""
    config = tmp_path / "softbounce.toml"
    config.write_text("[policy.default]\nwindw = 3\n")
    service = TestService(config=config)
    with pytest.raises(ServiceFailed, match="windw"):
        service.start()
    assert not service.runs
    with pytest.raises(ServiceFailed, match="does not run"):
        _ = service.url


TESTS = """
import os, signal, time
import pytest
from email.message import EmailMessage
from pathlib import Path

@pytest.fixture(autouse=True)
def note(softbounce_service):
    with Path("pids").open("a") as file:
        file.write(f"{softbounce_service.pid} {softbounce_service.url}\\n")

def send(service):
    message = EmailMessage()
    message["From"], message["Subject"] = "a@b.test", "x"
    message.set_content("x")
    service.client.send(sender="a@b.test", recipients=["ada@c.test"], message=message, key="same")
    service.outbox.was_sent_to("ada@c.test").was_delivered()
    assert len(service.outbox) == 1
"""
ONE_OF = "def test_{n}(softbounce_service):\n    send(softbounce_service)\n"


def run_pytest(folder: Path, tests: str, *options: str) -> subprocess.Popen[str]:
    """Start pytest on a file of tests, as an app's developer does."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_app.py").write_text(TESTS + tests)
    plugin = ["-p", "no:valkey", "-p", "no:cacheprovider"]
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", "-q", *plugin, *options, "test_app.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def started(folder: Path) -> dict[int, Path]:
    """The services that were, by their processes, and the folders of their stores."""
    file = folder / "pids"
    lines = file.read_text().splitlines() if file.exists() else []
    words = [line.split() for line in lines if " " in line]
    return {int(pid): Path(url.removeprefix("unix://")).parents[1] for pid, url in words}


def is_there(pid: int) -> bool:
    """Whether a process is, and not only its number, which nobody has asked for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def belongs_to(folder: Path) -> list[str]:
    """The processes that have to do with a folder: the children of a service among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            found += [entry.name] if str(folder).encode() in told else []
    return found


@pytest.mark.usefixtures("store_binary")
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_issue14_5_the_fixture_is_shared_and_ends_with_pytest(tmp_path: Path, options: tuple[str, ...]) -> None:
    """One service a process of pytest's, each test its own mail; all gone in the end."""
    process = run_pytest(tmp_path, "".join(ONE_OF.format(n=number) for number in range(4)), *options)
    said, _ = process.communicate(timeout=WITHIN)
    assert "4 passed" in said
    services = started(tmp_path)
    assert len(services) <= max(1, len(options))
    for pid, folder in services.items():
        assert not is_there(pid)
        assert not folder.exists()
        assert belongs_to(folder) == []


@pytest.mark.usefixtures("store_binary")
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGKILL, id="killed"),
        pytest.param(None, id="crashed"),
    ],
)
def test_issue14_5_no_process_is_left_however_pytest_ends(tmp_path: Path, end: signal.Signals | None) -> None:
    """Interrupted, killed, crashed in C; also where a child that a test forked lives on."""
    fork = "    child = os.fork()\n    if not child:\n        time.sleep(30)\n        os._exit(0)\n"
    last = "    Path('child').write_text(str(child))\n" + (
        "    os.abort()\n" if end is None else "    time.sleep(60)\n"
    )
    process = run_pytest(tmp_path, ONE_OF.format(n=1) + fork + last)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "", WITHIN, "the test runs")
    ((pid, folder),) = started(tmp_path).items()
    assert is_there(pid)
    if end is not None:
        process.send_signal(end)
    process.wait(WITHIN)
    try:
        until(lambda: not belongs_to(folder), 20, "its processes end")
        until(lambda: not is_there(pid), 20, "it is gone, and whoever got it as a child has heard so")
        if end is not None and folder.exists():  # who was killed could not; the next one that starts does
            with suppress(ServiceFailed), TestService(config=tmp_path / "nothing.toml"):
                pass
            assert not folder.exists()
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()


def test_the_plugin_costs_those_nothing_who_do_not_use_it() -> None:
    """It is loaded by every pytest where softbounce is installed: nothing of ours comes with it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import softbounce.testing.plugin; "
        "print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert set(re.findall(r"'([\w.]+)'", done.stdout)) == {
        "softbounce",
        "softbounce.testing",
        "softbounce.testing.plugin",
    }


def test_the_pipe_has_the_name_that_the_service_looks_for() -> None:
    """It stands in two packages, of which the client's does not import the other."""
    assert testing.PARENT_FD == parent.PARENT_FD
