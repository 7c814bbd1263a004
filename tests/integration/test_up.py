"""`softbounce up` as real processes: what it starts, keeps, ends and leaves behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
import redis
from servers import Valkey
from service import IDENTITY
from softbounce_gateway.embedded_store.memory_limit import in_words
from softbounce_gateway.health import trouble

from softbounce import Client, StoreFull, StoreUncertain
from softbounce.settings import Settings
from softbounce.store.published import read_settings
from softbounce.store.shards import Shards

pytestmark = pytest.mark.usefixtures("store_binary")

COMMAND = (sys.executable, "-P", "-m", "softbounce", "up")
WITHIN = 20.0
LATER = datetime.now(UTC) + timedelta(days=1)


@dataclass(kw_only=True)
class Up:
    """One run of `up`, its folder and what it said."""

    folder: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        """Where its store is."""
        return self.folder / "var"

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"unix://{self.data_dir / 'store.sock'}"

    @property
    def stderr(self) -> str:
        """What it and its children complained of."""
        return (self.folder / "stderr").read_text()

    def wait_ready(self) -> str:
        """Read its stdout until the line that begins with ready."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("ready"):
                return line.rstrip()
        raise AssertionError(f"it ended with {self.process.wait()} and said:\n{self.stderr}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it; its exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=WITHIN)
        self.lines += rest.splitlines()
        return self.process.returncode

    def settings(self) -> Settings:
        """What is published."""
        store = Shards(self.url)
        try:
            found = store.run(read_settings())
        finally:
            store.close()
        assert found is not None
        return found


class StartStore(Protocol):
    """Starts a server, as tests/conftest.py does."""

    def __call__(self) -> Valkey:
        """Return one that answers."""
        ...


class StartUp(Protocol):
    """Starts an `up`."""

    def __call__(
        self, *arguments: str, roles: str = "store,scheduler", config: str | None = None, folder: Path | None = None
    ) -> Up:
        """Return it, perhaps not ready yet."""
        ...


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def start_up(short_path: Path) -> Iterator[StartUp]:
    """Starts `up` in one folder; whatever still runs at the end is killed, and its children with it."""
    runs: list[Up] = []

    def start(
        *arguments: str, roles: str = "store,scheduler", config: str | None = None, folder: Path | None = None
    ) -> Up:
        folder = short_path if folder is None else folder
        folder.mkdir(exist_ok=True)
        file = folder / "softbounce.toml"
        if config is not None or not file.exists():
            file.write_text(config or "")
        with (folder / "stderr").open("a") as stderr:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*COMMAND, "--config", str(file), *(("--roles", roles) if roles else ()), *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE__")},
            )
        runs.append(Up(folder=folder, process=process))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()
    eventually(lambda: not any(processes_of(run.folder) for run in runs))


def eventually(question: Callable[[], object], within: float = WITHIN) -> None:
    """Wait until it is true."""
    give_up_at = time.monotonic() + within
    while not question():
        assert time.monotonic() < give_up_at, "it did not become true in time"
        time.sleep(0.02)


