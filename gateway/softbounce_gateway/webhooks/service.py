"""The process that tells webhooks: its receivers, what it knows of the store, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import structlog
from softbounce_config import Config
from softbounce_config.loops import keep_going, pause_after
from softbounce_config.parent import tell_parent, watch_parent

from softbounce.client.event_log import Cursor, end_of_log
from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.errors import StoreError
from softbounce.settings import Policy, Settings
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce.store.webhooks import forget_receiver, read_orders, read_receivers
from softbounce.webhooks import WEBHOOK_POLICY
from softbounce_gateway.webhooks.dialling import make_context
from softbounce_gateway.webhooks.house import House
from softbounce_gateway.webhooks.own_secrets import OwnSecrets
from softbounce_gateway.webhooks.owner import own_token
from softbounce_gateway.webhooks.posting import Poster
from softbounce_gateway.webhooks.receiver import ReceiverTeller

__all__ = ["WebhookService"]

TAIL_EVERY = 0.25
ORDERS_EVERY = 1.0
SETTINGS_EVERY = 5.0
PATIENCE = 3.0
BEGUN_WITHIN = 10.0
FORGOTTEN_AFTER_MS = 30 * 86_400_000
log = structlog.get_logger("softbounce.webhooks")


class WebhookService:
    """The process.

    :raises ConfigError: a secret cannot be had.
    """

    def __init__(self, config: Config) -> None:
        self._told = [table.told() for table in config.webhook]
        self._own = config.settings()
        self._settings: Settings = self._own
        self._store = AsyncShards(config.store_url, patience=PATIENCE)
        self._knowledge = Knowledge()
        self._ending = asyncio.Event()
        self._end_of_log: Cursor = ()
        secrets = OwnSecrets(os.environ)
        secrets.check(self._told)
        self._house = House(
            store=self._store,
            knowledge=self._knowledge,
            token=own_token(config.data_dir),
            policy=self._policy,
            keep_events=lambda: self._settings.keep_events_max,
            secrets=secrets.of,
            ending=self._ending,
        )
        self._tellers: list[ReceiverTeller] = []

    async def run(self) -> None:
        """Tell until told to end."""
        loop = asyncio.get_running_loop()
        for signalled in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signalled, self._ending.set)
        watch_parent(loop, self._ending.set)
        await self._read_settings()
        await self._forget_old()
        context = await loop.run_in_executor(None, make_context)
        posters = [Poster(told, context) for told in self._told]
        self._tellers = [
            ReceiverTeller(told, self._house, poster) for told, poster in zip(self._told, posters, strict=True)
        ]
        telling = [asyncio.create_task(self._tell(one)) for one in self._tellers]
        looking = [
            asyncio.create_task(keep_going("webhook_log", self._watch_log, log)),
            asyncio.create_task(keep_going("webhook_orders", self._watch_orders, log)),
            asyncio.create_task(keep_going("webhook_settings", self._watch_settings, log)),
        ]
        await self._wait_until_begun()
        number = len(self._told)
        tell_parent(f"ready {number} webhook{'' if number == 1 else 's'}", self._ending.set)
        await self._ending.wait()
        for teller in self._tellers:
            teller.hear()
        await asyncio.gather(*telling)
        for task in looking:
            task.cancel()
        for poster in posters:
            await poster.close()
        await self._store.close()

    async def _wait_until_begun(self) -> None:
        """What is accepted once we say that we are ready is told to all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGUN_WITHIN):
                for teller in self._tellers:
                    await teller.is_begun.wait()

    async def _tell(self, teller: ReceiverTeller) -> None:
        """One receiver, until told to end; whatever it meets is no trouble of another's."""
        failed = 0
        while not self._ending.is_set():
            pause = pause_after(failed)
            try:
                await teller.tell()
            except StoreError as error:
                log.warning("store_trouble", webhook=teller.name, error=str(error), again_in=pause)
            except Exception:  # a fault of ours; it begins anew from what was noted
                log.exception("loop_failed", loop="webhook", webhook=teller.name, again_in=pause)
            else:
                failed = 0
                continue
            failed += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)
        teller.is_begun.set()

    def _policy(self, name: str | None) -> Policy:
        """By its name: as it is published, or as our own file has it. Without one, the usual."""
        wanted = name or WEBHOOK_POLICY.name
        return self._settings.policies.get(wanted) or self._own.policies.get(wanted, WEBHOOK_POLICY)

    async def _watch_log(self) -> None:
        """Whoever has read all hears of it when there is more."""
        await asyncio.sleep(TAIL_EVERY)
        end = await await_flow(end_of_log(self._knowledge), self._store)
        if end != self._end_of_log:
            self._end_of_log = end
            for teller in self._tellers:
                teller.hear()

    async def _watch_orders(self) -> None:
        await asyncio.sleep(ORDERS_EVERY)
        notes = await self._store.run(read_orders())
        for teller in self._tellers:
            if teller.is_ours:
                for note in notes:
                    if note.name == teller.name:
                        teller.order(note)

    async def _watch_settings(self) -> None:
        await asyncio.sleep(SETTINGS_EVERY)
        await self._read_settings()

    async def _read_settings(self) -> None:
        published = await self._store.run(read_settings(waits=self._own.waits))
        self._settings = self._own if published is None else published

    async def _forget_old(self) -> None:
        """Receivers that no process has told for a month are in nobody's configuration any more."""
        now_ms = (await self._store.run(read_time(HOME))).now_ms
        mine = {told.name for told in self._told}
        for name, (_, receiver) in (await self._store.run(read_receivers())).items():
            if name not in mine and receiver.noted_ms < now_ms - FORGOTTEN_AFTER_MS:
                await self._store.run(forget_receiver(name))
                log.info("webhook_forgotten", webhook=name)
