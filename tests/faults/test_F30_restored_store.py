"""F30: the store is restored from a backup. Journals tell it the last minute; what is older is noticed and held."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from backups import HOUR_MS, age_by_an_hour, back_up, forget_journals, marked, put_back, witness_of
from dying import running_worker
from reckon import copies_in, entries, reckon, send_each
from service import PlaygroundProcess, Service, run_cli, until

from softbounce.client.shown import rfc3339
from softbounce.store import keys

if TYPE_CHECKING:
    from collections import Counter

    from conftest import StartService, StartStore
    from servers import Valkey

CONFIG = """
[store]
url = "{url}"
shards = {shards}
[worker]
lease = "2s"
processes = 1
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
ENVELOPES = 30
SOME_TIME = 1.5
"""Seconds in which a service that may send would have sent: it is due, and a sweep is 500 ms."""


def refused(service: Service, *options: str) -> str:
    """Start it in vain; what it complained of."""
    done = run_cli("up", "--config", service.config, *options, folder=service.folder)
    assert done.returncode == 3, done
    return done.stderr.decode()


def copies(playground: PlaygroundProcess) -> Counter[str]:
    """What the hosts have, once it is written down."""
    time.sleep(SOME_TIME)
    return copies_in(entries(playground))


def test_F30_what_was_delivered_since_the_backup_is_not_sent_again(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess
) -> None:
    """Its workers live on, and their journals know each 250 of the last minute: no extra copy, and nothing is lost."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1), "scheduler")
    with running_worker(service) as worker:
        worker.wait_ready()
        at = datetime.now(UTC) + timedelta(seconds=2)
        ids = send_each(service, [f"accept+{n}@d{n % 3}.test" for n in range(ENVELOPES)], at=at)
        time.sleep(0.2)
        backup = back_up(server)  # while nothing moves
        service.wait_final(ids, 20)
        put_back(server, backup)
        with service.client() as mail:
            until(lambda: mail.queue().states.get("delivered", 0) == ENVELOPES, 30, "the store knows it again")
        ended = service.wait_final(ids, 30)
        time.sleep(1)
    assert reckon(playground, ended) == 0
    assert sum(copies_in(entries(playground)).values()) == ENVELOPES


@pytest.mark.long
@pytest.mark.parametrize("shards", [pytest.param(1, marks=pytest.mark.thorough), 4])
def test_F30_a_backup_of_an_hour_ago_is_refused_held_and_reported(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess, shards: int
) -> None:
    """No journal knows what was delivered since: up refuses; told to hold all it sends nothing, and reports exactly."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=shards))
    now = datetime.now(UTC)
    with service.client() as mail:
        service.wait_final(send_each(service, [f"accept+before{n}@d{n}.test" for n in range(5)]), 20)
        held = send_each(service, [f"accept+held{n}@d0.test" for n in range(2)], at=now + timedelta(minutes=30))
        assert {mail.hold(one) for one in held} == {"held"}
        later = send_each(service, [f"accept+later{n}@d1.test" for n in range(10)], at=now + timedelta(hours=1))
        hanging = send_each(service, [f"accept+hang{n}@hangat-dot.h{n}.test" for n in range(2)])
        since = send_each(service, [f"accept+{n}@d{n % 3}.test" for n in range(20)], at=now + timedelta(seconds=5))
        with server.client() as client:
            until(lambda: marked(client, shards) == len(hanging), 4, "two dots have left")
        backup = back_up(server)
        newest = max(event.at for event in mail.events())
        service.wait_final(since, 20)
    service.kill()
    forget_journals(service)
    before = copies(playground)
    put_back(server, backup)
    age_by_an_hour(service)

    said = refused(service)
    assert "is an older copy" in said
    assert f"{newest:%Y-%m-%d %H:%M:%S} UTC" in said
    assert "softbounce up --hold-all" in said
    assert "softbounce up --accept-copy" in said
    service.start("--hold-all", "--json")
    (report,) = [json.loads(line) for line in service.said if line.startswith("{")]
    age = report.pop("age_seconds")
    assert 0 < age < (datetime.now(UTC) - newest).total_seconds()
    assert report.pop("at") > report["store_knows_until"]
    assert report == {
        "report": "hold_all",
        "store_knows_until": rfc3339(newest),
        "held": 32,
        "may_duplicate": {
            "count": 22,
            "uncertain": 2,
            "streams": {"": 22},
            "sites": report["may_duplicate"]["sites"],
        },
        "restored": 10,
        "held_before": {"operator": 2},
    }
    assert sum(report["may_duplicate"]["sites"].values()) == 22
    assert copies(playground) == before, "something was sent"

    assert service.json("queue", "--state", "held")["held_for"] == {"may_duplicate": 22, "restored": 10, "operator": 2}
    assert service.json("show", since[0])["held_for"] == "may_duplicate"
    assert "it may have been delivered" in " ".join(service.cli("explain", since[0]).stdout.decode().split())
    for one in hanging:
        assert_uncertain_and_held(service, one)
    assert service.json("release", "--held-for", "restored")["answers"] == {"released": 10}
    assert service.json("cancel", "--held-for", "may_duplicate")["answers"] == {"cancelled": 22}
    with service.client() as mail:
        assert {mail.show(one).state for one in later} == {"scheduled"}
        mail.release(held[0])
        assert mail.retry(held[0]) == "scheduled"
    service.wait_final(held[:1], 20)
    assert copies(playground) - before == {"accept+held0@d0.test": 1}
    assert service.stop() == 0
    service.start()  # the copy is what it knows now


