"""Shards: what is sent again and what never is, whatever happens to connections and servers (F13, F14, F15, F16)."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha1
from typing import Protocol

import pytest
import redis
from conftest import StartStore
from proxy import Canned, Fault, Proxy
from servers import Valkey
from service import until

from softbounce.errors import StoreError, StoreFull, StoreUnavailable, StoreUncertain
from softbounce.store.call import Call, Operation, StoreAnswer
from softbounce.store.scripts import Script
from softbounce.store.shards import AsyncShards, Shards

KEY = b"sb:{0}:counter"


def made(text: bytes, name: str = "made") -> Script:
    """A script of a test's own."""
    return Script(name=name, text=text, sha=sha1(text, usedforsecurity=False).hexdigest().encode())


COUNT = made(b"#!lua\nreturn redis.call('INCR', KEYS[1])")
ECHO = made(b"#!lua flags=allow-oom,no-writes\nreturn ARGV[1]")
FAILS = made(b"#!lua\nredis.call('INCR', KEYS[1]) return redis.call('LPUSH', KEYS[1], 'x')")
BROKEN = made(b"#!lua\nthis is no Lua")


def count() -> Call:
    """A call whose executions can be counted."""
    return Call(0, COUNT, (KEY,), ())


class Store(Protocol):
    """Both kinds, as a thread sees them."""

    def call(self, calls: Sequence[Call]) -> list[StoreAnswer]:
        """StoreAnswer the calls."""
        ...

    def run(self, operation: Operation[object]) -> object:
        """Carry out an operation."""
        ...


class Looped:
    """An ``AsyncShards`` on a loop of its own, for tests that are written once for both."""

    def __init__(self, url: str, **options: float) -> None:
        self._runner = asyncio.Runner()
        self.store = AsyncShards(url, **options)

    def call(self, calls: Sequence[Call]) -> list[StoreAnswer]:
        """StoreAnswer the calls."""
        return self._runner.run(self.store.call(calls))

    def run(self, operation: Operation[object]) -> object:
        """Carry out an operation."""
        return self._runner.run(self.store.run(operation))

    def together(self, coroutine: Coroutine[None, None, list[StoreAnswer]]) -> list[StoreAnswer]:
        """Run something on the loop."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        """Close the connections and the loop."""
        self._runner.run(self.store.close())
        self._runner.close()


Opener = Callable[..., "Looped | Shards"]


@pytest.fixture(params=[Shards, Looped], ids=["threads", "asyncio"])
def open_store(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens a store by either kind of client."""
    opened: list[Looped | Shards] = []

    def open_it(url: str, **options: float) -> Looped | Shards:
        opened.append(request.param(url, **options))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def proxy(store_server: Valkey) -> Iterator[Proxy]:
    """A proxy before the standalone server."""
    with Proxy(store_server.socket_path) as proxy:
        yield proxy


def counted(server: Valkey) -> int:
    """How often the counting script ran."""
    with server.client() as client:
        return int(client.get(KEY) or 0)


@contextmanager
def within(least: float, most: float) -> Iterator[None]:
    """What is inside takes so long, in seconds."""
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


# -- F14: a connection is lost --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "executions"),
    [(Fault.CUT_REQUEST, 0), (Fault.CUT_REPLY, 1), (Fault.HALF_REPLY, 1)],
    ids=["request", "reply", "half-reply"],
)
def test_F14_a_lost_call_is_uncertain_and_never_resent(
    store_server: Valkey, proxy: Proxy, open_store: Opener, fault: Fault, executions: int
) -> None:
    """Whether it ran cannot be told from here: exactly then it is ``StoreUncertain``, and it ran once at most."""
    store = open_store(proxy.url)
    assert store.call([Call(0, ECHO, (), (b"warm",))]) == [b"warm"]
    store.call([Call(0, COUNT, (b"sb:{0}:other",), ())])
    proxy.plan(fault)
    assert isinstance(store.call([count()])[0], StoreUncertain)
    assert counted(store_server) == executions
    assert store.call([count()]) == [executions + 1]


