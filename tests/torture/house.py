"""The parts of the service as processes: started, kept running as an init system would, found, signalled and ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clusters import Watched
from ports import free_ports
from stepped import CompilerMissing, SteppedClock, build_shim

from torture.processes import MARK, Living, living, send_signal
from torture.proxy import Proxy
from torture.volumes import Volume
from torture.ways import opened

__all__ = ["LEASE", "House", "NotReady"]

LEASE = 2.5
"""Seconds. The sweep comes every second."""

READY_WITHIN = 60.0
ENDS_WITHIN = 30.0
APPS = {"app": "client", "http-app": "http", "smtp-app": "smtp", "outbox-app": "outbox"}
"""The apps, and the way in that each takes. The first has half of the rate, the others share the rest."""
OUTBOX_ENDS_WITHIN = 90.0
"""What a relay had claimed when it was killed is free again after half a minute."""
RESTART_AFTER = 1.0
HOSTS_READY = re.compile(r"ready dns=(\S+) smtp=([0-9]+)")
STORE_DISK, WORKER_DISK = 1024, 16

CONFIG = """
[store]
url = "{url}"
data_dir = "{folder}"
keep_finished_max = "2GiB"
keep_events_max = 10000000
[identity]
hostname = "torture.test"
[worker]
processes = {processes}
lease = "2500ms"
drain = "5s"
[scheduler]
sweep = "1s"
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
timeouts.greeting = "6s"
timeouts.ehlo = "6s"
timeouts.mail = "6s"
timeouts.rcpt = "6s"
timeouts.data = "6s"
timeouts.block = "6s"
timeouts.end_of_data = "20s"
[policy.default]
window = "3h"
delays = ["500ms", "1s", "2s"]
[policy.brief]
window = "8s"
delays = ["1s", "2s"]
[policy.once]
window = "3h"
delays = ["500ms", "1s", "2s"]
on_uncertain = "bounce"
[[assign]]
stream = "brief"
policy = "brief"
[[assign]]
stream = "once"
policy = "once"
[[lane]]
site = "*"
connections = 10
close_first = "1s"
close_cap = "5s"
"""

GATEWAY = """
[gateway]
http = "127.0.0.1:{http}"
submission = "127.0.0.1:{smtp}"
[[webhook]]
name = "app"
url = "http://127.0.0.1:{receiver}/"
secret = "whsec_dG9ydHVyZSBuZWVkcyBhIHNlY3JldCBvZiAyNCBvY3RldHM="
[policy.webhook]
window = "3h"
delays = ["500ms", "1s", "2s"]
"""


class NotReady(Exception):
    """A part of the service could not be started."""


class Part:
    """A program that is kept running, whatever ends it.

    :ivar restarts: how often it had to be started anew.
    """

    def __init__(self, run: str, name: str, arguments: Sequence[str], log: Path, clock: SteppedClock | None) -> None:
        self.name = name
        self.restarts = 0
        self.ready = asyncio.Event()
        self.ready_line = ""
        self._arguments = [sys.executable, "-P", *arguments]
        self._environment = {**os.environ, MARK: f"{run}/{name}", **(clock.environ if clock else {})}
        self._log = log
        self._ending = False
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep it running."""
        self._task = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        while not self._ending:
            with self._log.open("ab") as log:
                self._process = process = await asyncio.create_subprocess_exec(
                    *self._arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    cwd=self._log.parent,
                    start_new_session=True,
                )
                assert process.stdout is not None
                while line := await process.stdout.readline():
                    log.write(line)
                    log.flush()
                    if line.startswith(b"ready"):
                        self.ready_line = line.decode()
                        self.ready.set()
                code = await process.wait()
                log.write(f"-- {time.time():.3f} {self.name} ended with {code}\n".encode())
            self.ready.clear()
            if not self._ending:
                self.restarts += 1
                await asyncio.sleep(RESTART_AFTER)

    def end(self) -> None:
        """Tell it to end, and restart it no more."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    async def ended(self, within: float) -> bool:
        """Whether it is gone within so many seconds."""
        if self._task is None:
            return True
        await asyncio.wait({self._task}, timeout=within)
        return self._task.done()

    def forget(self) -> None:
        """Stop looking after it."""
        self._ending = True
        if self._task is not None:
            self._task.cancel()


class House:
    """Everything that one run consists of.

    :param rate: the apps' new letters a second, :param letters: in all.
    :param ways: the ways in that there are apps for.
    :ivar proxies: the ways to the store, by the part that goes it.
    :ivar volumes: those that could be mounted, by name.
    :ivar clocks: those that can be set, by the part that goes by it.
    :ivar watched: the store, where sentinels watch it; else it is a part like others.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        rate: float,
        letters: int,
        *,
        ways: Sequence[str],
        watched: Watched | None = None,
    ) -> None:
        self.folder = folder
        self.watched = watched
        self.proxies: dict[str, Proxy] = {}
        self.volumes: dict[str, Volume] = {}
        self.clocks: dict[str, SteppedClock] = {}
        self.parts: dict[str, Part] = {}
        self._run = str(folder)
        self._seed = seed
        self._store_folder = folder / "store"
        self._rate = rate
        self._letters = letters
        self._ways = ways
        self._ports = dict(zip(("http", "smtp", "receiver"), free_ports(3), strict=True))

    @property
    def ledger(self) -> Path:
        """The mail hosts' account."""
        return self.folder / "ledger.jsonl"

    @property
    def app_logs(self) -> dict[str, Path]:
        """The apps' accounts, by the way that each takes."""
        return {way: self.folder / f"{name}.log" for name, way in APPS.items() if way in self._ways}

    @property
    def has_gateway(self) -> bool:
        """Whether there is more than the library: listeners, a relay, and a receiver of webhooks."""
        return any(way != "client" for way in self._ways)

    @property
    def told_log(self) -> Path:
        """The account of the receiver of webhooks."""
        return self.folder / "told.log"

    @property
    def logs(self) -> list[Path]:
        """What the service's parts said."""
        said = ("store", "scheduler", "second", "a", "b", "gateway", "relay", "receiver", *APPS)
        return [self.folder / f"{name}.out" for name in said if name in self.parts]

    @property
    def store_url(self) -> str:
        """The store without any proxy."""
        if self.watched is not None:
            return self.watched.url
        return f"unix://{self._store_folder}/store.sock"

    # -- beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything, and wait until it takes work."""
        is_own = self.watched is None
        for name, megaoctets in (("store", STORE_DISK), ("b", WORKER_DISK)) if is_own else (("b", WORKER_DISK),):
            volume = Volume(self.folder / name, megaoctets)
            if volume.mount():
                self.volumes[name] = volume
        with suppress(CompilerMissing):
            shim = build_shim(self.folder)
            self.clocks = {name: SteppedClock(shim, self.folder / f"{name}.clock") for name in ("store", "b")}
        if is_own:
            for name in ("scheduler", "a", "b", "app", *self._others):
                self.proxies[name] = Proxy(self.folder / f"{name}.sock", self._store_folder / "store.sock")
                await self.proxies[name].open()
        hosts = self._part("hosts", "-m", "torture.hosts", "--ledger", str(self.ledger), "--seed", str(self._seed))
        await self._ready(hosts)
        self._configure(hosts.ready_line)
        if is_own:
            await self._ready(self._up("store", "store"))
        await self._ready(self._up("scheduler", "scheduler"))
        workers = [self._up("a", "worker"), self._up("b", "worker")]
        for part in workers:
            await self._ready(part)
        if self.has_gateway:
            await self._start_gateway()
        for name, way in APPS.items():
            if way in self._ways:
                self._app(name, way).start()

    @property
    def _others(self) -> tuple[str, ...]:
        """The parts by which mail comes in on other ways than the library."""
        return ("gateway", "relay") if self.has_gateway else ()

    def _configure(self, ready_line: str) -> None:
        """Write each part's configuration, once the hosts have said where they are."""
        found = HOSTS_READY.match(ready_line)
        if found is None:
            raise NotReady(f"the hosts said {ready_line!r}")
        for name in ("store", "scheduler", "a", "b", *self._others):
            text = CONFIG.format(
                url="embedded" if name == "store" else self._way(name),
                folder=self.folder / name,
                processes=2 if name == "a" else 1,
                nameserver=found[1],
                port=found[2],
            )
            text += GATEWAY.format(**self._ports) if name == "gateway" else ""
            (self.folder / f"{name}.toml").write_text(text)

    async def _start_gateway(self) -> None:
        """What takes mail in and tells of it, and who is told; and the outbox's relay, once there is its table."""
        receiver = ("--port", str(self._ports["receiver"]), "--log", str(self.told_log))
        await self._ready(self._part("receiver", "-m", "torture.receiver", *receiver))
        await self._ready(self._up("gateway", "gateway"))
        if "outbox" in self._ways:
            with opened("outbox", self._database):  # which makes the table
                pass
            config = ("--config", str(self.folder / "relay.toml"))
            more = ("--database", self._database, "--keep", "1d", "--poll", "100ms")
            self._part("relay", "-m", "softbounce", "relay", *more, *config).start()

    @property
    def _database(self) -> str:
        """The app's, with its outbox."""
        return f"sqlite:///{self.folder}/shop.sqlite"

    def _app(self, name: str, way: str) -> Part:
        url = {
            "client": self._way("app"),
            "http": f"http://127.0.0.1:{self._ports['http']}",
            "smtp": f"smtp://127.0.0.1:{self._ports['smtp']}",
            "outbox": self._database,
        }[way]
        share = 1.0 if len(self._ways) == 1 else 0.5 if way == "client" else 0.5 / (len(self._ways) - 1)
        options = {
            "--way": way,
            "--url": url,
            "--log": str(self.app_logs[way]),
            "--seed": str(self._seed),
            "--rate": f"{self._rate * share:g}",
            "--limit": str(round(self._letters * share)),
        }
        return self._part(name, "-m", "torture.app", *(word for pair in options.items() for word in pair))

    def _way(self, name: str) -> str:
        """The store's URL for a part."""
        return self.proxies[name].url if name in self.proxies else self.store_url

    def _part(self, name: str, *arguments: str) -> Part:
        part = Part(self._run, name, arguments, self.folder / f"{name}.out", self.clocks.get(name))
        self.parts[name] = part
        return part

    def _up(self, name: str, role: str, config: str | None = None) -> Part:
        config = str(self.folder / f"{config or name}.toml")
        return self._part(name, "-m", "softbounce", "up", "--config", config, "--roles", role)

    async def _ready(self, part: Part) -> None:
        part.start()
        try:
            await asyncio.wait_for(part.ready.wait(), READY_WITHIN)
        except TimeoutError:
            raise NotReady(f"{part.name} was not ready within {READY_WITHIN:g} s") from None

    # -- what faults need -------------------------------------------------------------------------------------------

    def living(self, *roles: str) -> list[Living]:
        """The processes of these roles; without any: all but the mail hosts'."""
        return [one for one in living(self._run) if (one.role in roles if roles else one.part != "hosts")]

    def signal(self, one: Living, number: signal.Signals) -> bool:
        """Signal a process of ours. Whether it was there."""
        return send_signal(one, self._run, number)

    async def second_scheduler(self, seconds: float) -> bool:
        """Run another scheduler for so long."""
        if "second" in self.parts:
            return False
        part = self._up("second", "scheduler", "scheduler")
        part.start()
        await asyncio.sleep(seconds)
        part.end()
        await part.ended(ENDS_WITHIN)
        del self.parts["second"]
        return True

    def heal(self) -> None:
        """Nothing is in the way of anyone any more."""
        for server in () if self.watched is None else self.watched.servers:
            if server.process is None:
                server.start()
            server.signal(signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.heal()
        for volume in self.volumes.values():
            volume.empty()
        for clock in self.clocks.values():
            clock.set(0)
        for one in self.living():
            self.signal(one, signal.SIGCONT)

    # -- ending -----------------------------------------------------------------------------------------------------

    async def end_apps(self) -> bool:
        """End the apps, once each letter has its answer. Whether they went."""
        within = {name: OUTBOX_ENDS_WITHIN if way == "outbox" else ENDS_WITHIN for name, way in APPS.items()}
        return all(await asyncio.gather(*(self.end_part(name, seconds) for name, seconds in within.items())))

    async def end_part(self, name: str, within: float = ENDS_WITHIN) -> bool:
        """End one part in good order, where there is such a one. Whether it went."""
        part = self.parts.get(name)
        if part is None:
            return True
        part.end()
        return await part.ended(within)

    async def clear(self) -> None:
        """Leave no process and no mount behind, whatever happened."""
        for part in self.parts.values():
            part.forget()
        for _ in range(50):
            left = living(self._run)
            if not left:
                break
            for one in left:
                self.signal(one, signal.SIGKILL)
            await asyncio.sleep(0.1)
        for proxy in self.proxies.values():
            await proxy.close()

    def unmount(self) -> None:
        """Take the volumes away."""
        for volume in self.volumes.values():
            volume.unmount()
