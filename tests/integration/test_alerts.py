"""Alerts on a real store: by mail, by a program, and where who tells is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hooks import SECRET, hooks
from mailbag import Mailbag, open_bag
from msgspec.structs import replace
from service import run_cli, until
from softbounce_config import load
from softbounce_config.alerts import AlertSection
from softbounce_gateway.alerts.remembered import is_any_removed
from softbounce_gateway.alerts.service import AlertService
from softbounce_gateway.alerts.teller import Teller
from softbounce_gateway.alerts.telling import Message, Said, by_command
from softbounce_gateway.doctor.alerts import check as check_alerts
from softbounce_gateway.doctor.finding import State
from softbounce_gateway.doctor.patient import Patient
from softbounce_gateway.metrics.reading import Metrics
from standardwebhooks import Webhook

from softbounce import Client
from softbounce.client.now.view import Finding, Now
from softbounce.settings import Settings
from softbounce.store.alerts import MOST_BOOKS, AlertBook, keep_alerts, read_alerts
from softbounce.store.published import publish_settings
from softbounce.store.shards import AsyncShards

if TYPE_CHECKING:
    from servers import Valkey

LOOKING = "import sys, test_alerts; test_alerts.look(test_alerts.Path(sys.argv[1]), 3)"


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """A store with settings, and no scheduler: that is trouble."""
    with open_bag(store_server.url) as bag:
        bag.store.run(publish_settings(Settings(version=1), over=0))
        yield bag


def config_file(bag: Mailbag, folder: Path, way: str) -> Path:
    """One alert."""
    file = folder / "softbounce.toml"
    alert = f'[[alert]]\nname = "ops"\nafter = "10ms"\nlevel = "bad"\nkinds = ["no_scheduler"]\n{way}\n'
    file.write_text(f'[store]\nurl = "{bag.store.url}"\n[identity]\nhostname = "mail.example.com"\n{alert}')
    return file


def program(folder: Path, body: str) -> Path:
    """A program."""
    file = folder / "page"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return file


def look(config_path: Path, times: int, *, ends: bool = False) -> None:
    """So many looks of a process that is new, each later than ``after``.

    :param ends: it ends in good order.
    """

    async def run() -> None:
        service = AlertService(load(config_path, environ={}))
        service.remember()
        for _ in range(times):
            await service.look()
            await service.told()
            await asyncio.sleep(0.03)
        if ends:
            await service.let_go()
        await service.close()

    asyncio.run(run())


def change(bag: Mailbag, **changes: object) -> None:
    """Change the book; its owner's lease is over."""
    book = bag.store.run(read_alerts())["ops"]
    assert bag.store.run(keep_alerts("ops", book, replace(book, **{"until_ms": 0, **changes})))


