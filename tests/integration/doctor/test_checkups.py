"""Health that stands: one look at a time on each machine, kept in the store, and none that hangs for ever."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from mailbag import Mailbag, open_bag
from service import run_cli
from softbounce_config import Config, load
from softbounce_config.identity import host_label
from softbounce_gateway.checkups.looking import LEASE_MS, look
from softbounce_gateway.doctor import Finding, Patient, certificates
from softbounce_gateway.doctor.finding import fail, good, unknown
from softbounce_gateway.supervise.program import Program
from softbounce_gateway.up.checkups import Checkups

from softbounce import Client
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.health import MOST_MACHINES, Checkup, KeptFinding, keep_checkup, read_checkups
from softbounce.store.published import publish_settings

if TYPE_CHECKING:
    from doctoring import Beside
    from servers import Valkey


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """A store with settings."""
    with open_bag(store_server.url) as bag:
        bag.store.run(publish_settings(Settings(version=1), over=0))
        yield bag


@pytest.fixture
def config(bag: Mailbag, beside: Beside, tmp_path: Path) -> Config:
    """A configuration of it, with a name server that is true."""
    file = tmp_path / "softbounce.toml"
    server = beside.dns({}).nameserver
    file.write_text(f'[store]\nurl = "{bag.store.url}"\n[dns]\nnameservers = ["{server}"]\n[health]\nevery = "1m"\n')
    return load(file, environ={})


def make_due(bag: Mailbag) -> None:
    """As if the last look were long ago."""
    name, checkup = next(iter(bag.store.run(read_checkups()).items()))
    long_ago = Checkup(at_ms=checkup.at_ms - 3_600_000, findings=checkup.findings)
    assert bag.store.run(keep_checkup(name, checkup, long_ago))


def test_issue15_4_a_look_is_kept_and_what_turned_red_is_told(bag: Mailbag, config: Config) -> None:
    """With since when it is so; by command, and in the event log; what changed back is told too."""
    state = good("SPF", "it may send")

    def check(_: Patient) -> Iterable[Finding]:
        yield state

    assert look(config, {"senders": check})
    assert not look(config, {"senders": check})  # it is not due
    make_due(bag)
    state = fail("SPF", "it may not", "add it")
    assert look(config, {"senders": check})
    make_due(bag)
    state = unknown("SPF", "the name server is away", "mend it")
    assert look(config, {"senders": check})
    with Client(bag.store.url) as mail:
        (machine,) = mail.health()
        (one,) = machine.findings
        assert (machine.machine, one.state, one.known) == (host_label(), "unknown", "fail")
        events = [event for event in mail.events() if event.kind == "health_changed"]
        assert [(event.reason, event.text, event.id) for event in events] == [("fail", "SPF", "")]
    environ = {"SOFTBOUNCE_URL": bag.store.url}
    shown = run_cli("doctor", "--last", "--json", environ=environ, folder=Path(config.data_dir).parent)
    told = json.loads(shown.stdout)
    assert (shown.returncode, told["ok"], told["machines"][0]["findings"][0]["known"]) == (0, True, "fail")


def test_issue15_4_a_check_that_hangs_has_a_bound(bag: Mailbag, config: Config) -> None:
    """It is said not to have ended; what the others found counts."""
    del bag
    hangs = threading.Event()

    def hang(_: Patient) -> Iterable[Finding]:
        hangs.wait(30)
        yield good("disk", "it answers at last")

    began = time.monotonic()
    assert look(config, {"disk": hang, "clock": lambda _: [good("clock", "right")]}, seconds=0.3)
    hangs.set()
    assert time.monotonic() - began < 5
    with Client(config.store_url) as mail:
        states = {one.check: one.state for one in mail.health()[0].findings}
    assert states == {"disk": "unknown", "clock": "ok"}


def test_issue15_4_one_looks_and_one_that_died_is_no_hindrance(bag: Mailbag, config: Config) -> None:
    """Who looks has the machine for two minutes: nobody else looks meanwhile, and afterwards somebody does."""
    checks = {"clock": lambda _: [good("clock", "right")]}
    now_ms = bag.raw.time()[0] * 1000
    for until_ms, is_free in ((now_ms + 60_000, False), (now_ms - 1, True)):
        for name, one in bag.store.run(read_checkups()).items():
            bag.store.run(keep_checkup(name, one, None))
        assert bag.store.run(keep_checkup(host_label(), Checkup(), Checkup(looking_until_ms=until_ms)))
        assert look(config, checks) is is_free
    assert LEASE_MS == 120_000


def test_issue15_4_what_is_kept_of_machines_is_bounded(bag: Mailbag, config: Config) -> None:
    """Of containers with a new name each time the old ones are forgotten; what is nothing of ours is passed over."""
    old = Checkup(at_ms=1, findings=(KeptFinding(check="c", what="w", state="ok"),))
    for number in range(MOST_MACHINES):
        assert bag.store.run(keep_checkup(f"gone-{number}", Checkup(), old))
    assert not bag.store.run(keep_checkup("one-more", Checkup(), old))
    bag.raw.hset(keys.key(keys.HOME, "health"), "junk", b"\x00\x01\x02")
    assert look(config, {"clock": lambda _: [good("clock", "right")]})
    assert list(bag.store.run(read_checkups())) == [host_label()]
    bag.raw.set(keys.key(keys.HOME, "health"), "junk")
    assert bag.store.run(read_checkups()) == {}
    assert look(config, {"clock": lambda _: [good("clock", "right")]})


def test_issue15_4_up_ends_a_look_that_does_not_end() -> None:
    """The process that looks is killed at its bound, and the next look begins; `up` itself never waits."""
    program = Program(name="look", arguments=(sys.executable, "-c", "import time; time.sleep(60)"))
    begun: list[float] = []

    async def run() -> None:
        third = asyncio.Event()

        def begin() -> Program:
            begun.append(time.monotonic())
            if len(begun) == 3:
                third.set()
            return program

        task = asyncio.create_task(Checkups(timedelta(seconds=0.1), begin, first_after=0.0, within=0.2).run())
        await third.wait()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(asyncio.wait_for(run(), 15))
    assert len(begun) == 3


@pytest.mark.parametrize(("days", "state"), [(60, "ok"), (10, "warn"), (2, "fail"), (-1, "fail")])
def test_issue15_4_a_certificate_that_ends_is_said_before_it_does(tmp_path: Path, days: int, state: str) -> None:
    """Two weeks before as a warning, three days before as a failure, with the file to renew."""
    pem = Authority(tmp_path).sign("mail.a.test", days=days)
    file = tmp_path / "softbounce.toml"
    file.write_text(f'[gateway]\ntls_certificate = "{pem}"\ntls_key = "{pem}"\n')
    patient = Patient(config=load(file, environ={}))
    (one,) = certificates.check(patient)
    assert (str(one.state), bool(one.mend)) == (state, state != "ok")
    assert (str(pem) in one.mend) is (state != "ok")
    above = Authority(tmp_path).under()
    shown = above.sign("mail.a.test", days=60)
    file.write_text(f'[gateway]\ntls_certificate = "{shown}"\ntls_key = "{shown}"\n')
    (one,) = certificates.check(Patient(config=load(file, environ={})))
    assert (str(one.state), "one above it (CN=an authority below another) ends in" in one.found) == ("fail", True)
    pem.write_text("junk")
    (one,) = certificates.check(patient)
    assert "cannot be read" in one.found
