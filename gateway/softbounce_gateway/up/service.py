"""``softbounce up``: the whole service in the foreground.

Starts, in this order: the store (when it is embedded), the playground (when asked for), the scheduler, the workers and
the ways in that are asked for, each a process of its own. Ends them the other way round. Prints one line that begins
with ``ready`` once all take work. Does none of the work itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from softbounce_config import Config, ehlo_name
from softbounce_config.own_roads import OwnRoads
from softbounce_config.parent import watch_parent

from softbounce.errors import ConfigError, StoreError
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.dkim.configured import check_keys
from softbounce_gateway.embedded_store.folder_lock import make_folder
from softbounce_gateway.embedded_store.memory_limit import store_octets
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.hang_up import EARLY, has_terminal
from softbounce_gateway.restored_store.guard import CopyOrder, Guard
from softbounce_gateway.restored_store.hold_all import hold_all
from softbounce_gateway.store_checks.channels import check_channels
from softbounce_gateway.store_checks.destination import settle_destination
from softbounce_gateway.store_checks.durability import DurabilityWatch, check_durability
from softbounce_gateway.store_checks.jobs_place import check_jobs
from softbounce_gateway.store_checks.memory import memory_in_words
from softbounce_gateway.store_checks.readiness import STORE_PATIENCE, wait_for_store
from softbounce_gateway.store_checks.schema import prepare_schema
from softbounce_gateway.submission.certificate import check_certificate
from softbounce_gateway.submission.listening import endpoints, return_endpoints
from softbounce_gateway.supervise.child import Child
from softbounce_gateway.supervise.nursery import Nursery
from softbounce_gateway.supervise.program import Program
from softbounce_gateway.terminal import complain, say
from softbounce_gateway.up.checkups import Checkups
from softbounce_gateway.up.own_store import OwnStore
from softbounce_gateway.up.programs import HOSTNAME, MODULES, PlaygroundPorts, Programs
from softbounce_gateway.up.published_settings import Rehearsal, settings_for, settle
from softbounce_gateway.up.reloading import Reloading
from softbounce_gateway.up.roles import choose_roles, raise_file_limit
from softbounce_gateway.up.told_tables import ToldTables, alerts_of, check_secrets, owes_ends, webhooks_of

__all__ = ["CopyOrder", "Orders", "run"]

PLAYGROUND_ENDS_WITHIN = 5.0
SCHEDULER_ENDS_WITHIN = 10.0
GATEWAY_ENDS_WITHIN = 10.0
AFTER_DRAIN = 5.0
TOLD = {"webhooks": ("webhook", webhooks_of, lambda _: False), "alerts": ("alert", alerts_of, owes_ends)}
"""Those that come and go with a reload, each with the word for a table of it."""
INBOX_OCTETS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What an ``up`` is told beside its configuration.

    :ivar roles: out of ``ROLES``; ``None``: all that there are.
    :ivar playground: send all mail to a local playground.
    :ivar policy_speed: in a playground, how many times as fast as they say policies pass.
    :ivar inbox: in a playground, what is accepted is kept for looking at.
    :ivar workers: how many worker processes, where not as many as the config says.
    :ivar copy: what to do about a store that was restored from a backup.
    :ivar as_json: the report of what is held then, for programs.
    """

    roles: Sequence[str] | None = None
    playground: bool = False
    policy_speed: float = 1.0
    inbox: bool = False
    workers: int | None = None
    copy: CopyOrder = CopyOrder.REFUSE
    as_json: bool = False

    @property
    def rehearsal(self) -> Rehearsal | None:
        """What is different in a playground; ``None``: mail goes to the world."""
        if not self.playground:
            return None
        return Rehearsal(speed=self.policy_speed, copies_octets=INBOX_OCTETS if self.inbox else 0)


