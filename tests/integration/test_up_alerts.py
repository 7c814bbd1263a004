"""Alerts as `up` tells them: one service whose only mail host is away, and is back; its file changes meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import SECRET, Hooks, hooks
from hosting import listening
from msgspec.structs import replace
from mx import Mx
from ports import free_ports
from service import Service, until
from standardwebhooks import Webhook

from softbounce.store.alerts import keep_alerts, read_alerts
from softbounce.store.shards import Shards

HERE = "127.88.7.9"
BASE = """
[worker]
processes = 1
[policy.default]
delays = ["1s"]
[[lane]]
site = "*"
close_first = "500ms"
close_cap = "1s"
[[route]]
domain = "*"
host = "{here}"
port = {port}
tls = "none"
[[webhook]]
name = "hook"
url = "{url}"
secret = "{secret}"
kinds = ["bounced"]
"""
ALERT = '[[alert]]\nname = "ops"\nwebhook = "hook"\nlevel = "bad"\nkinds = ["site_closed"]\nafter = "2s"\n'


@pytest.fixture(scope="module")
def receiver() -> Iterator[Hooks]:
    """Who is told."""
    with hooks() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def port() -> int:
    """Where the mail host is, when it is there."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def base(receiver: Hooks, port: int) -> str:
    """The file without its alerts."""
    return BASE.format(here=HERE, port=port, url=receiver.url, secret=SECRET)


@pytest.fixture(scope="module")
def service(store_binary: object, base: str) -> Iterator[Service]:
    """It has one alert."""
    del store_binary
    service = Service(base + ALERT)
    try:
        service.start()
        yield service
    finally:
        service.clean()


def long_ago(service: Service) -> None:
    """What looks miss they miss for six minutes already."""
    store = Shards(service.url)
    try:

        def is_noted() -> bool:
            book = store.run(read_alerts())["ops"]
            standing = tuple(replace(one, gone_ms=one.gone_ms - 360_000) for one in book.standing)
            is_gone = bool(book.standing) and all(one.gone_ms for one in book.standing)
            return is_gone and bool(store.run(keep_alerts("ops", book, replace(book, standing=standing))))

        until(is_noted, 10, "it is noted between two looks")
    finally:
        store.close()


def follow(service: Service, config: str, says: str) -> None:
    """Write the file and ask for a reload."""
    service.configure(config)
    assert service.process is not None
    assert service.process.stdout is not None
    service.process.send_signal(signal.SIGHUP)
    assert any(says in line for line in service.process.stdout)


def test_issue15_5_a_closed_site_is_told_once_and_again_when_it_is_over(
    service: Service, receiver: Hooks, port: int
) -> None:
    """By a webhook, signed as its events are; the mail that waited is delivered."""
    with service.client() as mail:
        receipt = mail.send(
            sender="app@shop.test", recipients=["a@example.net"], message=b"Subject: x\r\n\r\nHello\r\n"
        )
    until(lambda: bool(receiver.got), 20, "somebody is told")
    (began,) = receiver.got
    told = Webhook(SECRET).verify(began.body, dict(began.headers))
    assert (told["type"], told["data"]["kind"], told["data"]["level"]) == ("alert.began", "site_closed", "bad")
    until(lambda: service.json("alerts")[0]["standing"][0]["state"] == "told", 10, "it is noted")
    (alert,) = service.json("alerts")
    assert (alert["name"], alert["way"], alert["whom"], alert["looked_at"]) == ("ops", "webhook", "hook", True)
    assert alert["standing"][0]["since"] == told["data"]["since"]
    assert told["data"]["what"] in service.cli("alerts").stdout.decode()
    with listening(Mx(), HERE, port):
        service.wait_final(list(receipt.envelopes.values()), 20)
        assert len(receiver.got) == 1
        long_ago(service)
        until(lambda: len(receiver.got) == 2, 20, "that it is over is told")
    assert receiver.got[1].type == "alert.over"
    assert receiver.got[1].json["data"]["what"] == told["data"]["what"]


