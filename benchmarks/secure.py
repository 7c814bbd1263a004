"""What TLS and signatures cost: the same mail in clear, over TLS, with a new TLS session each, and signed, in one run.

    python benchmarks/secure.py [--messages 10000] [--connections 20] [--repeat 3] [--cases clear tls ...] [--json]

Distinct messages of 2 KB, one recipient each, one domain, go to a host of one process that speaks STARTTLS
(pipelining_sink.py); each case has a service of its own, and the rounds go through all cases in turn. Messages are
queued first, then scheduler and workers start, and the clock runs from their ``ready`` to the last commit. CPU is that
of all processes of the service, the store included, but not of the host's. Told are the medians of the rounds, and the
pace beside ``clear`` in the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from drain import drain, messages
from running import Names, Service, beside
from softbounce_playground import Zone
from softbounce_worker.dkim.keys import new_key

from softbounce import Client

CONFIG = """
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
[worker]
processes = 1
[[lane]]
site = "*"
connections = {connections}
messages_per_connection = {each}
"""
CASES: dict[str, tuple[bool, int, tuple[str, ...]]] = {
    # over TLS, messages for each session (0: no end), signed with which keys
    "clear": (False, 0, ()),
    "tls": (True, 0, ()),
    "tls, a session each": (True, 1, ()),
    "rsa": (False, 0, ("rsa",)),
    "ed25519": (False, 0, ("ed25519",)),
    "both": (False, 0, ("rsa", "ed25519")),
    "tls, both": (True, 0, ("rsa", "ed25519")),
}


def certificate_in(folder: Path) -> Path:
    """One that signs itself, with its key, in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.sink.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    path = folder / "certificate.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


def measure(case: str, count: int, connections: int, folder: Path) -> dict[str, float]:
    """One service, one case."""
    is_secure, each, keys = CASES[case]
    zone = Zone(mx=[(10, "mx.sink.test")], a={"mx.sink.test": "127.0.0.1"})
    certificate = certificate_in(folder) if is_secure else None
    options = [certificate] if certificate is not None else []
    with beside("pipelining_sink.py", 0, *options) as (host, ready), Names({"sink.test": zone}) as names:
        config = CONFIG.format(nameserver=names.nameserver, port=ready[1], connections=connections, each=each)
        for number, kind in enumerate(keys):
            path = folder / f"{kind}.pem"
            path.write_bytes(new_key(kind)[1])
            path.chmod(0o600)
            config += f'[[dkim]]\ndomain = "app.test"\nselector = "s{number}"\nkey_file = "{path}"\n'
        sends = messages(count)
        with Service(config) as service, service.up("--roles", "store") as store:
            run = drain(service, store, sends)
            with Client(service.url) as mail:
                (last,) = run.receipts[-1].envelopes.values()
                _check(mail, last, is_secure=is_secure)
        taken = int(host.communicate("")[0])
    if taken != count:
        raise SystemExit(f"{case}: the host took {taken} of {count} messages")
    return {"messages_per_second": count / run.seconds, "cpu_ms": sum(run.cpu.values()) * 1000 / count}


def _check(mail: Client, envelope: str, *, is_secure: bool) -> None:
    """What was measured is what the case says."""
    attempt = mail.show(envelope).attempts[-1]
    version = attempt.tls.version if attempt.tls is not None else None
    if (version is not None) != is_secure:
        raise SystemExit(f"it went by {version or 'no TLS'}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cases = ["clear", *(one for one in arguments.cases if one != "clear")]
    rounds: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory(prefix="sb-secure-") as folder:
        for number in range(arguments.repeat):
            for case in cases:
                figures = measure(case, arguments.messages, arguments.connections, Path(folder))
                rounds[case].append(figures)
                figures["pace"] = figures["messages_per_second"] / rounds["clear"][number]["messages_per_second"]
    rows = [
        {"case": case, **{name: round(statistics.median(one[name] for one in taken), 3) for name in taken[0]}}
        for case, taken in rounds.items()
    ]
    if arguments.json:
        print(json.dumps(rows))
        return 0
    print("case                   messages/s   pace   CPU ms a message")
    for row in rows:
        print(f"{row['case']:22} {row['messages_per_second']:10.0f} {row['pace']:6.2f} {row['cpu_ms']:8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