def test_F14_every_call_of_a_lost_pipeline_is_uncertain(store_server: Valkey, proxy: Proxy, open_store: Opener) -> None:
    """Each of them may have run, and none ran twice."""
    store = open_store(proxy.url)
    store.call([count()])
    proxy.plan(Fault.CUT_REPLY)
    answers = store.call([count() for _ in range(10)])
    assert [type(answer) for answer in answers] == [StoreUncertain] * 10
    assert counted(store_server) == 11


def test_F14_what_was_answered_before_the_cut_is_known(proxy: Proxy, open_store: Opener) -> None:
    """Half of the answers came: those calls are certain, the others are not."""
    store = open_store(proxy.url)
    store.call([Call(0, ECHO, (), (b"x",))])
    proxy.plan(Fault.HALF_REPLY)
    answers = store.call([Call(0, ECHO, (), (str(number).encode() * 1000,)) for number in range(9)])
    known = [answer for answer in answers if isinstance(answer, bytes)]
    assert known == [str(number).encode() * 1000 for number in range(len(known))]
    assert 0 < len(known) < 9
    assert all(isinstance(answer, StoreUncertain) for answer in answers[len(known) :])


def test_F14_a_cut_while_a_script_is_loaded_is_uncertain(
    store_server: Valkey, proxy: Proxy, open_store: Opener
) -> None:
    """The first request found the script unknown; the second, which loads and runs it, is cut."""
    store = open_store(proxy.url)
    with store_server.client() as client:
        client.script_flush()
    proxy.plan(Fault.NONE, Fault.CUT_REPLY)
    assert isinstance(store.call([count()])[0], StoreUncertain)
    assert counted(store_server) == 1


def test_an_idle_connection_that_ended_is_no_fault(store_server: Valkey, proxy: Proxy, open_store: Opener) -> None:
    """A server that restarted or closed idle clients costs a new connection, and leaves nothing uncertain."""
    store = open_store(proxy.url)
    for turn in range(1, 4):
        assert store.call([count()]) == [turn]
        proxy.cut_all()
        time.sleep(0.01)  # the end of the connection reaches this side
        if isinstance(store, Looped):
            store._runner.run(asyncio.sleep(0.01))
    assert proxy.connections == 3
    assert counted(store_server) == 3


def test_more_connections_than_a_pool_allows(proxy: Proxy, open_store: Opener) -> None:
    """A long life with many lost connections does not end at some number of them."""
    store = open_store(proxy.url)
    for _ in range(130):
        proxy.plan(Fault.CUT_REQUEST)
        assert isinstance(store.call([count()])[0], StoreUncertain)
    assert store.call([count()]) == [1]


def test_F15_a_blackholed_store_is_uncertain_after_the_timeout(
    store_server: Valkey, proxy: Proxy, open_store: Opener
) -> None:
    """Nobody waits for ever for an answer that does not come."""
    store = open_store(proxy.url, timeout=0.2)
    store.call([count()])
    proxy.plan(Fault.SWALLOW_REPLY)
    with within(0.15, 2):
        assert isinstance(store.call([count()])[0], StoreUncertain)
    assert counted(store_server) == 2
    assert store.call([count()]) == [3]


# -- no connection --------------------------------------------------------------------------------------------------


def test_without_a_server_nothing_was_taken(proxy: Proxy, open_store: Opener) -> None:
    """After its patience it says so, for every call."""
    store = open_store(proxy.url, patience=0.3)
    proxy.refuse()
    with within(0.25, 2):
        answers = store.call([count(), count()])
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    assert "cannot be reached" in str(answers[0])


def test_a_server_that_comes_back_in_time_is_waited_for(store_server: Valkey, proxy: Proxy, open_store: Opener) -> None:
    """A failover or a restart within the patience is only a delay, and the call runs once."""
    store = open_store(proxy.url, patience=5)
    proxy.refuse()
    timer = threading.Timer(0.3, proxy.accept)
    timer.start()
    with within(0.25, 3):
        assert store.call([count()]) == [1]
    timer.join()
    assert counted(store_server) == 1