def test_issue15_5_an_alert_that_a_reload_takes_away_says_goodbye(
    service: Service, receiver: Hooks, base: str, port: int
) -> None:
    """Who was told by it hears that it is over, by its way; the process that does it knows no other table."""
    change(service, None)
    before = len(receiver.got)
    with service.client() as mail:
        receipt = mail.send(
            sender="app@shop.test", recipients=["b@example.net"], message=b"Subject: x\r\n\r\nHello\r\n"
        )
    until(lambda: len(receiver.got) > before, 20, "somebody is told")
    until(lambda: service.json("alerts")[0]["standing"][0]["state"] == "told", 10, "it is noted")
    follow(service, base, "reloaded: 0 alerts (and the end of what was told by ops)")
    change(service, 0)
    until(lambda: len(receiver.got) == before + 2, 20, "that it is over is told")
    over = receiver.got[-1].json
    assert (over["type"], over["data"]["removed"]) == ("alert.over", True)
    until(lambda: not (service.folder / "var" / "alerts.json").exists(), 10, "nothing is left to be told")
    with listening(Mx(), HERE, port):
        service.wait_final(list(receipt.envelopes.values()), 20)
    follow(service, base + ALERT, "reloaded: 1 alert")


def change(service: Service, until_ms: int | None) -> None:
    """Nobody holds the book since then; ``None``: there is none."""
    store = Shards(service.url)
    try:

        def is_changed() -> bool:
            book = store.run(read_alerts())["ops"]
            return store.run(keep_alerts("ops", book, None if until_ms is None else replace(book, until_ms=until_ms)))

        until(is_changed, 10, "it is noted between two looks")
    finally:
        store.close()


def test_issue15_5_a_reload_is_followed_and_a_wrong_one_changes_nothing(service: Service, base: str) -> None:
    """Another table, none, and one again; the process that tells is another only where its tables are."""

    def telling() -> list[int]:
        return service.pids("softbounce_gateway.alerts")

    (first,) = telling()
    for wrong, why in (
        (base + ALERT.replace("site_closed", "\\q"), "old settings stay"),
        (base.replace(f'secret = "{SECRET}"', 'secret_file = "/nowhere/s"') + ALERT + ALERT.replace("ops", "b"), "/s"),
    ):
        said = len(service.log)
        service.configure(wrong)
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        until(lambda said=said, why=why: why in service.log[said:], 10, "what is wrong is said")  # type: ignore[misc]
    assert telling() == [first]
    follow(service, base + ALERT, "reloaded: settings version")
    assert telling() == [first]
    follow(service, base + ALERT + ALERT.replace('"ops"', '"desk"'), "reloaded: 2 alerts")
    assert len(telling()) == 1
    assert telling() != [first]
    follow(service, base, "no alert is told any more")
    assert telling() == []
    follow(service, base + ALERT, "reloaded: 1 alert")
    assert len(telling()) == 1


def test_issue15_sighup_ends_no_up_that_is_starting_and_is_done_later(store_binary: object) -> None:
    """However often it comes in its first half second: what it asks for is done when the service has begun."""
    del store_binary
    service = Service('[policy.default]\nwindow = "2h"\n')
    words = ["-m", "softbounce", "up", "--roles", "store,scheduler", "--config", str(service.config)]
    log = (service.folder / "stderr").open("ab")
    try:
        with subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        ) as process:
            try:
                until(lambda: is_caught(process.pid, signal.SIGHUP), 20, "it has come to its first line", pause=0.01)
                assert not is_caught(process.pid, signal.SIGTERM), "it is far from having a loop"
                for _ in range(20):
                    process.send_signal(signal.SIGHUP)
                    time.sleep(0.03)
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                assert any(line.startswith("ready") for line in lines)
                assert any(line.startswith("reloaded: settings version") for line in lines)
                process.terminate()
                assert process.wait(20) == 0
            finally:
                process.kill()
    finally:
        log.close()
        service.clean()


def is_caught(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    caught = next(line for line in status if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
