"""Where dramatiq's jobs live: never among the mail while its server has another database, and never where none can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing

import dramatiq
import pytest
from conftest import StartService, StartStore
from servers import Valkey
from service import until
from softbounce_config import load
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.jobs_place import check_jobs
from softbounce_worker.job_broker import JobBroker

from softbounce import Client
from softbounce.errors import StoreError, StoreUnavailable
from softbounce.jobs import ACTOR, QUEUE, JobsPlace, jobs_place, open_jobs
from softbounce.store.shards import Shards

FEW = ("on", ">secret", "+@all", "-@admin", "-@dangerous")
"""What a user of a server that is shared may do, but for keys and databases."""


def place_of(store_url: str, jobs_url: str = "") -> JobsPlace:
    """Where jobs go."""
    store = Shards(store_url, patience=0.0)
    try:
        return jobs_place(store, jobs_url)
    finally:
        store.close()


def user(server: Valkey, *rules: str) -> str:
    """The URL of a store by a user of these rights."""
    with server.client() as raw:
        raw.execute_command("ACL", "SETUSER", "mail", "reset", *FEW, *rules)
    return server.url.replace("unix://", "unix://mail:secret@")


@pytest.mark.parametrize(("mail", "jobs"), [("", 1), ("?db=0", 1), ("?db=1", 2), ("?db=3", 1)])
def test_issue10_26_jobs_are_in_another_database_than_the_mail(store_server: Valkey, mail: str, jobs: int) -> None:
    """Database 1, and 2 when the mail is in 1."""
    assert place_of(store_server.url + mail) == JobsPlace(f"{store_server.url}?db={jobs}", "dramatiq")


def test_issue10_26_a_flush_of_jobs_takes_no_mail(start_store: StartStore, start: StartService) -> None:
    """Mail in database 1: jobs go to 2, as the reference says, and flushing them away loses nothing."""
    server = start_store()
    start(f'[store]\nurl = "{server.url}?db=1"\n')
    with Client(f"{server.url}?db=1") as mail:
        sent = mail.send(sender="a@a.test", recipients=["accept@b.test"], message=b"Subject: x\r\n\r\nx")
        (identity,) = sent.envelopes.values()
        until(lambda: mail.show(identity).state == "delivered", 20, "it is delivered")
        with server.client() as raw:
            jobs = {number for number in range(16) if raw.select(number) and list(raw.scan_iter("dramatiq:*"))}
            assert jobs == {2}
            raw.select(2)
            raw.flushdb()
        assert mail.show(identity).state == "delivered"


def test_issue10_29_a_server_with_one_database(start_store: StartStore, start: StartService) -> None:
    """Jobs are beside the mail, in a namespace of their own; that is said once at start, and no error each second."""
    server = start_store(options=("--databases", "1"))
    place = place_of(server.url)
    assert (place.url, place.namespace) == (server.url, "sb:{jobs}")
    assert "out of range" in place.beside_mail
    service = start(f'[store]\nurl = "{server.url}"\n')
    with Client(server.url) as mail:
        sent = mail.send(sender="a@a.test", recipients=["accept@b.test"], message=b"Subject: x\r\n\r\nx")
        (identity,) = sent.envelopes.values()
        until(lambda: mail.show(identity).state == "delivered", 20, "it is delivered")
    with server.client() as raw:
        assert list(raw.scan_iter("sb:{jobs}:*"))
    time.sleep(2)
    assert service.log.count("jobs are in the mail's own database") == 1
    assert "nexpected error" not in service.log


def test_issue10_26_the_last_database_is_the_mail_s(start_store: StartStore) -> None:
    """Mail in 1 of two: jobs go to 0, not beside it."""
    server = start_store(options=("--databases", "2"))
    assert place_of(f"{server.url}?db=1") == JobsPlace(f"{server.url}?db=0", "dramatiq")


@pytest.mark.parametrize(
    ("rules", "database", "namespace", "why"),
    [
        (("~*", "&*"), 1, "dramatiq", ""),
        (("~sb:*", "&sb:*"), 1, "sb:{jobs}", ""),
        (("~sb:*", "&sb:*", "-select"), None, "sb:{jobs}", "'select'"),
        (("~sb:*", "&sb:*", "-info", "-config"), 1, "sb:{jobs}", ""),
    ],
    ids=["all keys", "our keys", "no SELECT", "no INFO"],
)
def test_issue10_29_a_user_with_few_rights(
    store_server: Valkey, rules: tuple[str, ...], database: int | None, namespace: str, why: str
) -> None:
    """Jobs go where this user may go, and dramatiq can use the place."""
    url = user(store_server, *rules)
    place = place_of(url)
    assert place.url == (url if database is None else f"{url}?db={database}")
    assert place.namespace == namespace
    assert why in place.beside_mail
    assert bool(place.beside_mail) == (database is None)
    with open_jobs(place) as client:
        client.rpush(f"{namespace}:{QUEUE}", "x")


@pytest.mark.parametrize("rules", [("~*", "&*"), ("~sb:*", "&sb:*", "-select")], ids=["all keys", "our keys"])
def test_issue10_29_a_user_with_few_rights_forgets_the_dead(store_server: Valkey, rules: tuple[str, ...]) -> None:
    """Dramatiq looks for what they left with KEYS, which this one may not say: jobs would come late, for ever."""
    place = place_of(user(store_server, *rules))
    with open_jobs(place) as client:
        dead, living = (JobBroker(client=client, namespace=place.namespace) for _ in range(2))
        for number in range(40):
            args = (f"?d{number}.test",)
            dead.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=args, kwargs={}, options={}))
        taken, lives = (f"{place.namespace}:__{word}" for word in (f"acks__.{dead.broker_id}.{QUEUE}", "heartbeats__"))
        failed = f"{place.namespace}:{QUEUE}.XQ"
        assert len(dead.do_fetch(QUEUE, 40)) == client.scard(taken) == 40
        (one,) = client.srandmember(taken, 1)
        dead.do_nack(QUEUE, one)
        client.zadd(lives, {dead.broker_id: 1})
        client.zadd(failed, {one: 1})
        often = JobBroker(client=client, namespace=place.namespace, alive_every=0.0)
        until(
            lambda: often.do_fetch(QUEUE, 1) == [] and not client.zscore(lives, dead.broker_id), 10, "it is forgotten"
        )
        assert living.do_fetch(QUEUE, 1) == []
        assert [client.exists(key) for key in (taken, failed, f"{failed}.msgs", f"{place.namespace}:{QUEUE}.msgs")] == [
            0
        ] * 4
        assert set(client.zrange(lives, 0, -1)) >= {living.broker_id.encode(), often.broker_id.encode()}


def test_issue10_29_no_place_at_all_is_said(store_server: Valkey) -> None:
    """What is missing, and each way out."""
    url = user(store_server, "~sb:{0}:*", "&sb:*")
    with pytest.raises(StoreUnavailable, match=r"no place for jobs: .*sb:\{jobs\}:\*.*\[jobs\] url"):
        place_of(url)


def test_an_own_server_is_used_as_it_is(store_server: Valkey, start_store: StartStore) -> None:
    """Where the config names one; also one that is away just now."""
    own = start_store().url
    assert place_of(store_server.url, f"{own}?db=5") == JobsPlace(f"{own}?db=5", "dramatiq")
    assert place_of(store_server.url, "unix:///nowhere/jobs.sock").url == "unix:///nowhere/jobs.sock"


@pytest.mark.parametrize("number", [0, 1])
def test_issue11_a_jobs_url_that_names_the_mail_s_database_is_told(
    start_store: StartStore, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """However it is written, `up` says at start whose end a flush of jobs would be; and of no other database."""
    server = start_store()
    url = f"{server.url}?db={number}"
    with Client(url) as mail:
        mail.send(sender="a@a.test", recipients=["accept@b.test"], message=b"Subject: x\r\n\r\nx")
    for jobs in (url, f"{server.url}?d%62={number}"):
        assert place_of(url, jobs) == JobsPlace(jobs, "dramatiq", beside_mail="[jobs] url says so")
        asyncio.run(check_jobs(load(None, environ={"SOFTBOUNCE__STORE__URL": url, "SOFTBOUNCE__JOBS__URL": jobs})))
        assert "and [jobs] url says so: FLUSHDB there is the end of all mail" in capfd.readouterr().err
    for jobs in (f"{server.url}?db=3", ""):
        assert not place_of(url, jobs).beside_mail
        asyncio.run(check_jobs(load(None, environ={"SOFTBOUNCE__STORE__URL": url, "SOFTBOUNCE__JOBS__URL": jobs})))
        assert "FLUSHDB" not in capfd.readouterr().err


@pytest.mark.parametrize("options", ["?db=99", "?password=wrong&username=nobody"])
def test_issue10_29_a_jobs_url_that_never_works_is_refused(store_server: Valkey, options: str) -> None:
    """A database that is not there, a wrong password: by name, and not once a second for ever."""
    with pytest.raises(StoreUnavailable, match=r"\[jobs\] url .* cannot be used") as refused:
        place_of(store_server.url, store_server.url + options)
    assert "wrong" not in str(refused.value).replace("WRONGPASS", "")


def test_a_cluster_keeps_them_in_one_slot(cluster_server: Valkey) -> None:
    """It has no databases; the namespace's braces keep the queue together. Also where it may not be asked."""
    assert place_of(cluster_server.url) == JobsPlace(cluster_server.url, "{jobs}")
    place = place_of(user(cluster_server, "~*", "&*", "-info"))
    assert place.namespace == "sb:{jobs}"
    with cluster_server.client() as raw:
        raw.execute_command("ACL", "DELUSER", "mail")