def test_the_password_is_never_shown(open_store: Opener) -> None:
    """An error names the store without its secret."""
    store = open_store("redis://mail:hunter2@127.0.0.1:1/0", patience=0)
    (error,) = store.call([count()])
    assert "redis://mail:***@127.0.0.1:1/0" in str(error)
    assert "hunter2" not in str(error)


# -- what the server refuses ----------------------------------------------------------------------------------------


def test_a_forgotten_script_is_loaded_again(store_url: str, open_store: Opener) -> None:
    """After a restart or a flush the calls go on; what ran already does not run again."""
    store = open_store(store_url)
    other = Call(0, ECHO, (), (b"x",))
    assert store.call([count(), other, count()]) == [1, b"x", 2]
    with redis.Redis.from_url(store_url) as client:
        client.script_flush()
        client.script_load(ECHO.text.decode())
    assert store.call([count(), other, count()]) == [3, b"x", 4]


def test_a_script_that_cannot_be_loaded_is_refused_at_once(store_url: str, open_store: Opener) -> None:
    """It would not get better; the other calls of the pipeline are carried out."""
    store = open_store(store_url)
    with within(0, 2):
        broken, good = store.call([Call(0, BROKEN, (), ()), count()])
    assert isinstance(broken, StoreError)
    assert good == 1


def test_who_may_not_load_scripts_is_told_so(store_server: Valkey, open_store: Opener) -> None:
    """A user without the right to load them gets an error instead of a busy loop."""
    with store_server.client() as client:
        client.script_flush()
        client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-script", "-info")
    store = open_store(store_server.url.replace("unix://", "unix://app:secret@"))
    with within(0, 2):
        (error,) = store.call([count()])
    with store_server.client() as client:
        client.execute_command("ACL", "DELUSER", "app")
    assert isinstance(error, StoreUnavailable)
    assert "permission" in str(error)


def test_a_wrong_password_is_refused_at_once(start_store: StartStore, open_store: Opener) -> None:
    """Neither waiting nor repeating makes it right; with none at all it is the same."""
    server = start_store()
    with server.client() as client:
        client.config_set("requirepass", "right")
    wrong = open_store(server.url.replace("unix://", "unix://:wrong@"))
    none = open_store(server.url)
    right = open_store(server.url.replace("unix://", "unix://:right@"))
    with within(0, 2):
        assert isinstance(wrong.call([count()])[0], StoreUnavailable)
        assert isinstance(none.call([count()])[0], StoreUnavailable)
    assert right.call([count()]) == [1]


REFUSED_FOR_NOW = (
    b"-LOADING Valkey is loading the dataset in memory",
    b"-READONLY You can't write against a read only replica.",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"-CLUSTERDOWN The cluster is down",
    b"-TRYAGAIN Multiple keys request during rehashing of slot",
    b"-MOVED 1 127.0.0.1:7001",
    b"-ASK 1 127.0.0.1:7001",
    b"-BUSY Valkey is busy running a script.",
    b"-NOREPLICAS Not enough good replicas to write.",
    b"-ERR max number of clients reached",
)
REFUSED = (
    (b"-OOM command not allowed when used memory > 'maxmemory'.", StoreFull),
    (b"-MISCONF Errors writing to the AOF file", StoreUnavailable),
    (b"-NOAUTH Authentication required.", StoreUnavailable),
    (b"-NOPERM User app has no permissions to run the 'evalsha' command", StoreUnavailable),
    (b"-WRONGTYPE Operation against a key", StoreUnavailable),
    (b"-ERR user_script:2: something script: on @user_script:2.", StoreUncertain),
)


def name_of(reply: object) -> str | None:
    """The first word of a reply, as a test's id."""
    return reply.split(b" ")[0].decode() if isinstance(reply, bytes) else None


@pytest.fixture
def canned() -> Iterator[Canned]:
    """A server that answers as a test wants."""
    with Canned() as server:
        yield server


