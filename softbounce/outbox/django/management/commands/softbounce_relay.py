"""``manage.py softbounce_relay``: the relay of one of the app's databases, by Django's own connection to it."""

from __future__ import annotations

import asyncio
import json
import signal
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from softbounce.errors import SoftbounceError
from softbounce.outbox.relay.aside import drop, look, try_again
from softbounce.outbox.relay.relay import Relay

__all__ = ["Command"]


class Command(BaseCommand):
    """Hands what transactions have added to the outbox over to softbounce."""

    help = "Hands what transactions have added to the outbox over to softbounce, until it is told to end."
    requires_system_checks: list[str] = []  # noqa: RUF012 - as Django has it: a relay starts whatever the app's views are

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What it takes."""
        parser.add_argument("--database", default="default", help="which of the app's databases")
        parser.add_argument("--store", metavar="URL", help="the service's store; else settings.SOFTBOUNCE_URL")
        parser.add_argument("--keep", type=float, default=0.0, metavar="DAYS", help="how long what was sent is kept")
        parser.add_argument("--once", action="store_true", help="end when nothing waits any more")
        parser.add_argument("--aside", action="store_true", help="show what waits and what was set aside, and end")
        parser.add_argument(
            "--again", nargs="*", type=int, metavar="ID", help="let these wait again; all if none is named"
        )
        parser.add_argument("--drop", nargs="+", type=int, metavar="ID", help="delete these that were set aside")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - as Django calls it
        """Run it. :raises CommandError: it cannot be done."""
        try:
            connection = connections[options["database"]]
            if options["aside"]:
                self.stdout.write(json.dumps(asyncio.run(look(connection)).to_dict()))
            elif options["again"] is not None:
                self.stdout.write(f"{asyncio.run(try_again(connection, options['again'] or None))} wait again")
            elif options["drop"]:
                self.stdout.write(f"{asyncio.run(drop(connection, options['drop']))} dropped")
            else:
                asyncio.run(self._relay(connection, options))
        except SoftbounceError as error:
            raise CommandError(str(error)) from None

    async def _relay(self, connection: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
        store = options["store"] or getattr(settings, "SOFTBOUNCE_URL", None)
        if not store:
            raise CommandError("say where the service's store is: --store URL, or SOFTBOUNCE_URL in the settings")
        relay = Relay(connection, store, keep=timedelta(days=options["keep"]))
        if options["once"]:
            self.stdout.write(f"{await relay.run_once()} handed over")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, relay.stop)
        self.stdout.write("ready")
        self.stdout.flush()
        await relay.run()