def test_a_store_that_is_away_is_an_error() -> None:
    """A guess would send jobs where no worker looks."""
    with pytest.raises(StoreError):
        place_of("unix:///nowhere/store.sock")


@pytest.fixture(autouse=True)
def without_user(store_server: Valkey) -> Iterator[None]:
    """No test leaves its user to the next."""
    yield
    with store_server.client() as raw:
        raw.execute_command("ACL", "DELUSER", "mail")


def test_issue10_29_an_up_says_where_jobs_have_no_place(store_server: Valkey) -> None:
    """Not by restarting its children again and again."""
    environ = {"SOFTBOUNCE__STORE__URL": store_server.url, "SOFTBOUNCE__JOBS__URL": f"{store_server.url}?db=99"}
    with pytest.raises(StartFailed, match="out of range") as failed:
        asyncio.run(check_jobs(load(None, environ=environ)))
    assert failed.value.exit_code == 2


def test_issue10_29_a_store_that_is_away_is_no_mistake_of_the_configuration() -> None:
    """An `up` that meets it ends as without a store (3), so that whoever keeps it running starts it again."""
    environ = {"SOFTBOUNCE__STORE__URL": "unix:///nowhere/store.sock"}
    with pytest.raises(StartFailed) as failed:
        asyncio.run(check_jobs(load(None, environ=environ)))
    assert failed.value.exit_code == 3


