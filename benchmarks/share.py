"""Fair share: how long a login code waits beside a flood of newsletters, and what two tenants get of a lane.

    python benchmarks/share.py [--messages 100000] [--codes 200] [--rate 400] [--tenant-messages 100] [--json]
                               [--path FOLDER]

All mail goes to one domain of the playground, at so many a second, over ten sessions. The newsletters are accepted
before they are due, come due all at once, and wait by the tens of thousands while codes come one after another, each
timed from its creation to the host's 250 on the store's clock. Then one tenant's few messages are sent beside another
tenant's flood, in one stream: how many of the other's left until the few were out. At last the pace of one lane alone,
and beside another that has all of the flood.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta

from running import Service, percentiles

from softbounce import Client
from softbounce.client import Shown
from softbounce.client.send.arguments import Outgoing

DOMAIN = "one.test"
CONFIG = """
[worker]
processes = 2

[[lane]]
site = "*"
connections = 10
rate = "{rate}/s"
"""
BATCH = 1000


def say(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def outgoing(number: int, stream: str, tenant: str = "", at: datetime | None = None, domain: str = DOMAIN) -> Outgoing:
    """A small message of its own."""
    said: Outgoing = {
        "sender": f"app@{tenant or 'app'}.test",
        "recipients": [f"accept+{number}@{domain}"],
        "message": b"Subject: %d\r\n\r\nHi\r\n" % number,
        "stream": stream,
        "at": at,
    }
    return said


def ended(mail: Client, identity: str) -> Shown:
    """Wait for its end."""
    while (shown := mail.show(identity)).state != "delivered":
        time.sleep(0.005)
    return shown


def codes(mail: Client, number: int) -> dict[str, float]:
    """Login codes one after another; from acceptance to the 250."""
    waits = []
    for one in range(number):
        shown = ended(mail, next(iter(mail.send(**outgoing(one, "otp")).envelopes.values())))
        waits.append((shown.attempts[-1].ended_at - shown.created_at).total_seconds() * 1000)
        time.sleep(0.02)
    return percentiles(waits) | {"worst_ms": round(max(waits), 1)}


def flood(mail: Client, number: int, tenant: str = "") -> datetime:
    """Accept newsletters that come due all at once, when all are there; tells when."""
    began = time.monotonic()
    due_at = datetime.now(UTC) + timedelta(seconds=10 + number / 1500)
    for start in range(0, number, BATCH):
        some = range(start, min(number, start + BATCH))
        mail.send_many(outgoing(one, "news", tenant, due_at) for one in some)
    say(f"{number} newsletters accepted in {time.monotonic() - began:.0f} s")
    if datetime.now(UTC) > due_at:
        say("they came due before all were accepted")
    return due_at


def until(due_at: datetime) -> None:
    """Wait until then."""
    time.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds()))


def tenants(mail: Client, number: int, few: int) -> dict[str, float]:
    """One tenant's few beside another's flood: what they had of all that was delivered between their first and last."""
    until(flood(mail, number, "noisy") + timedelta(seconds=number / 20_000))
    receipts = mail.send_many(outgoing(one, "news", "quiet") for one in range(few))
    shown = [ended(mail, next(iter(receipt.envelopes.values()))) for receipt in receipts]
    ends = sorted(one.attempts[-1].ended_at for one in shown)
    between = [one for one in mail.events() if one.kind == "delivered" and ends[0] <= one.at <= ends[-1]]
    return {
        "first_ms": round((ends[0] - shown[0].created_at).total_seconds() * 1000, 1),
        "seconds": round((ends[-1] - ends[0]).total_seconds(), 2),
        "others": sum(one.tenant != "quiet.test" for one in between),
        "share": round(few / len(between), 3),
    }


def pace(mail: Client, number: int) -> float:
    """Messages a second of a lane of its own."""
    receipts = mail.send_many(outgoing(one, "news", "neighbour", domain="two.test") for one in range(number))
    shown = [ended(mail, next(iter(receipt.envelopes.values()))) for receipt in receipts]
    ends = sorted(one.attempts[-1].ended_at for one in shown)
    return (number - 1) / (ends[-1] - ends[0]).total_seconds()


def neighbours(mail: Client, number: int, few: int) -> dict[str, float]:
    """One lane's pace, alone and beside a flood to another."""
    alone = pace(mail, few)
    until(flood(mail, number, "noisy") + timedelta(seconds=number / 20_000))
    beside = pace(mail, few)
    return {"alone": round(alone, 1), "beside": round(beside, 1), "ratio": round(beside / alone, 3)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--codes", type=int, default=200)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--tenant-messages", type=int, default=100)
    parser.add_argument("--path", default="")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with (
        Service(CONFIG.format(rate=arguments.rate), arguments.path) as service,
        service.up("--playground"),
        Client(service.url, timeout=60) as mail,
    ):
        codes(mail, 5)
        if arguments.codes:
            figures["alone"] = codes(mail, arguments.codes)
            due_at = flood(mail, arguments.messages)
            until(due_at)
            figures["while they come due"] = codes(mail, arguments.codes // 4)
            until(due_at + timedelta(seconds=15))
            figures["beside"] = codes(mail, arguments.codes)
            mail.act_on_matching("cancel", stream="news")
        if arguments.tenant_messages:
            figures["tenants"] = tenants(mail, arguments.messages, arguments.tenant_messages)
            mail.act_on_matching("cancel", stream="news")
            figures["neighbours"] = neighbours(mail, arguments.messages, 8 * arguments.tenant_messages)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for what, values in figures.items():
            print(f"{what:20} " + "   ".join(f"{name} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
