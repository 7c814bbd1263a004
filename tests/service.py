"""The whole service as users run it: real processes started by the public command line, ended by their own pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forked_command import Forked, fork
from softbounce_playground import Entry, read_ledger

from softbounce import Client, Shown

if TYPE_CHECKING:
    from neighbours import Neighbours

__all__ = ["IDENTITY", "PlaygroundProcess", "Service", "run_cli", "until"]

PYTHON = sys.executable
START_WITHIN = 30.0
OUR_FAULTS = ("loop_failed", "session_failed", "opening_failed", "outcome_failed", "result_not_settled", "task_failed")
IDENTITY = '[identity]\nhostname = "client.test"\n'


def until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.05) -> None:
    """Wait for a condition that others bring about; fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def run_cli(
    *arguments: str | Path,
    stdin: bytes = b"",
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    words = [str(one) for one in arguments]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        given.write(stdin)
        given.seek(0)
        files = {"stdin": given.fileno(), "stdout": said.fileno(), "stderr": complained.fileno()}
        process = fork(words, folder=folder, environ={**os.environ, **(environ or {})}, **files)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said.seek(0)
        complained.seek(0)
        return subprocess.CompletedProcess(words, code, said.read(), complained.read())


def ready_line(process: subprocess.Popen[str] | Forked, before: list[str] | None = None) -> str:
    """The first line that begins with ready; those before it are kept in a list, where there is one."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            return line
        if before is not None:
            before.append(line.rstrip())
    raise AssertionError(f"it ended with {process.wait()} before it was ready")


class PlaygroundProcess:
    """The playground as a process: its nameserver, its port, its ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.jsonl"
        reading, writing = os.pipe()
        with Path(os.devnull).open("rb") as nothing:
            self._process = fork(
                ["--dns", "127.0.0.1:0", "--smtp-port", "0", "--ledger", str(self.ledger)],
                package="softbounce_playground",
                folder=folder,
                environ=os.environ,
                stdin=nothing.fileno(),
                stdout=writing,
                stderr=2,
                reads=os.fdopen(reading, encoding="utf-8"),
            )
        os.close(writing)
        words = dict(word.split("=") for word in ready_line(self._process).split()[1:])
        self.nameserver, self.port = words["dns"], int(words["smtp"])

    def taken(self, recipients: Collection[str]) -> list[Entry]:
        """The ledger, as soon as each of these is in it: what was answered is written to the file a moment later.

        Only what was kept counts: a host has it, whether or not it could say so.
        """
        entries: list[Entry] = []

        def is_written() -> bool:
            entries[:] = read_ledger(self.ledger)
            return {one for entry in entries if entry.kept for one in entry.recipients}.issuperset(recipients)

        until(is_written, 20, "the ledger is written")
        return entries

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop it for a while: no reply leaves any host, and what came waits in its sockets."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it; its ledger is whole then."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Service:
    """One ``softbounce up`` with a config of its own, in a folder of its own (a short path: sockets need that).

    :ivar environ: what the environment of the next start has besides ours.
    :ivar said: the lines of its stdout before the one that begins with ready.
    """

    def __init__(
        self,
        config: str,
        playground: PlaygroundProcess | Neighbours | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sb-")
        self.folder = Path(self._temporary.name)
        self.config = self.folder / "softbounce.toml"
        self.playground = playground
        self.environ = dict(environ or {})
        self._log = (self.folder / "stderr").open("ab")
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self.process: Forked | subprocess.Popen[str] | None = None
        self.said: list[str] = []
        self.configure(config)

    @property
    def name(self) -> str:
        """A word of its own, for addresses."""
        return self.folder.name.removeprefix("sb-").replace("_", "x")

    @property
    def url(self) -> str:
        """The store's URL."""
        named = tomllib.loads(self.config.read_text()).get("store", {}).get("url", "embedded")
        return f"unix://{self.folder}/var/store.sock" if named == "embedded" else str(named)

    @property
    def log(self) -> str:
        """What it and its children wrote to stderr."""
        return (self.folder / "stderr").read_text(errors="replace")

    def configure(self, config: str) -> None:
        """Write the config file."""
        text = config if "[identity]" in config else IDENTITY + config
        if self.playground is not None:
            text = (
                f'[dns]\nnameservers = ["{self.playground.nameserver}"]\n'
                f"[smtp]\nport = {self.playground.port}\nallow_private_addresses = true\n" + text
            )
        self.config.write_text(text)

    def start(self, *options: str) -> None:
        """Start it and wait until it takes work; what it said by then is in :attr:`said`."""
        self.said = []
        reading, writing = os.pipe()
        self.process = fork(
            ["up", "--config", str(self.config), *options],
            folder=self.folder,
            environ={**os.environ, **self._without_http(), **self.environ},
            stdin=self._nothing,
            stdout=writing,
            stderr=self._log.fileno(),
            reads=os.fdopen(reading, encoding="utf-8"),
        )
        os.close(writing)
        try:
            self.said.append(ready_line(self.process, self.said))
        except AssertionError as error:
            self._close()
            raise AssertionError(f"{error}\n{self.log}") from None

    def _without_http(self) -> dict[str, str]:
        """Nobody listens at the default place in a test; whoever is about HTTP names another."""
        return {} if "\nhttp = " in self.config.read_text() else {"SOFTBOUNCE__GATEWAY__HTTP": ""}

    def client(self) -> Client:
        """A client of its store."""
        return Client(self.url)

    def cli(self, command: str, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command against it."""
        return run_cli("--config", self.config, command, *arguments, stdin=stdin, folder=self.folder)

    def json(self, command: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever the command answers
        """Run a command with ``--json`` and read its answer."""
        done = self.cli(command, "--json", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def children(self) -> dict[int, str]:
        """The pids of its processes, children of children included, with their command lines."""
        assert self.process is not None
        return dict(descendants(self.process.pid))

    def pids(self, word: str) -> list[int]:
        """The pids of those processes whose command line has a word."""
        return [pid for pid, command in self.children().items() if word in command]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._close()
        return code

    def kill(self) -> None:
        """SIGKILL to it and all its processes at once."""
        assert self.process is not None
        pids = [self.process.pid, *self.children()]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self._close()

    def _close(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def clean(self) -> None:
        """End whatever still runs, and remove the folder. A fault of ours is no good end, whatever went on."""
        if self.process is not None:
            self.kill()
        self._log.close()
        os.close(self._nothing)
        faults = [line for line in self.log.splitlines() if any(f'"event": "{one}"' in line for one in OUR_FAULTS)]
        self._temporary.cleanup()
        assert not faults, faults[0]

    def wait_final(self, ids: Sequence[str], seconds: float) -> dict[str, Shown]:
        """Wait until all these envelopes have ended."""
        shown: dict[str, Shown] = {}
        with self.client() as mail:

            def ended() -> bool:
                for one in ids:
                    if one not in shown:
                        now = mail.show(one)
                        if now.state in {"delivered", "bounced", "cancelled"}:
                            shown[one] = now
                return len(shown) == len(ids)

            try:
                until(ended, seconds, f"{len(ids)} envelopes end", pause=0.2)
            except AssertionError as error:
                left = [mail.show(one).to_dict() for one in ids if one not in shown][:3]
                missing = len(ids) - len(shown)
                raise AssertionError(f"{error}; {missing} have not, such as {left}\n{self.log[-3000:]}") from None
        return shown


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """The processes below one, by what Linux tells of them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            waiting.append(child)
            try:
                command = (Path("/proc") / str(child) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            yield child, command