@pytest.mark.parametrize("options", ["max_connections=1", "protocol=2", "decode_responses=True"])
def test_issue10_an_option_of_the_url_does_not_change_what_dramatiq_is_given(store_url: str, options: str) -> None:
    """Octets, lists and as many connections as it needs, also where the URL asks redis-py for others."""
    place = place_of(f"{store_url}?{options}")
    with closing(open_jobs(place)) as client:
        client.hset(f"{place.namespace}:x", "a", b"\xff")
        assert client.hgetall(f"{place.namespace}:x") == {b"a": b"\xff"}
        assert client.delete(f"{place.namespace}:x") == 1
        connections = [client.connection_pool.get_connection() for _ in range(3)]
        with closing(open_jobs(place_of(store_url))) as usual:
            plain = usual.connection_pool.get_connection()
            assert {one.protocol for one in connections} == {plain.protocol}
            usual.connection_pool.release(plain)
        for one in connections:
            client.connection_pool.release(one)


def test_issue10_nor_does_one_of_a_url_with_sentinels() -> None:
    """Neither for the primary nor for the sentinels, whose answers the library reads in one shape only."""
    options = "max_connections=1&protocol=2&decode_responses=True&client_name=jobs"
    with closing(open_jobs(JobsPlace(f"redis+sentinel://h:1/mail?{options}", "dramatiq"))) as client:
        pools = [
            client.connection_pool,
            *(one.connection_pool for one in client.connection_pool.sentinel_manager.sentinels),
        ]
        for pool in pools:
            assert pool.connection_kwargs["client_name"] == "jobs"
            assert pool.connection_kwargs.get("protocol") != 2
            assert not pool.connection_kwargs.get("decode_responses")
            assert pool.max_connections > 1
