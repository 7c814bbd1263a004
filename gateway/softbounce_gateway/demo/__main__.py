"""The demo: the whole service for real, against a small internet of bad manners, checked against what that took.

``python -m softbounce_gateway.demo [--json]`` starts ``softbounce up --playground`` in a folder of its own, sends some
500 envelopes through :class:`softbounce.Client`, waits until each is final, and compares three accounts: what must
come out, what softbounce says, and what the hosts wrote down. Exit code 0 when all agree.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from softbounce_playground import read_ledger

from softbounce import Client, Outgoing, SoftbounceError
from softbounce_gateway.beside import Service
from softbounce_gateway.demo.check import Account, disagreements
from softbounce_gateway.demo.plan import BEHAVIOURS, CONFIG, WINDOW, Planned, planned
from softbounce_gateway.demo.report import Story, report, summary
from softbounce_gateway.demo.screen import Screen

__all__ = ["main"]

FINAL_WITHIN = 45.0
POLL_SECONDS = 0.1
LEDGER_SECONDS = 0.3
"""The playground writes its ledger out within a tenth of a second."""

BATCH = 50
SENDERS = ("orders@shop.example", "news@letters.example", "")
EXPLAINED = "full-0@amber.test"
INTERRUPTED = 130
LONGEST_FOLDER = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="script/demo", description="The whole service, on bad hosts.")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, and nothing else")
    parser.add_argument("--keep", action="store_true", help="leave the demo's folder behind")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # they end it in the same good order as Ctrl-C
    console = Console(stderr=options.json, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="softbounce-demo-", dir=_short(tempfile.gettempdir())))
    story = Story(plan=tuple(planned()))
    service = _service(folder)
    keep = options.keep
    try:
        with Screen(console) as screen:
            try:
                _play(story, service, screen)
            finally:
                story.exit_code = service.end()
            _judge(story, service)
        report(story, console)
    except SoftbounceError as error:
        keep = True
        console.print(f"the demo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    else:
        keep = keep or bool(story.disagreements)
    finally:
        if keep:
            console.print(f"what happened is in {folder}: up.log, var/store.log, var/playground/ledger.jsonl")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(summary(story)))
    return 1 if story.disagreements else 0


def _service(folder: Path) -> Service:
    """One of the demo's own settings, whatever the environment says."""
    file = folder / "softbounce.toml"
    file.write_text(CONFIG, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE")}
    return Service(folder, ("--config", str(file)), environ)


def _short(folder: str) -> str:
    """A folder for temporary files in which the path of a socket is not too long: macOS's own may be."""
    return folder if len(folder) <= LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it safe


def _play(story: Story, service: Service, screen: Screen) -> None:
    envelopes = sum(len(one.recipients) for one in story.plan)
    screen.say(
        f"{envelopes} envelopes for {len(BEHAVIOURS)} kinds of hosts. Waits of 0.5, 1 and 2 s, a window of {WINDOW}: "
        "days, cut down to seconds."
    )
    began = time.monotonic()
    service.start()
    story.ready_s = time.monotonic() - began
    began = time.monotonic()
    with Client(service.url) as mail:
        _send(story, mail, screen)
        story.accepted_s = time.monotonic() - began
        _follow(story, mail, screen)
        story.final_s = time.monotonic() - began
        for one in story.plan:
            for recipient in one.recipients:
                identity = story.ids[recipient]
                ended = story.finals.get(identity)
                story.accounts.append(
                    Account(
                        behaviour=one.behaviour,
                        recipient=recipient,
                        outcome=one.outcome,
                        shown=mail.show(identity),
                        ended_at=None if ended is None else ended.at,
                    )
                )
        for account in story.accounts:
            if account.recipient == EXPLAINED and account.shown.bounce is not None:
                story.explanation = mail.explain(account.shown.id)
    time.sleep(LEDGER_SECONDS)


def _send(story: Story, mail: Client, screen: Screen) -> None:
    for start in range(0, len(story.plan), BATCH):
        part = story.plan[start : start + BATCH]
        receipts = mail.send_many([_message(one, start + number) for number, one in enumerate(part)])
        for receipt in receipts:
            story.ids.update(receipt.envelopes)
        screen.advance("handing over", start + len(part), len(story.plan))


def _message(one: Planned, number: int) -> Outgoing:
    sender = SENDERS[number % len(SENDERS)]
    text = (
        f"From: <{sender or 'daemon@shop.example'}>\r\nSubject: demo {number}\r\n\r\nHello, {one.behaviour.name}.\r\n"
    )
    return {"sender": sender, "recipients": one.recipients, "message": text.encode(), "key": f"demo-{number}"}


def _follow(story: Story, mail: Client, screen: Screen) -> None:
    """Read the event log until every envelope is final, or for so long as the demo may take."""
    give_up_at = time.monotonic() + FINAL_WITHIN
    total = len(story.ids)
    cursor: str | None = None
    states = dict.fromkeys(story.ids.values(), "accepted")
    while len(story.finals) < total and time.monotonic() < give_up_at:
        events = list(mail.events(after=cursor))
        for event in events:
            cursor = event.cursor
            if event.id in states:
                states[event.id] = event.kind
            if event.kind in {"delivered", "delivered_late", "bounced", "cancelled"}:
                story.finals[event.id] = event
        screen.show_events(events, dict(sorted(Counter(states.values()).items())))
        screen.advance("delivering", len(story.finals), total)
        time.sleep(POLL_SECONDS)


def _judge(story: Story, service: Service) -> None:
    story.entries = read_ledger(service.ledger)
    story.disagreements = disagreements(story.accounts, story.entries)
    if story.exit_code != 0:
        story.disagreements.append(f"the service ended with exit code {story.exit_code}: {service.last_words(3)}")


if __name__ == "__main__":
    sys.exit(main())