def assert_uncertain_and_held(service: Service, identity: str) -> None:
    """Its dot may have left when the backup was taken: that attempt is charged and uncertain."""
    with service.client() as mail:
        attempt = mail.show(identity).attempts[-1]
        assert (attempt.uncertain, attempt.charged) == (True, True)
        assert [event.reason for event in mail.events() if event.id == identity][-1] == "may_duplicate"


def test_F30_a_250_in_a_journal_wins_over_the_hold(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess
) -> None:
    """Mail is held that a dead worker's journal knows as delivered: its replay makes it so, the rest stays held."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1))
    at = datetime.now(UTC) + timedelta(seconds=2)
    ids = send_each(service, [f"accept+{n}@d{n % 3}.test" for n in range(ENVELOPES)], at=at)
    late = send_each(service, ["accept+late@d0.test"], at=at + timedelta(hours=1))
    time.sleep(0.2)
    backup = back_up(server)
    service.wait_final(ids, 20)
    service.kill()
    before = copies(playground)
    put_back(server, backup)
    age_by_an_hour(service)
    service.start("--hold-all", "--roles", "scheduler")
    with service.client() as mail:
        assert mail.queue(held_for="may_duplicate").total == ENVELOPES
        with running_worker(service) as worker:
            worker.wait_ready()
            ended = service.wait_final(ids, 20)
            assert mail.queue(state="held").held_for == {"restored": 1}
            assert mail.show(late[0]).state == "held"
        assert {event.kind for event in mail.events() if event.id in ids} == {"accepted", "held", "delivered_late"}
    assert {shown.state for shown in ended.values()} == {"delivered"}
    assert copies(playground) == before


def test_F30_holding_that_was_killed_is_gone_on_with(start_store: StartStore, start: StartService) -> None:
    """Half of the mail is held: neither up nor a worker works with it, and the next --hold-all reports all of it."""
    number = 6000
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1), "scheduler")
    send_each(
        service, [f"accept+{n}@d{n % 100}.test" for n in range(number)], at=datetime.now(UTC) + timedelta(hours=1)
    )
    assert service.stop() == 0
    age_by_an_hour(service)
    command = [sys.executable, "-m", "softbounce", "up", "--config", str(service.config), "--hold-all"]
    with (
        subprocess.Popen([*command, "--roles", "scheduler"], stdout=subprocess.DEVNULL) as holding,  # noqa: S603
        server.client() as client,
    ):
        until(lambda: client.zcard(keys.key(0, "held")) > 0, 20, "it holds", pause=0.001)
        os.kill(holding.pid, signal.SIGKILL)
    with server.client() as client:
        assert 0 < client.zcard(keys.key(0, "held")) < number
        held = client.zcard(keys.key(0, "held"))
        newest = client.hget(keys.key(0, "witness"), "until")
    assert "begun and not ended" in refused(service)
    with running_worker(service) as worker:
        assert worker.wait(20) == 3
    assert "no worker is let in" in service.log
    service.start("--hold-all", "--json", "--roles", "scheduler")
    (report,) = [json.loads(line) for line in service.said if line.startswith("{")]
    assert held < report["held"] == report["restored"] == number
    assert report["store_knows_until"] == rfc3339(datetime.fromtimestamp(int(newest) / 1000, UTC))


@pytest.mark.long
@pytest.mark.parametrize(
    "is_since",
    [pytest.param(False, marks=pytest.mark.thorough), True],
    ids=["worker of before", "worker started since"],
)
def test_F30_a_store_that_is_replaced_while_up_runs_ends_it(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess, *, is_since: bool
) -> None:
    """A copy of an hour ago takes the store's place under a service: nothing of it is sent, and up ends with 3."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1))
    at = datetime.now(UTC) + timedelta(seconds=2)
    ids = send_each(service, [f"accept+{n}@d{n % 3}.test" for n in range(ENVELOPES)], at=at)
    send_each(service, ["accept+later@d0.test"], at=at + timedelta(hours=1))  # which no living worker's journal knows
    time.sleep(0.2)
    backup = back_up(server)
    if is_since:  # the copy does not know it: it loses its lease there, and another is to be started
        os.kill(service.pids("softbounce_worker")[0], signal.SIGKILL)
    service.wait_final(ids, 20)
    before = copies(playground)
    seen_ms = _in_an_hour(server)
    until(lambda: json.loads(witness_of(service).read_text())["seen_ms"][0] >= seen_ms, 20, "up saw it")
    time.sleep(6)  # the worker looks every 5 s
    forget_journals(service)
    put_back(server, backup)
    assert service.process is not None
    assert service.process.wait(30) == 3
    assert "was replaced while we ran" in service.log
    assert copies(playground) == before
    assert "is an older copy" in refused(service)