def run(config: Config, config_path: Path | None, orders: Orders) -> int:
    """Run the service until SIGTERM or SIGINT. Returns the exit code.

    :param config: as loaded from *config_path* and the environment.
    """
    service: Up | None = None
    try:
        chosen = choose_roles(orders.roles, is_embedded=config.is_embedded, has_way_in=has_way_in(config))
        service = Up(config, config_path, chosen, orders)
        service.fork_nursery()
        if "worker" in chosen:
            check_keys(config)
        if "gateway" in chosen:
            check_certificate(config)
            check_secrets(config)
        if "worker" in chosen and not orders.playground:
            OwnRoads(config_path, os.environ, config).check()
            service.greet_as(ehlo_name(config.identity.hostname))
        raise_file_limit()
        return asyncio.run(service.run())
    except ConfigError as error:
        complain(str(error))
        return 2
    except StartFailed as error:
        complain(str(error))
        return error.exit_code
    finally:
        if service is not None:
            service.end_nursery()


class Up:
    """One run of the service."""

    def __init__(self, config: Config, config_path: Path | None, roles: frozenset[str], orders: Orders) -> None:
        self._config = config
        self._config_path = None if config_path is None else config_path.absolute()
        self._roles = roles
        self._orders = orders
        self._began = time.monotonic()
        self._memory = ""
        self._told = 0
        self._ending = asyncio.Event()
        self._programs = Programs(self._config_path)
        self._nursery: Nursery | None = None
        self._store: OwnStore | None = None
        self._playground: Child | None = None
        self._workers: list[Child] = []
        self._scheduler: Child | None = None
        self._gateways: list[Child] = []
        self._tables: list[ToldTables] = []
        self._guard = Guard(config)
        self._guarding: asyncio.Task[None] | None = None
        self._refusal: StartFailed | None = None
        publishes = "scheduler" in roles
        self._reloading = Reloading(
            config, self._config_path, orders.rehearsal, publishes=publishes, note=self._note_for_others
        )
        self._watch: asyncio.Task[None] | None = None
        self._checkups: asyncio.Task[None] | None = None

    def greet_as(self, hostname: str) -> None:
        """Workers give this name to mail hosts, also those that are started again later."""
        self._programs.overrides = {HOSTNAME: hostname}

    def fork_nursery(self) -> None:
        """Fork off what will fork our children: now, while this process has no pipe, thread or code of users."""
        kinds = ["worker"] * self._number_of_workers() + ["scheduler"] * ("scheduler" in self._roles)
        kinds += ["playground"] * self._orders.playground + self._ways_in()
        if len(kinds) > 1:
            self._nursery = Nursery.begin([MODULES[kind] for kind in dict.fromkeys(kinds)])

    def end_nursery(self) -> None:
        """It goes last."""
        if self._nursery is not None:
            self._nursery.close()

    async def run(self) -> int:
        """Start, serve, end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        if EARLY.came:
            self._hang_up()
        watch_parent(loop, self._end)
        ending = asyncio.create_task(self._ending.wait())
        starting = asyncio.create_task(self._start())
        try:
            await asyncio.wait({ending, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await ending
        finally:
            starting.cancel()
            await asyncio.wait({starting})
            await self._stop()
        if self._refusal is not None:
            raise self._refusal
        return 0 if self._told <= 1 else 1

    # -- starting ---------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        config, orders = self._config, self._orders
        make_folder(config.data_dir)
        store = AsyncShards(config.store_url, patience=0.0)
        try:
            if "store" in self._roles:
                self._store = OwnStore(config, self._store_octets())
                await self._store.start()
            ports = self._start_playground() if orders.playground else None
            await self._wait_for_store(store)
            store.patience = STORE_PATIENCE
            self._memory = await memory_in_words(store, config)
            await check_durability(store, config)
            await check_channels(store, config)
            await prepare_schema(store, config.store.shards)
            await self._meet(store)
            if self._roles - {"store"}:
                await check_jobs(config)
        except StoreError as error:
            raise StartFailed(f"the store at {redact(config.store_url)}: {error}", exit_code=3) from error
        finally:
            await store.close()
        if ports is not None:
            await self._learn_ports(ports)
        if "scheduler" in self._roles:
            self._scheduler = self._child(self._programs.scheduler)
        if "worker" in self._roles:
            self._workers = [
                self._child(lambda number=number: self._programs.worker(number))  # type: ignore[misc]
                for number in range(1, self._number_of_workers() + 1)
            ]
        self._make_gateways()
        children = [*([self._scheduler] if self._scheduler else []), *self._workers, *self._gateways]
        for child in children:
            child.start()
        for child in children:
            await self._wait_ready(child, may_die=child not in self._gateways)
        self._watch = asyncio.create_task(DurabilityWatch(config).run())
        if config.health.every and not orders.playground and self._roles & {"worker", "store"}:
            self._checkups = asyncio.create_task(Checkups(config.health.every, self._programs.checkup).run())
        self._reloading.begin(self._tables)  # whoever waits for a child to begin would wait for one that is gone
        say(f"ready after {time.monotonic() - self._began:.1f} s: {self._what_runs()}")

    def _child(self, program: Callable[[], Program]) -> Child:
        return Child(program, may_start=self._guard.may_start, nursery=self._nursery)

    async def _wait_ready(self, child: Child, *, may_die: bool) -> None:
        """Wait until it takes work.

        :param may_die: it is restarted until it does; else, where it ends by itself, what it needs is not to be had,
            and it has said why. Who was killed, or met a store that was away, is restarted in any case.
        """
        if may_die:
            await child.ready.wait()
        elif not await child.takes_work():
            raise StartFailed(f"{child.name} cannot be started, for the reason above", exit_code=2)

    async def _meet(self, store: AsyncShards) -> None:
        """Let the store in, unless it is a copy that was restored from a backup; or do with that what we were told."""
        config, orders = self._config, self._orders
        does_work = bool(self._roles - {"store"})
        if orders.copy is not CopyOrder.REFUSE:
            self._guard.read()
        elif does_work:
            await self._guard.admit(store)
        if does_work:
            await settle_destination(store, config.store.shards, is_playground=orders.playground)
        settings = settings_for(config, orders.rehearsal)
        await settle(store, config.store_url, settings, publishes="scheduler" in self._roles)
        if orders.copy is CopyOrder.HOLD_ALL:
            await hold_all(store, config, self._guard, as_json=orders.as_json)
        elif orders.copy is CopyOrder.ACCEPT:
            await self._guard.accept(store)
        if does_work:
            self._guarding = asyncio.create_task(self._guard_store())

    async def _guard_store(self) -> None:
        """End when the store turns out to be an older copy: it was replaced while we ran."""
        self._refusal = await self._guard.watch()
        complain(f"{self._refusal}; ending")
        self._ending.set()

    def _what_runs(self) -> str:
        parts = [f"store {redact(self._config.store_url)}{self._memory}"]
        parts += ["scheduler"] if self._scheduler else []
        number = len(self._workers)
        parts += [f"{number} worker{'' if number == 1 else 's'}"] if number else []
        parts += [child.ready_line.removeprefix("ready ") for child in self._gateways]
        parts += ["playground (no mail leaves this machine)"] if self._playground else []
        gate = self._config.gate.rules()
        parts += (
            [] if gate is None else [f"STAGING GATE: mail goes to nobody but {gate.in_words}, {gate.others_in_words}"]
        )
        return ", ".join(parts)

    def _number_of_workers(self) -> int:
        if "worker" not in self._roles:
            return 0
        return self._config.worker.processes if self._orders.workers is None else self._orders.workers

    def _make_gateways(self) -> None:
        """Those of the role, those last that come and go with a reload."""
        kinds = [kind for kind in self._ways_in() if kind not in TOLD]
        self._gateways = [self._child(getattr(self._programs, kind)) for kind in kinds]
        if "gateway" not in self._roles:
            return
        for kind, (word, read, owes) in TOLD.items():
            make = partial(self._child, getattr(self._programs, kind))
            tables = ToldTables(
                word,
                read,
                self._config,
                make,
                gateways=self._gateways,
                ends_within=GATEWAY_ENDS_WITHIN,
                owes=owes,
            )
            tables.begin()
            self._tables.append(tables)

    def _ways_in(self) -> list[str]:
        """The kinds of children that take mail in, or tell of it."""
        if "gateway" not in self._roles:
            return []
        config = self._config
        ways = {
            "submission": any(endpoints(config)),
            "returns": any(return_endpoints(config)),
            "http": bool(config.gateway.http),
            "webhooks": bool(config.webhook),
            "alerts": bool(config.alert) or owes_ends(config),
        }
        return [kind for kind, is_wanted in ways.items() if is_wanted]

    def _store_octets(self) -> int:
        """What the store may take of the memory, beside this process and those that will be started."""
        others = 1 + ("scheduler" in self._roles) + self._orders.playground + len(self._ways_in())
        return store_octets(self._config, workers=self._number_of_workers(), others=others)

    async def _wait_for_store(self, store: AsyncShards) -> None:
        if self._store is None:
            await wait_for_store(store, patience=STORE_PATIENCE, progress=say, is_lost=lambda: False)
        else:
            await self._store.wait(store)

    def _start_playground(self) -> PlaygroundPorts:
        ports = PlaygroundPorts()
        ledger = self._config.data_dir / "playground" / "ledger.jsonl"
        self._playground = Child(lambda: self._programs.playground(ports, ledger), nursery=self._nursery)
        self._playground.start()
        return ports

    async def _learn_ports(self, ports: PlaygroundPorts) -> None:
        playground = self._playground
        if playground is None:
            return
        if not await playground.takes_work() or not ports.learn(playground.ready_line):
            raise StartFailed("the playground cannot be started, so no mail is sent anywhere", exit_code=1)
        self._programs.overrides = ports.overrides()
        if self._config.route:
            say("playground: the routes are left out, so that all mail goes to its hosts")
        say(f"playground: nameserver {ports.nameserver}, mail hosts on 127.77.0.0/16 port {ports.smtp_port}")
        say(f"playground: what they take is in {self._config.data_dir / 'playground' / 'ledger.jsonl'}")

    # -- ending -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        self._told += 1
        self._ending.set()
        if self._told == 1:
            say("ending: what was begun is finished first (once more: at once)")
            return
        say("ending at once")
        for child in (*self._gateways, *self._workers, self._scheduler, self._playground, self._store):
            if child is not None:
                child.kill()

    async def _stop(self) -> None:
        """The ways in first, then workers and scheduler, then the playground, the store last."""
        await self._reloading.end()
        if self._guarding is not None:
            self._guarding.cancel()
            await asyncio.wait({self._guarding})
        if self._watch is not None:
            self._watch.cancel()
        if self._checkups is not None:
            self._checkups.cancel()
            await asyncio.wait({self._checkups})
        await asyncio.gather(*(gateway.stop(GATEWAY_ENDS_WITHIN) for gateway in self._gateways))
        drain = self._config.worker.drain.total_seconds() + AFTER_DRAIN
        first = [worker.stop(drain) for worker in self._workers]
        if self._scheduler is not None:
            first.append(self._scheduler.stop(SCHEDULER_ENDS_WITHIN))
        await asyncio.gather(*first)
        if self._playground is not None:
            await self._playground.stop(PLAYGROUND_ENDS_WITHIN)
        if self._guarding is not None:
            await self._guard.note_last()
        if self._store is not None:
            await self._store.stop()
            self._store.release()
        self._programs.close()

    def _note_for_others(self, words: Mapping[str, str]) -> None:
        """Where the store is ours, so is its folder, whose lock says what `config reload` asks for."""
        if self._store is not None:
            self._store.note(words)

    def _hang_up(self) -> None:
        """SIGHUP asks for a reload, unless it says that the terminal we were started from is gone."""
        if EARLY.had_terminal and not has_terminal():
            self._end()
        elif not self._ending.is_set():
            self._reloading.ask()


def has_way_in(config: Config) -> bool:
    """Whether there is a place to listen at, or somebody to tell."""
    listens = bool(config.gateway.http) or any(endpoints(config)) or any(return_endpoints(config))
    return listens or bool(config.webhook) or bool(config.alert)