def alive_in(group: str) -> list[str]:
    """The processes of a group that are not dead; whoever collects the dead may take its time."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [stat.parent.name] if its_group == group and state not in "ZX" else []
    return found


def untold_by(file: Path) -> tuple[int, State]:
    """What metrics say of it, and the doctor."""
    config = load(file, environ={})

    async def read() -> int:
        store = AsyncShards(config.store_url)
        reading = await Metrics(store, alerts=frozenset({"ops"})).now()
        await store.close()
        return reading.untold["ops"]

    (line,) = check_alerts(Patient(config=config))
    return asyncio.run(read()), line.state


def mail_of_alerts(bag: Mailbag) -> list[str]:
    """From whom, and to whom."""
    with Client(bag.store.url) as mail:
        return [f"{one.sender}>{one.recipient}" for one in mail.page(stream="alerts").envelopes]


def test_issue15_5_trouble_is_told_once_by_mail_that_nobody_answers_to(bag: Mailbag, tmp_path: Path) -> None:
    """From the null sender, in a stream of its own; nor is it written again where it was told and not noted."""
    file = config_file(bag, tmp_path, 'to = "ops@example.net"')
    look(file, 4)
    assert mail_of_alerts(bag) == [">ops@example.net"]
    change(bag)
    look(file, 3)
    assert mail_of_alerts(bag) == [">ops@example.net"]
    (standing,) = bag.store.run(read_alerts())["ops"].standing
    assert standing.told_ms
    change(bag, standing=(replace(standing, told_ms=0, quiet_ms=0),), told=())
    look(file, 3)
    assert bag.store.run(read_alerts())["ops"].standing[0].told_ms
    assert mail_of_alerts(bag) == [">ops@example.net"]
    change(bag, standing=(replace(standing, key="it was another", kind="no_scheduler", gone_ms=1),))
    look(file, 3)
    assert len(mail_of_alerts(bag)) == 3, "what is over is told, and what is new"


def test_issue15_5_of_two_processes_one_tells(bag: Mailbag, tmp_path: Path) -> None:
    """The other one waits until its lease is over."""
    page = program(tmp_path, f"cat >> {tmp_path}/told")
    file = config_file(bag, tmp_path, f'command = ["{page}"]')
    look(file, 1)
    look(file, 3)
    assert not (tmp_path / "told").exists()
    change(bag)
    look(file, 3)
    (line,) = (tmp_path / "told").read_text().splitlines()
    assert json.loads(line)["kind"] == "no_scheduler"


def test_issue15_5_who_is_killed_between_telling_and_noting_has_it_told_again_by_its_id(
    bag: Mailbag, tmp_path: Path
) -> None:
    """At least once, and whoever hears it twice can tell."""
    page = program(
        tmp_path, f'echo "$SOFTBOUNCE_ALERT_ID" >> {tmp_path}/told; [ -e {tmp_path}/spare ] || kill -9 $PPID'
    )
    file = config_file(bag, tmp_path, f'command = ["{page}"]')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    killed = subprocess.run([sys.executable, "-c", LOOKING, str(file)], env=environment, check=False, timeout=30)  # noqa: S603 - our own
    assert killed.returncode == -signal.SIGKILL
    assert bag.store.run(read_alerts())["ops"].standing[0].maybe, "where it ended by now that would be told"
    (tmp_path / "spare").touch()
    change(bag)
    look(file, 5)
    told = (tmp_path / "told").read_text().splitlines()
    assert len(told) == 2
    assert told[0] == told[1]
    assert told[0].startswith("alert-ops-")


def test_issue15_5_a_program_gets_what_a_host_said_as_text_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shell reads it, no secret is in its environment."""
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", "redis://:s3cret@h")
    page = program(tmp_path, f"cat > {tmp_path}/told; env > {tmp_path}/environment")
    table = AlertSection(name="ops", command=(str(page),))
    what = f"$(touch {tmp_path}/owned); `touch {tmp_path}/owned` \n'\""
    assert asyncio.run(by_command(table, Message("alert-1", "began", what, what, {"what": what}))).is_told
    assert json.loads((tmp_path / "told").read_text()) == {"what": what}
    assert not (tmp_path / "owned").exists()
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL"} == {"PATH", "LANG", "SOFTBOUNCE_ALERT", "SOFTBOUNCE_ALERT_ID"}


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        pytest.param("exit 0", True, id="one that does not read"),
        pytest.param("exit 3", False, id="one that fails"),
        pytest.param("sleep 60 & sleep 60", False, id="one that hangs"),
    ],
)
def test_issue15_5_a_program_has_its_time_and_leaves_nothing_behind(
    body: str, *, is_told: bool, tmp_path: Path
) -> None:
    """Where it fails it is tried again."""
    page = program(tmp_path, f"echo $$ > {tmp_path}/group\n{body}")
    table = AlertSection(name="ops", command=(str(page),))
    data = {"what": "x" * 1_000_000}
    began = time.monotonic()
    said = asyncio.run(by_command(table, Message("alert-1", "began", "", "", data), seconds=1.0))
    assert said.is_told is is_told
    assert time.monotonic() - began < 10
    group = (tmp_path / "group").read_text().strip()
    until(lambda: alive_in(group) == [], 5, "what was killed is dead")


def test_issue15_5_a_book_that_nobody_can_read_is_begun_anew(bag: Mailbag, tmp_path: Path) -> None:
    """It stops no other table, and no process."""
    assert bag.store.run(keep_alerts("other", AlertBook(), AlertBook()))
    bag.raw.hset("sb:{0}:alerts", "ops", b"\x00\x00\x00\x01nonsense")
    look(config_file(bag, tmp_path, 'to = "ops@example.net"'), 3)
    assert bag.store.run(read_alerts())["ops"].standing[0].told_ms
    assert mail_of_alerts(bag) == [">ops@example.net"]


def test_issue15_5_tables_that_are_no_more_leave_room_for_those_that_are(bag: Mailbag, tmp_path: Path) -> None:
    """Of many names that were used once those go first that nobody holds for longest; one that is held stays."""
    for number in range(MOST_BOOKS):
        held = 1 << 50 if number == 0 else number
        assert bag.store.run(keep_alerts(f"n{number}", AlertBook(), AlertBook(until_ms=held)))
    look(config_file(bag, tmp_path, 'to = "ops@example.net"'), 3)
    assert set(bag.store.run(read_alerts())) == {"ops", "n0", *(f"n{number}" for number in range(2, MOST_BOOKS))}
    assert mail_of_alerts(bag) == [">ops@example.net"]