@pytest.mark.parametrize("reply", REFUSED_FOR_NOW, ids=name_of)
def test_F13_what_is_refused_for_now_is_sent_again(canned: Canned, open_store: Opener, reply: bytes) -> None:
    """Such a reply says that the call did not run, and another moment may take it: ``LOADING`` for one."""
    canned.replies = [reply, reply, b":7"]
    assert open_store(canned.url).call([count()]) == [7]
    assert len(canned.requests) == 3


@pytest.mark.parametrize("reply", REFUSED_FOR_NOW, ids=name_of)
def test_F13_what_is_refused_for_too_long_was_not_taken(canned: Canned, open_store: Opener, reply: bytes) -> None:
    """After the patience the caller learns that nothing was taken."""
    canned.replies = [reply]
    store = open_store(canned.url, patience=0.1)
    with within(0.1, 2):
        assert type(store.call([count()])[0]) is StoreUnavailable


@pytest.mark.parametrize(("reply", "error"), REFUSED, ids=name_of)
def test_what_is_refused_for_good_is_asked_once(
    canned: Canned, open_store: Opener, reply: bytes, error: type[StoreError]
) -> None:
    """Each refusal has its error; none is asked again."""
    canned.replies = [reply]
    assert type(open_store(canned.url).call([count()])[0]) is error
    assert len(canned.requests) == 1


def test_a_store_that_forgets_its_scripts_is_given_up(canned: Canned, open_store: Opener) -> None:
    """Loaded again and again in vain: with pauses, and not for ever."""
    canned.replies = [b"-NOSCRIPT No matching script."]
    store = open_store(canned.url, patience=0.2)
    with within(0.2, 2):
        assert type(store.call([count()])[0]) is StoreUnavailable
    assert len(canned.requests) < 40


def test_a_store_that_cannot_load_scripts_yet_is_waited_for(canned: Canned, open_store: Opener) -> None:
    """The script is unknown, then the server is busy, then it takes both."""
    canned.replies = [b"-NOSCRIPT No", b"-BUSY busy", b"-NOSCRIPT No", b"$1\r\nx", b":3"]
    assert open_store(canned.url).call([count()]) == [3]


def test_F14_refused_and_then_cut_is_certain(canned: Canned, open_store: Opener) -> None:
    """What was refused before the connection ended did not run; what had no answer may have."""
    canned.replies = [b"-LOADING wait", b":5", b""]
    answers = open_store(canned.url).call([count(), count(), count()])
    assert type(answers[0]) is StoreUnavailable
    assert answers[1] == 5
    assert type(answers[2]) is StoreUncertain


def test_F14_cut_after_the_script_was_found_missing(canned: Canned, open_store: Opener) -> None:
    """Unknown script, then the end of the connection: not run."""
    canned.replies = [b"-NOSCRIPT No", b""]
    answers = open_store(canned.url).call([count(), count()])
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUncertain]


def test_a_read_only_server_is_waited_for(start_store: StartStore, open_store: Opener) -> None:
    """A replica that is about to be promoted refuses writes: they run once it takes them."""
    server = start_store()
    store = open_store(server.url, patience=5)
    impatient = open_store(server.url, patience=0.1)
    with server.client() as client:
        client.config_set("replica-serve-stale-data", "yes")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        (refused,) = impatient.call([count()])
        timer = threading.Timer(0.3, client.execute_command, ("REPLICAOF", "NO", "ONE"))
        timer.start()
        answer = store.call([count()])
        timer.join()
    assert isinstance(refused, StoreUnavailable)
    assert answer == [1]


def test_F16_a_full_store_is_full(start_store: StartStore, open_store: Opener) -> None:
    """No waiting: a script that may need memory is refused whole, others run."""
    server = start_store(options=("--maxmemory", "1mb"))
    store = open_store(server.url)
    assert isinstance(store.call([count()])[0], StoreFull)
    assert store.call([Call(0, ECHO, (), (b"still",))]) == [b"still"]
    assert counted(server) == 0


