"""Fixtures that start real servers. A server that is missing skips a test locally and fails it in CI."""

from __future__ import annotations

import gc
import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import hypothesis
import pytest
import structlog
from mariadb import MariaDB, MariaDBMissing, mariadb_programs
from postgres import Postgres, PostgresMissing, postgres_folder
from servers import ServerMissing, Valkey, valkey_binary
from service import OUR_FAULTS, PlaygroundProcess, Service
from shared_modules import shares
from stepped import CompilerMissing, SteppedClock, build_shim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType


hypothesis.settings.register_profile("softbounce", deadline=None)  # how long one took says what else runs here
hypothesis.settings.load_profile("softbounce")
CLOCK_IS_SET = 5.0
"""Seconds until a server has looked at its clock."""


class StartStore(Protocol):
    """Starts a server of the test's own."""

    def __call__(self, *, cluster: bool = False, options: tuple[str, ...] = ()) -> Valkey:
        """Return a server that answers; it ends with the test."""
        ...


class StartService(Protocol):
    """Starts services that end with the test."""

    def __call__(self, config: str, *roles: str) -> Service:
        """One that takes work; without roles it has all of them."""
        ...


def pytest_configure() -> None:
    """Let SIGTERM (``timeout``, a CI that gives up) end the run as Ctrl-C does, so that no server stays behind.

    A shell that runs us in the background has us ignore Ctrl-C; the programs that are tested must not inherit that.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, then what shares a server with others of its module: it is one piece."""
    items.sort(key=lambda item: not shares(item.nodeid))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What was collected is no garbage: looking through a million objects again and again takes a third of a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With ``--dist loadscope`` modules that share something stay together; of the others each test goes by itself."""
    if config.getvalue("dist") != "loadscope":
        return None
    from sharing import PiecesScheduling  # noqa: PLC0415 - xdist is not everywhere where tests are

    return PiecesScheduling(config, log)


@pytest.fixture(autouse=True)
def _no_fault_of_ours(request: pytest.FixtureRequest) -> Iterator[None]:
    """Loops go on whatever a step of them raises; a test fails for it, unless it is about that."""
    found: list[object] = []

    def look(_logger: object, _method: str, words: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if words.get("event") in OUR_FAULTS:
            found.append(words)
        return words

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[look, *before])
    yield
    structlog.configure(processors=before)
    if request.node.get_closest_marker("our_fault") is None:
        assert not found, found[0]


@pytest.fixture(scope="session")
def store_binary() -> Path:
    """The Valkey server of this machine."""
    try:
        return valkey_binary()
    except ServerMissing as error:
        if os.environ.get("CI"):
            pytest.fail(f"no Valkey server: {error}")
        pytest.skip(f"no Valkey server: {error}")


@pytest.fixture(scope="session")
def standalone_process(store_binary: Path) -> Iterator[Valkey]:
    """One standalone server for the whole run."""
    with Valkey(binary=store_binary) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_process(store_binary: Path) -> Iterator[Valkey]:
    """One cluster of one node for the whole run."""
    with Valkey(binary=store_binary, cluster=True) as server:
        yield server


@pytest.fixture
def store_server(standalone_process: Valkey) -> Valkey:
    """A standalone server without data."""
    standalone_process.flush()
    return standalone_process


@pytest.fixture
def cluster_server(cluster_process: Valkey) -> Valkey:
    """A cluster of one node without data."""
    cluster_process.flush()
    return cluster_process


@pytest.fixture(params=["store_server", "cluster_server"], ids=["standalone", "cluster"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store; the test runs once on each kind."""
    server: Valkey = request.getfixturevalue(request.param)
    return server.url


@pytest.fixture
def start_store(store_binary: Path) -> Iterator[StartStore]:
    """Starts servers of the test's own, to be killed, filled or configured at will."""
    with ExitStack() as servers:

        def start(*, cluster: bool = False, options: tuple[str, ...] = ()) -> Valkey:
            return servers.enter_context(Valkey(binary=store_binary, cluster=cluster, options=options))

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the whole run."""
    try:
        folder = postgres_folder()
    except PostgresMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with Postgres(folder) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """One MariaDB server for the whole run."""
    try:
        programs = mariadb_programs()
    except MariaDBMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with MariaDB(*programs) as server:
        yield server


@pytest.fixture(params=["postgresql", "sqlite", "mariadb"])
def app_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of an app; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'app.db'}"
    server: Postgres | MariaDB = request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb")
    return server.new_database()


class SteppedStore:
    """A server whose clock a test can set.

    :ivar machine: the clocks of a machine that uses it; what runs there is started with its environment.
    """

    def __init__(self, server: Valkey, clock: SteppedClock, machine: SteppedClock) -> None:
        self.server = server
        self.machine = machine
        self._clock = clock
        self._seconds = 0.0

    def set_clock(self, seconds: float) -> None:
        """Set it so far from the right time.

        Who asks within microseconds of the server's last look at its clock is told the time of that look.
        """
        self._seconds = seconds
        self._clock.set(seconds)
        began = time.monotonic()
        while abs(ahead := self._clock.seconds_ahead(self.server) - seconds) > 1:
            assert time.monotonic() - began < CLOCK_IS_SET, f"the server's clock is off by {ahead} s"

    def pass_time(self, seconds: float) -> None:
        """Set it on from where it is."""
        self.set_clock(self._seconds + seconds)


@pytest.fixture
def stepped_store(store_binary: Path, tmp_path: Path) -> Iterator[SteppedStore]:
    """A store whose clock can be set. Without a C compiler there is none."""
    try:
        shim = build_shim(tmp_path)
    except CompilerMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    clock, machine = (SteppedClock(shim, tmp_path / name) for name in ("shift", "machine"))
    with Valkey(binary=store_binary, environ=clock.environ) as server:
        yield SteppedStore(server, clock, machine)


@pytest.fixture
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundProcess]:
    """The small internet that the mail goes to."""
    running = PlaygroundProcess(tmp_path_factory.mktemp("playground"))
    yield running
    running.end()


@pytest.fixture
def start(playground: PlaygroundProcess, store_binary: object) -> Iterator[StartService]:
    """Start services whose mail goes to the playground."""
    del store_binary
    with ExitStack() as stack:

        def start(config: str, *roles: str) -> Service:
            service = Service(config, playground)
            stack.callback(service.clean)
            service.start(*(("--roles", ",".join(roles)) if roles else ()))
            return service

        yield start
