"""Thousands of sessions at hosts that mean harm: the memory that one takes, and what is left of others' pace.

    python benchmarks/hostile.py [--kinds drip window banner] [--sessions 5000] [--tls] [--messages 5000] [--json]

One worker process has mail for as many domains as it takes, each with a host of its own that drips its replies, takes
a message by single octets, or greets for ever (hostile_hosts.py). Beside them mail of 2 KB goes to a host that takes
it at once (Postfix's smtp-sink): first alone, then when the hostile hosts have their sessions, or get no more. Told
are those sessions, the memory that the worker has more of for each, and the pace beside them over that alone. It should
be 0.9 at least, and the memory less than 100 KiB, with TLS 200.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

import redis
from drain import BATCH, Sink, messages
from hostile_hosts import FIRST, KINDS
from running import Names, Service, beside, megabytes
from secure import certificate_in
from softbounce_playground import Zone

from softbounce import Client, Outgoing

CONFIG = """
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
[worker]
processes = 1
sessions = {sessions}
drain = "1s"
[[lane]]
site = "*"
connections = 40
[[tls]]
mta_sts = false
"""
EACH = 20
"""Sessions that a domain gets whose transactions hang: half of its lane's."""
SMALL = b"From: a@app.test\r\nSubject: x\r\n\r\nx\r\n"
LARGE = SMALL + (b"x" * 70 + b"\r\n") * 3000
DONE = "sb:{0}:done"
WITHIN = 120.0
STEADY = 8.0


def sessions(process: subprocess.Popen[str]) -> list[int]:
    """How many stand there, the most so far, and all."""
    assert process.stdin is not None  # noqa: S101 - both were opened above
    assert process.stdout is not None  # noqa: S101
    process.stdin.write("\n")
    process.stdin.flush()
    return [int(word) for word in process.stdout.readline().split()]


def pace(mail: Client, server: redis.Redis, sends: list[Outgoing]) -> float:
    """Messages a second to the host that takes them."""
    before = int(server.zcard(DONE))  # type: ignore[arg-type]
    began = time.perf_counter()
    for start in range(0, len(sends), BATCH):
        mail.send_many(sends[start : start + BATCH])
    while int(server.zcard(DONE)) < before + len(sends):  # type: ignore[arg-type]
        time.sleep(0.01)
    return len(sends) / (time.perf_counter() - began)


def measure(kind: str, wanted: int, count: int, *, tls: bool, folder: Path) -> dict[str, object]:
    """One kind of hosts."""
    number = -(-wanted // EACH)
    zones = {"sink.test": Zone(mx=[(10, "mx.sink.test")], a={"mx.sink.test": "127.0.0.1"})}
    domains = [f"harm{one}.test" for one in range(number)]
    for one, domain in enumerate(domains):
        zones[domain] = Zone(mx=[(10, f"mx.{domain}")], a={f"mx.{domain}": str(IPv4Address(FIRST) + one)})
    harm: list[Outgoing] = [
        {
            "sender": "a@app.test",
            "recipients": [f"u{each}@{domain}" for domain in domains],
            "message": (LARGE if kind == "window" else SMALL) + b"%d\r\n" % each,
        }
        for each in range(2 * EACH)
    ]
    certificate = certificate_in(folder) if tls else None
    options = [certificate] if certificate is not None else []
    with (
        Sink() as sink,
        beside("hostile_hosts.py", kind, sink.port, number, *options) as (hosts, _),
        Names(zones) as names,
    ):
        config = CONFIG.format(nameserver=names.nameserver, port=sink.port, sessions=wanted + 500)
        sends = messages(BATCH + 2 * count)
        with Service(config) as service, service.up() as process, Client(service.url) as mail:
            server = redis.Redis(unix_socket_path=str(service.socket))
            pace(mail, server, sends[:BATCH])
            alone = pace(mail, server, sends[BATCH : BATCH + count])
            before = megabytes(process.pid)["worker"]
            for one in harm:
                mail.send(**one)
            settle(hosts, wanted)
            standing = sessions(hosts)[0]
            after = megabytes(process.pid)["worker"]
            meanwhile = pace(mail, server, sends[BATCH + count : BATCH + 2 * count])
            still, most, all_of = sessions(hosts)
    return {
        "kind": kind + (" over TLS" if tls else ""),
        "sessions": standing,
        "most": most,
        "all": all_of,
        "KiB_a_session": round((after - before) * 1024 / standing, 1) if standing else None,
        "alone": round(alone),
        "beside": round(meanwhile),
        "share": round(meanwhile / alone, 2),
        "still": still,
    }


def settle(hosts: subprocess.Popen[str], wanted: int) -> None:
    """Until so many sessions stand, or no more come."""
    until = time.monotonic() + WITHIN
    known, since = 0, time.monotonic()
    while known < wanted and time.monotonic() - since < STEADY and time.monotonic() < until:
        time.sleep(0.2)
        now = sessions(hosts)[0]
        if now > known:
            known, since = now, time.monotonic()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--tls", action="store_true", help="they do so over TLS")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="sb-hostile-") as folder:
        rows = [
            measure(kind, arguments.sessions, arguments.messages, tls=arguments.tls, folder=Path(folder))
            for kind in arguments.kinds
        ]
    if arguments.json:
        print(json.dumps(rows))
        return 0
    print("hosts              sessions  most    all  KiB each   alone  beside  share")
    for row in rows:
        figures = (row[name] for name in ("sessions", "most", "all", "KiB_a_session", "alone", "beside", "share"))
        widths = (8, 5, 6, 9, 7, 7, 6)
        columns = " ".join(f"{figure!s:>{width}}" for figure, width in zip(figures, widths, strict=True))
        print(f"{row['kind']!s:18} {columns}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