def processes_of(folder: Path, word: str = "") -> list[int]:
    """Processes whose command line names the folder and has the word in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line and word in line:
                found.append(int(entry.name))
    return found


def pid_of(folder: Path, word: str) -> int:
    """The only process of this kind."""
    (pid,) = processes_of(folder, word)
    return pid


def test_one_ready_line_and_a_clean_end(start_up: StartUp) -> None:
    """It prints one line that begins with ready, is healthy then, and leaves nothing running on SIGTERM."""
    up = start_up()
    up.wait_ready()
    eventually(lambda: not trouble(up.url, "scheduler"))
    assert not trouble(up.url, "store")
    assert trouble(up.url, "worker") == f"no worker process of {socket.gethostname()} has a lease (0 elsewhere)"
    assert up.end() == 0
    assert [line for line in up.lines if line.startswith("ready")] == up.lines[:1]
    assert not (up.data_dir / "store.sock").exists()
    assert processes_of(up.folder) == []
    assert up.stderr == ""


def test_issue10_20_the_embedded_store_has_a_limit_and_says_it(start_up: StartUp) -> None:
    """By itself one that it finds out, or the one that is configured: then it says that it is full."""
    up = start_up()
    up.wait_ready()
    with redis.Redis(unix_socket_path=str(up.data_dir / "store.sock")) as raw:
        limit = int(raw.config_get("maxmemory")["maxmemory"])
        assert limit > 64 * 1024 * 1024
        assert raw.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert f"(at most {in_words(limit)} of the " in up.lines[-1]
    assert up.end() == 0
    up = start_up(config='[store]\nmaxmemory = "3MiB"\n')
    assert "store.sock (at most 3 MiB), scheduler" in up.wait_ready()
    message = b"Subject: x\r\n\r\n" + b"\r\n".join(os.urandom(35).hex().encode() for _ in range(1000))
    batch = [{"sender": "a@a.test", "recipients": ["b@b.test"], "message": message, "at": LATER}] * 100
    with Client(up.url) as mail, pytest.raises((StoreFull, StoreUncertain)) as refused:
        mail.send_many(batch)
    assert isinstance(refused.value.__cause__ or refused.value, StoreFull)
    assert up.end() == 0
    up = start_up(config='[store]\nmaxmemory = "none"\n')
    assert "store.sock (no limit of memory), scheduler" in up.wait_ready()


def test_the_whole_service(start_up: StartUp) -> None:
    """Without roles all of it runs: store, scheduler and workers, of which each is restarted by itself."""
    up = start_up("--playground", "--workers", "2", roles="")
    assert "2 workers" in up.wait_ready()
    eventually(lambda: not trouble(up.url, "worker"))
    workers = processes_of(up.folder, "softbounce_worker")
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: len(set(processes_of(up.folder, "softbounce_worker")) - set(workers)) == 1)
    assert "worker-1 was ended by SIGKILL; restarting it in 0.2 s" in up.stderr or "worker-2 was" in up.stderr
    assert up.end() == 0
    assert processes_of(up.folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_can_be_ended_while_it_starts(start_up: StartUp, number: signal.Signals) -> None:
    """A signal before it is ready ends it in good order, with the store."""
    up = start_up()
    eventually((up.data_dir / "lock").exists)
    assert up.end(number) == 0
    assert processes_of(up.folder) == []


def test_only_its_user_can_read_the_mail(start_up: StartUp) -> None:
    """The data folder, the socket and the store's files belong to its user alone."""
    up = start_up(roles="store")
    up.wait_ready()
    paths = [up.data_dir, *up.data_dir.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert up.end() == 0


@pytest.mark.parametrize("umask", [0, 0o022], ids=["no_umask", "usual_umask"])
def test_issue10_30_only_its_user_can_read_any_file(start_up: StartUp, short_path: Path, umask: int) -> None:
    """In a data folder that was made before, whatever the umask: 0600 for files, 0700 for folders, in every role."""
    folder = short_path / "var"
    (folder / "playground").mkdir(parents=True)
    folder.chmod(0o755)
    for name in ("lock", "playground/ledger.jsonl"):
        (folder / name).touch(0o666)
        (folder / name).chmod(0o644)
    before = os.umask(umask)
    try:
        up = start_up("--playground", "--workers", "1", roles="")
    finally:
        os.umask(before)
    up.wait_ready()
    with Client(up.url) as mail:
        receipt = mail.send(sender="a@example.com", recipients=["accept@a.test"], message=b"Subject: x\r\n\r\nx\r\n")
        eventually(lambda: mail.show(receipt.envelopes["accept@a.test"]).state == "delivered")
    made = [path for path in up.data_dir.rglob("*") if path.name != "playground"]
    assert {path.name for path in made} >= {"lock", "ledger.jsonl", "journal", "store.sock", "store.conf", "store.log"}
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in made}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert up.end() == 0
    assert {oct(path.stat().st_mode) for path in made if path.exists() and path.stat().st_mode & 0o077} == set()