def _in_an_hour(server: Valkey) -> int:
    """As if it were noted for the last time in an hour; that time."""
    with server.client() as client:
        until(lambda: client.hexists(keys.key(0, "witness"), "at"), 20, "it is noted for the first time")
        return int(client.hincrby(keys.key(0, "witness"), "at", HOUR_MS))


def test_F30_a_copy_that_is_accepted_is_sent_again(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess
) -> None:
    """Whoever accepts the copy as it is gets what was said: what was delivered since goes out once more."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1))
    ids = send_each(service, ["accept@d0.test"], at=datetime.now(UTC) + timedelta(seconds=2))
    time.sleep(0.2)
    backup = back_up(server)
    service.wait_final(ids, 20)
    service.kill()
    forget_journals(service)
    put_back(server, backup)
    age_by_an_hour(service)
    service.start("--accept-copy")
    service.wait_final(ids, 20)
    assert copies(playground) == {"accept@d0.test": 2}
    assert service.stop() == 0
    service.start()


def test_F30_an_emptied_store_is_complained_of_and_used(start_store: StartStore, start: StartService) -> None:
    """Nothing can be sent twice from a store without mail: up says what is missing, and works."""
    server = start_store()
    service = start(CONFIG.format(url=server.url, shards=1), "scheduler")
    send_each(service, ["accept@d0.test"], at=datetime.now(UTC) + timedelta(hours=1))
    assert service.stop() == 0
    server.flush()
    service.start("--roles", "scheduler")
    assert "knows nothing of what was seen there" in service.log
    assert service.stop() == 0
    said = service.log
    service.start("--roles", "scheduler")
    assert service.log == said


def test_F30_a_data_folder_that_was_put_back_is_noticed(start: StartService) -> None:
    """The whole folder is restored, its witness with it: its mail is not touched before somebody says so."""
    service = start("", "store", "scheduler")
    send_each(service, ["accept@d0.test"], at=datetime.now(UTC) + timedelta(hours=1))
    assert service.stop() == 0
    folder = service.folder / "var"
    folder.rename(service.folder / "original")
    shutil.copytree(service.folder / "original", folder)
    assert "is a copy: moved here, or put back from a backup" in refused(service, "--roles", "store,scheduler")
    service.start("--hold-all", "--roles", "store,scheduler")
    assert "All its mail is held: 1 envelope." in service.said
    assert service.stop() == 0
    service.start("--roles", "store,scheduler")