def test_a_script_that_fails_half_way_is_uncertain(store_url: str, open_store: Opener) -> None:
    """Its first write stands: nobody may say that nothing was taken."""
    store = open_store(store_url)
    assert isinstance(store.call([Call(0, FAILS, (KEY,), ())])[0], StoreUncertain)


def test_a_refused_read_is_a_store_error(store_url: str, open_store: Opener) -> None:
    """Plain commands are refused like scripts, beside others that are answered."""
    store = open_store(store_url)
    wrong, right = store.call([Call.read(0, b"NO-SUCH-COMMAND"), Call.read(0, b"GET", KEY)])
    assert isinstance(wrong, StoreUnavailable)
    assert right is None


def test_what_cannot_be_sent_costs_no_connection(store_server: Valkey, open_store: Opener) -> None:
    """A value that no store takes is the caller's error, and the next call is as good as ever."""
    with store_server.client() as client:

        def connections() -> set[str]:
            return {one["id"] for one in client.client_list()}

        before = connections()  # its own, and some of tests before, which may go meanwhile
        store = open_store(store_server.url)
        store.call([count()])
        with pytest.raises(TypeError):
            store.call([Call(0, ECHO, (), (object(),))])  # type: ignore[arg-type]
        assert store.call([count()]) == [2]
        assert len(connections() - before) == 1


# -- running operations, threads, tasks, forks ----------------------------------------------------------------------


def test_an_operation_reads_its_answers(store_url: str, open_store: Opener) -> None:
    """In the order of its calls; without calls it needs no store."""
    store = open_store(store_url)
    echoes = [Call(0, ECHO, (), (text,)) for text in (b"a", b"b", b"c")]
    assert store.run(Operation(echoes, b"".join)) == b"abc"
    assert store.run(Operation((), len)) == 0