def test_a_killed_scheduler_is_restarted(start_up: StartUp) -> None:
    """One child that dies is started again, and that is said; the others go on."""
    up = start_up()
    up.wait_ready()
    store, scheduler = pid_of(up.folder, "valkey"), pid_of(up.folder, "softbounce_scheduler")
    os.kill(scheduler, signal.SIGKILL)
    eventually(lambda: processes_of(up.folder, "softbounce_scheduler") not in ([], [scheduler]))
    eventually(lambda: not trouble(up.url, "scheduler"))
    assert pid_of(up.folder, "valkey") == store
    assert "scheduler was ended by SIGKILL; restarting it in 0.2 s" in up.stderr
    assert up.end() == 0


def test_a_killed_store_is_restarted_with_its_data(start_up: StartUp) -> None:
    """What the store acknowledged is there after it was killed, and `up` still ends in good order."""
    up = start_up()
    up.wait_ready()
    before = up.settings()
    store = pid_of(up.folder, "valkey")
    os.kill(store, signal.SIGKILL)
    eventually(lambda: processes_of(up.folder, "valkey") not in ([], [store]))
    eventually(lambda: not trouble(up.url, "store"))
    assert up.settings() == before
    assert up.end() == 0


def test_children_end_with_a_killed_parent(start_up: StartUp) -> None:
    """After SIGKILL no child of `up` stays behind, and the next `up` takes over the same data."""
    up = start_up("--playground", roles="")
    up.wait_ready()
    before = up.settings()
    up.process.kill()
    up.process.wait()
    again = start_up("--playground", roles="")
    again.wait_ready()
    for word, number in {"valkey": 1, "_scheduler": 1, "_playground": 1, "_worker": 2}.items():
        eventually(lambda word=word, number=number: len(processes_of(up.folder, word)) == number)  # type: ignore[misc]
    assert again.settings() == before
    assert again.end() == 0


def test_it_ends_when_its_own_parent_is_gone(short_path: Path) -> None:
    """A program that starts `up` with a pipe in SOFTBOUNCE_PARENT_FD takes it along when it ends."""
    read, write = os.pipe()
    file = short_path / "softbounce.toml"
    file.write_text("")
    with subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "--config", str(file), "--roles", "store"],
        stdout=subprocess.PIPE,
        pass_fds=[read],
        env={**os.environ, "SOFTBOUNCE_PARENT_FD": str(read)},
        text=True,
    ) as process:
        os.close(read)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        os.close(write)
        assert process.wait(timeout=WITHIN) == 0


def test_roles_without_the_store_share_a_folder(start_up: StartUp) -> None:
    """Only the store role locks the data folder: others may share it."""
    store = start_up(roles="store")
    store.wait_ready()
    others = [start_up(roles="scheduler"), start_up(roles="scheduler")]
    for other in others:
        other.wait_ready()
    assert [other.end() for other in others] == [0, 0]
    assert store.end() == 0


def test_a_second_up_names_the_first(start_up: StartUp) -> None:
    """A folder in use is refused after ten seconds, by exit code 1 and the pid that has it."""
    first = start_up()
    first.wait_ready()
    second = start_up()
    assert second.process.wait(timeout=WITHIN) == 1
    assert f"in use by process {first.process.pid} (softbounce up)" in second.stderr
    assert first.process.poll() is None


