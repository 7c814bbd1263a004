"""How soon a message that is handed over is tried: from the call of send() to the host's 250, and to the first attempt.

    python benchmarks/latency.py [--messages 300] [--json]

Warm: a lane that a worker has already. Cold: each message to a domain that nobody has heard of. One message at a time,
store at ``always``. The first attempt's start is on the store's clock, as is the message's creation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from running import Service, percentiles

from softbounce import Client

CONFIG = """
[worker]
processes = 2
"""


def measure(mail: Client, recipients: list[str]) -> dict[str, dict[str, float]]:
    """Send one after another; each is waited for."""
    attempts, ends, accepts = [], [], []
    for number, recipient in enumerate(recipients):
        began = time.perf_counter()
        message = b"Subject: %d\r\n\r\nHi\r\n" % number
        receipt = mail.send(sender="app@app.test", recipients=[recipient], message=message)
        accepts.append((time.perf_counter() - began) * 1000)
        identity = receipt.envelopes[recipient]
        while (shown := mail.show(identity)).state != "delivered":
            time.sleep(0.001)
        attempt = shown.attempts[-1]
        attempts.append((attempt.started_at - shown.created_at).total_seconds() * 1000)
        ends.append((attempt.ended_at - shown.created_at).total_seconds() * 1000)
    return {"accept": percentiles(accepts), "first_attempt": percentiles(attempts), "delivered": percentiles(ends)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with Service(CONFIG) as service, service.up("--playground"), Client(service.url) as mail:
        measure(mail, ["accept+0@warm.test"])
        figures = {
            "warm": measure(mail, [f"accept+{number}@warm.test" for number in range(1, arguments.messages)]),
            "cold": measure(mail, [f"accept+{number}@cold{number}.test" for number in range(arguments.messages)]),
        }
    if arguments.json:
        print(json.dumps(figures))
    else:
        for lane, rows in figures.items():
            for what, values in rows.items():
                print(f"{lane:5} {what:14} p50 {values['p50_ms']:7.1f} ms   p99 {values['p99_ms']:7.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
