"""A service for tests: a real child process in a folder of its own, whose mail all goes to a playground.

It ends with whoever started it, however that ends: it holds a pipe that closes then, also after ``kill -9``. No forked
child keeps that pipe open.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from softbounce.client import Client
from softbounce.errors import SoftbounceError
from softbounce.store.address import StoreAddress
from softbounce.testing.outbox import Outbox

__all__ = ["ServiceFailed", "TestService"]

PARENT_FD = "SOFTBOUNCE_PARENT_FD"
"""As in ``softbounce_config.parent``: names the read end of a pipe that closes when the parent is gone."""
READY_WITHIN = 60.0
ENDS_WITHIN = 15.0
TRIES = 5
"""Another process may take a port between our looking for one and the service's listening there."""
LONGEST_FOLDER = 60
"""Of a path below which there is a socket, whose own name may have 107 octets."""
LAST_LINES = 20
PREFIX = "softbounce-test-"
PORT_TAKEN = "in use"
PLAYGROUND = "mail hosts on "
PLAYGROUND_HOSTS = ("127.77.0.1", "127.0.0.1")
"""One of its plain hosts; where such addresses cannot be had, all of them are at the other."""


class ServiceFailed(SoftbounceError):
    """It did not start; with its last words."""


class TestService:
    """The running service.

    :param speed: how many times as fast as they say policies pass: by 60,000 a minute takes a millisecond.
    :param config: a ``softbounce.toml`` whose policies, rules and lanes count; ``None``: the built-in ones.
    :param folder: where its store and its log are, empty; ``None``: one that goes with it.
    :ivar outbox: what was sent, and what became of it.
    """

    __test__ = False  # pytest takes it for a test by its name else

    def __init__(self, *, speed: float = 60_000.0, config: Path | None = None, folder: Path | None = None) -> None:
        self.speed = speed
        self._config = config
        self._given = folder
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = -1
        self._ports = (0, 0)
        self._playground: int | None = None
        self._client: Client | None = None
        self._outbox: Outbox | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def url(self) -> str:
        """Of its store, for ``Client`` and for an app's settings."""
        return StoreAddress.of_socket(str(self._running / "var" / "store.sock")).url

    @property
    def smtp(self) -> tuple[str, int]:
        """Host and port at which it takes mail by SMTP, without login or TLS."""
        self._check()
        return "127.0.0.1", self._ports[0]

    @property
    def http(self) -> str:
        """Where it takes mail by HTTP, as ``http://127.0.0.1:PORT``; ``/dev`` below it shows what came."""
        self._check()
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def client(self) -> Client:
        """A client of its store."""
        if self._client is None:
            self._client = Client(self.url)
        return self._client

    @property
    def outbox(self) -> Outbox:
        """What was sent since it was started, or :meth:`begin`."""
        if self._outbox is None:
            self._outbox = Outbox(self.url, speed=self.speed)
        return self._outbox

    @property
    def log(self) -> str:
        """What the service wrote to its log."""
        file = self._running / "up.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it is there still."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._check().pid

    def start(self) -> None:
        """Start it, and wait until it takes mail.

        :raises ServiceFailed: it does not; or what runs it is not installed.
        """
        if self._process is not None:
            raise ServiceFailed("it runs already")
        for left in reversed(range(TRIES)):
            try:
                self._start()
            except ServiceFailed as error:
                if not left or PORT_TAKEN not in str(error):
                    raise
            else:
                return

    def begin(self) -> None:
        """Begin as if nothing had been sent: end what is on its way, forget keys, copies, and who was greylisted."""
        self.outbox.clear()
        if self._playground is not None:
            _forget_visits(self._playground)

    def end(self) -> None:
        """End it, and remove its folder. Nothing happens when it is not running."""
        process, self._process = self._process, None
        if self._outbox is not None:
            self._outbox.close()
        if self._client is not None:
            self._client.close()
        self._outbox = self._client = None
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()
            self._close_pipe()
            try:
                process.communicate(timeout=ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _start(self) -> None:
        _remove_left_behind(Path(_short_folder()))
        made = f"{PREFIX}{os.getpid()}-"
        self._folder = self._given or Path(tempfile.mkdtemp(prefix=made, dir=_short_folder()))
        self._folder.mkdir(exist_ok=True)
        with _free_ports() as self._ports:
            pass
        pipe, self._kept = os.pipe()
        _close_after_fork(self)
        try:
            with (self._folder / "up.log").open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    self._command(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self._folder,
                    env=self._environ(pipe),
                    pass_fds=[pipe],
                    process_group=0,  # Ctrl-C is for the tests, which end it in good order
                )
            self._wait_ready(self._process)
        except BaseException:  # Ctrl-C too
            self.end()
            raise
        finally:
            os.close(pipe)

    def _command(self) -> list[str]:
        config = [] if self._config is None else ["--config", str(self._config.absolute())]
        speed = ["--policy-speed", f"{self.speed:g}"]
        return [sys.executable, "-P", "-m", "softbounce", "up", "--playground", "--inbox", *speed, *config]

    def _environ(self, pipe: int) -> dict[str, str]:
        """No setting of the developer's own counts: tests are the same on each machine."""
        smtp, http = self._ports
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE")}
        return kept | {
            PARENT_FD: str(pipe),
            "SOFTBOUNCE__STORE__URL": "embedded",
            "SOFTBOUNCE__STORE__DATA_DIR": str(self._running / "var"),
            "SOFTBOUNCE__STORE__DURABILITY": "everysec",
            "SOFTBOUNCE__STORE__SHARDS": "1",
            "SOFTBOUNCE__JOBS__URL": "",
            "SOFTBOUNCE__WORKER__PROCESSES": "1",
            "SOFTBOUNCE__WORKER__DRAIN": "0s",
            "SOFTBOUNCE__SCHEDULER__SWEEP": "500ms",
            "SOFTBOUNCE__SUPPRESS__DEAD_ADDRESSES": "false",  # an address of one test is used by another
            "SOFTBOUNCE__SUPPRESS__COMPLAINTS": "off",
            "SOFTBOUNCE__SUPPRESS__STREAK": "0",
            "SOFTBOUNCE__GATEWAY__SUBMISSION": f"127.0.0.1:{smtp}",
            "SOFTBOUNCE__GATEWAY__HTTP": f"127.0.0.1:{http}",
            "SOFTBOUNCE__GATEWAY__SUBMISSIONS": "",
            "SOFTBOUNCE__GATEWAY__LMTP": "",
            "SOFTBOUNCE__DKIM": "[]",
        }

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was opened above
        give_up_at = time.monotonic() + READY_WITHIN
        said = b""
        while time.monotonic() < give_up_at:
            if not select.select([process.stdout], [], [], 0.2)[0]:
                continue
            octets = os.read(process.stdout.fileno(), 65_536)
            if not octets:
                code = process.wait()
                raise ServiceFailed(f"the service ended with {code} before it was ready:\n{self._last_words()}")
            said += octets
            lines = said.decode(errors="replace").splitlines()
            for line in lines:
                if PLAYGROUND in line:
                    self._playground = _port_of(line)
            if any(line.startswith("ready") for line in lines) and said.endswith(b"\n"):
                return
        raise ServiceFailed(f"the service was not ready within {READY_WITHIN:g} s:\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(self.log.splitlines()[-LAST_LINES:])

    @property
    def _running(self) -> Path:
        if self._folder is None:
            raise ServiceFailed("the service does not run: call start(), or use it in a `with`")
        return self._folder

    def _check(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServiceFailed("the service does not run: call start(), or use it in a `with`")
        return self._process

    def _close_pipe(self) -> None:
        kept, self._kept = self._kept, -1
        if kept >= 0:
            with suppress(OSError):
                os.close(kept)


def _close_after_fork(service: TestService) -> None:
    """A forked child that outlives its parent must not keep the service going."""
    known = weakref.ref(service)

    def close() -> None:
        found = known()
        if found is not None:
            found._close_pipe()  # noqa: SLF001 - the same module

    os.register_at_fork(after_in_child=close)


@contextmanager
def _free_ports() -> Iterator[tuple[int, int]]:
    """Two ports that nobody listens at."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        yield one.getsockname()[1], other.getsockname()[1]


def _remove_left_behind(above: Path) -> None:
    """The folders of those that were killed before they could; each bears the number of who made it."""
    for folder in above.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):  # somebody else removes it just now
            if pid.isdecimal() and folder.lstat().st_uid == os.getuid() and not _lives(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _short_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it safe


def _port_of(line: str) -> int | None:
    """At which port the playground's hosts are, by the line that says so."""
    port = line.rpartition(" port ")[2]
    return int(port) if port.isdecimal() else None


def _forget_visits(port: int) -> None:
    """Have the playground's hosts forget whom they greylisted or cut off already."""
    for host in PLAYGROUND_HOSTS:
        with suppress(OSError), socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"XFORGET\r\nQUIT\r\n")
            while connection.recv(4096):
                pass
            return