def test_issue15_5_a_summary_comes_once_a_day(bag: Mailbag, tmp_path: Path) -> None:
    """A table that is new begins with the next; who failed to tell it tries again."""
    page = program(tmp_path, f'[ "$SOFTBOUNCE_ALERT" = summary ] && cat >> {tmp_path}/told; exit 0')
    file = config_file(bag, tmp_path, f'command = ["{page}"]\nsummary = "00:00"')
    look(file, 2)
    assert not (tmp_path / "told").exists()
    change(bag, summed_up="2020-01-01")
    look(file, 3)
    (line,) = (tmp_path / "told").read_text().splitlines()
    assert json.loads(line)["standing"]


def test_issue15_5_the_process_says_ready_and_ends_when_told(bag: Mailbag, tmp_path: Path) -> None:
    """As `up` runs it."""
    file = config_file(bag, tmp_path, 'to = "ops@example.net"')
    command = [sys.executable, "-m", "softbounce_gateway.alerts", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        assert process.stdout.readline() == "ready 1 alert\n"
        process.terminate()
        assert process.wait(10) == 0


def test_issue15_5_a_test_alert_goes_by_each_way_and_what_came_of_it_is_said(bag: Mailbag, tmp_path: Path) -> None:
    """Exit code 1 where one was not told; the others are, and nothing of it stands."""
    good = program(tmp_path, f"cat > {tmp_path}/told")
    status = 200
    with hooks(lambda _got: status) as receiver:
        file = config_file(bag, tmp_path, 'to = "ops@example.net"')
        more = f'[[webhook]]\nname = "h"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'
        more += f'[[alert]]\nname = "page"\ncommand = ["{good}"]\n[[alert]]\nname = "hook"\nwebhook = "h"\n'
        file.write_text(file.read_text() + more)
        done = run_cli("alerts", "--test", "--json", "--config", file)
        assert done.returncode == 0, done.stderr
        by_mail, by_program, by_hook = json.loads(done.stdout)
        (got,) = receiver.got
        assert Webhook(SECRET).verify(got.body, dict(got.headers))["type"] == "alert.test"
        assert b"hook: nobody looks for trouble now" in done.stderr
        assert by_hook == {"name": "hook", "ok": True, "said": "200 OK"}
        assert by_program == {"name": "page", "ok": True, "said": f"{good} ended with 0"}
        with Client(bag.store.url) as mail:
            assert mail.show(by_mail["said"].removeprefix("accepted as ")).recipient == "ops@example.net"
        assert json.loads((tmp_path / "told").read_text())["state"] == "test"
        assert (
            b"Nothing stands. Told of trouble: ops (to ops@example.net), page"
            in run_cli("alerts", "--config", file).stdout
        )
        status = 500
        good.unlink()
        done = run_cli("alerts", "--test", "--config", file)
    words = " ".join(done.stdout.decode().split())
    assert done.returncode == 1
    assert "hook NOT TOLD 500" in words
    assert f"page NOT TOLD {good}: No such file or directory" in words
    assert "ops told accepted as " in words
    assert bag.store.run(read_alerts()) == {}


def test_issue15_5_what_a_webhook_refuses_is_told_when_it_answers_again(bag: Mailbag, tmp_path: Path) -> None:
    """By the same id, signed, and once."""
    status = 503
    with hooks(lambda _got: status) as receiver:
        file = config_file(bag, tmp_path, 'webhook = "h"')
        file.write_text(f'{file.read_text()}[[webhook]]\nname = "h"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n')
        look(file, 4)
        (refused,) = receiver.got
        (standing,) = bag.store.run(read_alerts())["ops"].standing
        assert (standing.failures, standing.told_ms) == (1, 0)
        assert untold_by(file) == (1, State.FAIL)
        shown = run_cli("alerts", "--config", file)
        assert b"ops: webhook h failed 1 times, next try" in shown.stderr
        status = 200
        change(bag, standing=(replace(standing, next_ms=1),))
        look(file, 4)
        _, taken = receiver.got
    assert taken.id == refused.id
    assert untold_by(file) == (0, State.OK)
    assert Webhook(SECRET).verify(taken.body, dict(taken.headers))["data"]["kind"] == "no_scheduler"


@pytest.mark.parametrize("fault", ["raises", "hangs"])
def test_issue15_5_a_letter_that_cannot_go_keeps_no_other_back(bag: Mailbag, fault: str) -> None:
    """Whatever is wrong with it: the next one goes at the next look."""
    told: list[str] = []

    async def tell(message: Message) -> Said:
        if "broken" in message.text and fault == "raises":
            raise ValueError("it cannot be written")
        await asyncio.sleep(3 if "broken" in message.text else 0)
        told.append(message.text.partition("\n")[0])
        return Said(is_told=True, words="")

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        table = AlertSection(name="ops", to="a@b.test", after=timedelta(milliseconds=1))
        teller = Teller(table, "token", "h", store, tell)
        teller.seconds = 0.1
        for second in range(3):
            at = datetime.now(UTC) + timedelta(seconds=second)
            findings = [
                Finding(kind="webhook", scope="us", level="bad", what=word, about=word) for word in ("broken", "second")
            ]
            book = (await store.run(read_alerts())).get("ops", AlertBook())
            await teller.step(book, Now(at=at, flows="no", sentence="", findings=findings), {})
        await store.close()

    asyncio.run(run())
    assert told == ["second"]
    standing = {one.what: one for one in bag.store.run(read_alerts())["ops"].standing}
    assert (standing["broken"].failures, standing["broken"].maybe, standing["second"].maybe) == (1, 1, 0)


def test_issue15_5_who_heard_by_a_table_that_is_no_more_hears_the_end(bag: Mailbag, tmp_path: Path) -> None:
    """By the way that it had, once, when no other machine has the table; what nobody heard is told to nobody."""
    page = program(tmp_path, f"cat >> {tmp_path}/told")
    file = config_file(bag, tmp_path, f'command = ["{page}"]')
    folder = tmp_path / "var"
    folder.mkdir()

    def told() -> list[dict[str, object]]:
        return [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]

    look(file, 4, ends=True)
    (began,) = told()
    file.write_text(file.read_text().partition("[[alert]]")[0])
    assert is_any_removed(folder, ())
    look(file, 3)
    assert len(told()) == 1, "another machine may have it"
    change(bag, owner="another", until_ms=bag.store.run(read_alerts())["ops"].until_ms + 60_000)
    look(file, 3)
    assert len(told()) == 1, "another machine has it"
    change(bag)
    page.chmod(0)
    look(file, 3)
    change(bag)
    assert bag.store.run(read_alerts())["ops"].failed_why.endswith("Permission denied")
    page.chmod(0o700)
    look(file, 3)
    _, over = told()
    assert (over["state"], over["removed"], over["what"]) == ("over", True, began["what"])
    assert str(over["id"]).removesuffix("over") == str(began["id"]).removesuffix("began")
    assert bag.store.run(read_alerts()) == {}
    assert not is_any_removed(folder, ())
    look(file, 3)
    assert len(told()) == 2


def test_issue15_5_what_a_table_wants_no_more_is_told_to_be_over(bag: Mailbag) -> None:
    """Once, as nobody looks for it any more, also while something wide stands; what nobody heard is told to nobody."""
    told: list[dict[str, object]] = []

    async def tell(message: Message) -> Said:
        told.append(dict(message.data))
        return Said(is_told=True, words="")

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        heard, unheard, wide = (
            Finding(kind=kind, scope="us", level="bad", what=kind, about=kind) for kind in ("webhook", "site", "disk")
        )
        wide_kinds, narrow = ("webhook", "site"), ("disk",)
        for second, kinds, findings in (
            (0, wide_kinds, [heard]),
            (1, wide_kinds, [heard, unheard]),
            (2, narrow, [heard, unheard, wide]),
            (3, narrow, [heard, unheard, wide]),
            (4, narrow, [heard, unheard, wide]),
        ):
            table = AlertSection(name="ops", to="a@b.test", after=timedelta(milliseconds=500), kinds=kinds)
            at = datetime.now(UTC) + timedelta(seconds=second)
            book = (await store.run(read_alerts())).get("ops", AlertBook())
            now = Now(at=at, flows="no", sentence="", findings=findings)
            await Teller(table, "token", "h", store, tell).step(book, now, {})
        await store.close()

    asyncio.run(run())
    assert [(one["kind"], one["state"], one.get("removed")) for one in told] == [
        ("webhook", "began", None),
        ("webhook", "over", True),
        ("disk", "began", None),
    ]


def test_issue15_5_a_way_that_is_slow_is_its_table_s_alone(bag: Mailbag, tmp_path: Path) -> None:
    """Other tables are looked at and told meanwhile; it is not told twice at one time."""
    slow = program(tmp_path, f"echo x >> {tmp_path}/slow; sleep 1.5")
    file = config_file(bag, tmp_path, f'command = ["{slow}"]')
    more = f'[[alert]]\nname = "quick"\nafter = "10ms"\ncommand = ["/usr/bin/tee", "-a", "{tmp_path}/quick"]\n'
    file.write_text(f"{file.read_text()}{more}")

    async def run() -> None:
        service, store = AlertService(load(file, environ={})), AsyncShards(bag.store.url)
        began = time.monotonic()
        for _ in range(8):
            await service.look()
            await asyncio.sleep(0.05)
        seen = {name: one.standing[0].seen_ms for name, one in (await store.run(read_alerts())).items()}
        assert time.monotonic() - began < 1.5
        assert seen["quick"] - seen["ops"] > 100
        await service.told()
        await service.close()
        await store.close()

    asyncio.run(run())
    assert (tmp_path / "slow").read_text().splitlines() == ["x"]
    assert {json.loads(line)["kind"] for line in (tmp_path / "quick").read_text().splitlines()} >= {"no_scheduler"}
