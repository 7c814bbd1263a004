"""Runs ``softbounce dev``: a service in a folder that goes with it, and its event log on the terminal."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from softbounce import Client, Event, NotFound
from softbounce.errors import StoreError
from softbounce_gateway.beside import Service

__all__ = ["Wanted", "run"]

POLL_SECONDS = 0.1
LONGEST_FOLDER = 50
"""Of a path below which there is a socket: macOS's own folders for temporary files are longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for.

    :ivar smtp: where it listens.
    :ivar http: where that does.
    :ivar policy_speed: how many times as fast policies pass.
    :ivar config: a file whose policies and rules count; ``None``: as everywhere, ``./softbounce.toml`` if there is one.
    """

    smtp: str
    http: str
    policy_speed: float
    config: Path | None


def run(wanted: Wanted, began: Callable[[Service], None], show: Callable[[Event, str | None], None]) -> int:
    """Run until Ctrl-C or SIGTERM; the exit code.

    :param began: called when mail is taken.
    :param show: called with each event, and its sender where it is a new message.
    :raises ServiceFailed: it did not start; with its last words.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="softbounce-dev-", dir=_short(tempfile.gettempdir())))
    config = () if wanted.config is None else ("--config", str(wanted.config))
    options = (*config, "--policy-speed", f"{wanted.policy_speed:g}", "--inbox")
    service = Service(folder, options, _environ(wanted, os.environ))
    try:
        service.start()
        began(service)
        return _follow(service, show)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once more would leave the folder behind; it ends soon
        service.end()
        shutil.rmtree(folder, ignore_errors=True)


def _environ(wanted: Wanted, environ: Mapping[str, str]) -> dict[str, str]:
    """Whatever a file says of policies counts; where mail is kept, goes and comes from is ours to say."""
    kept = {name: value for name, value in environ.items() if name != "SOFTBOUNCE_URL"}
    return kept | {
        "SOFTBOUNCE__STORE__URL": "embedded",
        "SOFTBOUNCE__STORE__SHARDS": "1",
        "SOFTBOUNCE__JOBS__URL": "",
        "SOFTBOUNCE__WORKER__PROCESSES": "1",
        "SOFTBOUNCE__WORKER__DRAIN": "1s",
        "SOFTBOUNCE__SCHEDULER__SWEEP": "500ms",
        "SOFTBOUNCE__GATEWAY__SUBMISSION": wanted.smtp,
        "SOFTBOUNCE__GATEWAY__HTTP": wanted.http,
        "SOFTBOUNCE__GATEWAY__SUBMISSIONS": "",
        "SOFTBOUNCE__GATEWAY__LMTP": "",
        "SOFTBOUNCE__DKIM": "[]",
        "SOFTBOUNCE__WEBHOOK": "[]",  # whom it names is told of mail for the world
    }


def _follow(service: Service, show: Callable[[Event, str | None], None]) -> int:
    """Show the event log until the service ends, which nobody told it to."""
    cursor: str | None = None
    with Client(service.url) as mail:
        while service.runs:
            try:
                for event in mail.events(after=cursor):
                    show(event, _sender(mail, event))
                    cursor = event.cursor
            except StoreError:
                if service.runs:  # it may be starting again
                    time.sleep(POLL_SECONDS)
                continue
            time.sleep(POLL_SECONDS)
    return 1


def _sender(mail: Client, event: Event) -> str | None:
    if event.kind != "accepted":
        return None
    try:
        return mail.show(event.id).sender
    except NotFound:
        return None


def _short(folder: str) -> str:
    return folder if len(folder) <= LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it safe