def test_threads_share_a_store(store_server: Valkey) -> None:
    """Each gets its own answers, and connections are used again."""
    store = Shards(store_server.url)

    def work(number: int) -> bool:
        text = str(number).encode()
        return all(store.call([count(), Call(0, ECHO, (), (text,))])[1] == text for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert counted(store_server) == 400
    with store_server.client() as client:
        until(lambda: len(client.client_list()) <= 9, 5, "whoever counted is gone")
    store.close()


def test_tasks_share_a_store(store_server: Valkey) -> None:
    """Each gets its own answers; one that is cancelled takes its connection with it."""

    async def main() -> None:
        store = AsyncShards(store_server.url)

        async def work(number: int) -> bool:
            text = str(number).encode()
            return all([(await store.call([Call(0, ECHO, (), (text,))])) == [text] for _ in range(20)])

        assert all(await asyncio.gather(*(work(number) for number in range(20))))
        blocked = asyncio.ensure_future(store.call([Call.read(0, b"BLPOP", b"nothing", 30)]))
        await asyncio.sleep(0.05)
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked
        assert await store.call([Call(0, ECHO, (), (b"mine",))]) == [b"mine"]
        await store.close()

    asyncio.run(main())


def test_a_fork_gets_connections_of_its_own(store_server: Valkey) -> None:
    """Parent and child never read each other's answers, even if the child was made while a thread held the lock."""
    store = Shards(store_server.url)
    assert store.call([count()]) == [1]
    store._lock.acquire()
    child = os.fork()
    if child == 0:
        is_right = store.call([Call(0, ECHO, (), (b"child",))] * 20) == [b"child"] * 20
        store.close()
        os._exit(0 if is_right else 1)
    store._lock.release()
    assert store.call([Call(0, ECHO, (), (b"parent",))] * 20) == [b"parent"] * 20
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.call([count()]) == [2]
    store.close()


# -- a plain URL whose server changes --------------------------------------------------------------------------------


def at_once(store: Looped | Shards, call: Call, number: int) -> list[StoreAnswer]:
    """The answers to the same call, made so many times side by side."""
    if isinstance(store, Shards):
        with ThreadPoolExecutor(number) as pool:
            return [answer for (answer,) in pool.map(lambda _: store.call([call]), range(number))]

    async def gather() -> list[StoreAnswer]:
        return [answer for (answer,) in await asyncio.gather(*(store.store.call([call]) for _ in range(number)))]

    return store.together(gather())


def test_issue10_a_server_that_gave_its_place_to_another_is_left(start_store: StartStore, open_store: Opener) -> None:
    """A name, a load balancer or a service leads to the new primary: a read-only answer ends all connections."""
    old, new = start_store(), start_store()
    with Proxy(old.socket_path) as way:
        way.late_replies = 0.1  # or few connections would do for all
        store = open_store(way.url)
        assert sorted(at_once(store, count(), 40)) == list(range(1, 41))
        way.late_replies = 0.0
        way.upstream = new.socket_path
        with old.client() as raw:
            raw.replicaof("127.0.0.1", 1)
        with within(0, 3):  # one after another they would take more than our patience
            assert store.call([count()]) == [1]
    assert (counted(old), counted(new)) == (40, 1)


def test_issue10_who_only_reads_leaves_a_server_that_became_a_replica_too(
    start_store: StartStore, open_store: Opener
) -> None:
    """Nothing is refused, and what is read grows old: it is seen when the server is asked next how it is."""
    old, new = start_store(), start_store()
    read = Call.read(0, b"GET", KEY)
    for server, value in ((old, "old"), (new, "new")):
        with server.client() as raw:
            raw.set(KEY, value)
    with Proxy(old.socket_path) as way:
        store = open_store(way.url)
        assert store.call([read]) == [b"old"]
        way.upstream = new.socket_path
        with old.client() as raw:
            raw.replicaof("127.0.0.1", 1)
        until(lambda: store.call([read]) == [b"new"], 10, "the new one is read")


# -- what a URL cannot choose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["protocol=3", "decode_responses=True", "retry=3"])
def test_issue10_an_option_of_the_url_does_not_change_how_we_speak(
    proxy: Proxy, open_store: Opener, options: str
) -> None:
    """The library lets a URL win over its caller: maps and text for lists and octets would break us."""
    store = open_store(f"{proxy.url}?{options}")
    setting, echo = Call.read(0, b"CONFIG", b"GET", b"appendfsync"), Call(0, ECHO, (), (b"\xff",))
    assert store.call([setting, echo]) == [[b"appendfsync", b"always"], b"\xff"]


def test_issue10_connections_that_were_lost_do_not_count(proxy: Proxy) -> None:
    """The library counts all that a pool ever made: ``max_connections=2`` was the end after two losses."""
    store = Shards(f"{proxy.url}?max_connections=2", patience=0.0)
    try:
        for number in range(1, 6):
            assert store.call([count()]) == [number]
            proxy.cut_all()
    finally:
        store.close()


# -- a server that does not wait for its replicas -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ((b":7", b"+OK", b"-ERR unknown command 'WAIT'"), r"refuses WAIT, .*unknown command 'WAIT'"),
        ((b":7", b"-NOPERM User app has no permissions to run the 'eval' command", b":0"), r"refuses a write .*'eval'"),
        ((b":7", b"+OK", b":0"), r"and not 1 replica\(s\) of its server within 1000 ms"),
    ],
    ids=["no WAIT", "no EVAL", "no replica"],
)
def test_issue10_who_does_not_wait_for_replicas_is_told_apart_from_who_has_none(
    canned: Canned, open_store: Opener, replies: tuple[bytes, ...], said: str
) -> None:
    """A proxy, a managed server or a user's rights may refuse WAIT: that is said in the server's words."""
    canned.info = b"# Server\r\nrun_id:0123456789abcdef\r\nrole:master\r\nslave0:ip=h,port=1,state=online\r\n"
    canned.replies = list(replies)
    (error,) = open_store(canned.url).call([Call(0, made(b"#!lua", name="move"), (), ())])
    assert isinstance(error, StoreUncertain)
    assert re.search(said, str(error)), error