def test_hang_up_reloads_the_settings(start_up: StartUp) -> None:
    """SIGHUP publishes the file's policies; a file with a fault changes nothing, and the fault is said."""
    up = start_up()
    up.wait_ready()
    assert up.settings().version == 1
    file = up.folder / "softbounce.toml"
    file.write_text('[policy.default]\nwindow = "2h"\n')
    up.process.send_signal(signal.SIGHUP)
    eventually(lambda: up.settings().version == 2)
    file.write_text('[policy.default]\nwindow = "soon"\n')
    up.process.send_signal(signal.SIGHUP)
    eventually(lambda: "window" in up.stderr)
    assert "old settings stay" in up.stderr
    assert up.settings().policies["default"].window.total_seconds() == 7200
    assert up.end() == 0
    assert "reloaded: settings version 2" in up.lines


def test_roles_without_scheduler_leave_published_settings(start_up: StartUp) -> None:
    """An `up` without the scheduler role says where its file differs, and publishes nothing."""
    first = start_up(config='[policy.default]\nwindow = "1d"\n')
    first.wait_ready()
    assert first.end() == 0
    second = start_up(roles="store", config='[policy.default]\nwindow = "2d"\n')
    second.wait_ready()
    assert second.settings().policies["default"].window.days == 1
    assert "differs from the published settings" in second.stderr
    assert second.end() == 0


def test_another_number_of_shards_is_refused(start_up: StartUp) -> None:
    """The first write fixes the number of shards; a config that differs is an error of exit code 2."""
    first = start_up(roles="store")
    first.wait_ready()
    assert first.end() == 0
    second = start_up(roles="store", config="[store]\nshards = 4\n")
    assert second.process.wait(timeout=WITHIN) == 2
    assert "the store has 1 shard, and [store] shards says 4" in second.stderr
    assert processes_of(second.folder) == []


@pytest.mark.parametrize(
    ("roles", "config", "words"),
    [
        ("gateway", '[gateway]\nhttp = ""\n', "nothing to run: [gateway] names no place to listen at"),
        ("postman", "", "there is no role 'postman'; there are: store, scheduler, worker, gateway"),
        ("store", '[store]\nurl = "redis://127.0.0.1:1"\n', "nothing to run"),
        ("store", f'[store]\ndata_dir = "{"long" * 30}"\n', "too long for a unix socket"),
        ("store", '[store]\ndata_dir = "/proc/nowhere"\n', "cannot be made"),
    ],
    ids=["gateway", "unknown role", "nothing to run", "long path", "no such folder"],
)
def test_what_cannot_be_started_says_why(start_up: StartUp, roles: str, config: str, words: str) -> None:
    """Wrong usage and unusable configurations end with exit code 2 and one clear message."""
    up = start_up(roles=roles, config=config)
    assert up.process.wait(timeout=WITHIN) == 2
    assert words in up.stderr
    assert "Traceback" not in up.stderr


def test_a_store_that_cannot_start_says_why(start_up: StartUp, short_path: Path) -> None:
    """When the embedded store refuses its files, `up` ends with exit code 3 and the store's own words."""
    folder = short_path / "var" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("this is no manifest\n")
    up = start_up(roles="store")
    assert up.process.wait(timeout=WITHIN) == 3
    assert "Invalid AOF manifest file format" in up.stderr or "store.log" in up.stderr


def test_a_store_that_runs_by_itself(start_up: StartUp, start_store: StartStore) -> None:
    """With the URL of a server the service runs on that one, and starts none."""
    server = start_store()
    up = start_up(roles="", config=f'{IDENTITY}[store]\nurl = "{server.url}"\n')
    up.wait_ready()
    eventually(lambda: not trouble(server.url, "worker"))
    assert processes_of(up.folder, "valkey") == []
    assert up.end() == 0
    assert not trouble(server.url, "store")


def test_a_folder_with_any_name(start_up: StartUp, short_path: Path) -> None:
    """Spaces, quotes and letters of any script in the path of the data folder are taken as they are."""
    up = start_up(roles="store", folder=short_path / 'a "b" \\ é #')
    up.wait_ready()
    assert (up.data_dir / "store.sock").exists()
    assert up.end() == 0
