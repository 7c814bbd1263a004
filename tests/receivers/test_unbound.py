"""DANE with a real validating resolver: Debian's unbound, and zones that the test signs itself.

Needs the package ``unbound``; without it these tests are skipped. ``script/test receivers`` runs them.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rrset
import dns.zone
import pytest
from certificates import Authority, load, server_context, tlsa
from cryptography.hazmat.primitives.asymmetric import ec
from delivery import PATIENT, POLICY, Delivery, in_loop
from mx import Mx
from ports import free_ports
from servers import Valkey
from tls_hosts import tls_of

from softbounce.settings import Settings

UNBOUND = shutil.which("unbound", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(UNBOUND is None, reason="unbound is not installed")
NAME = "mx1.a.test"
DAY = timedelta(days=1)
CONFIG = """
server:
  interface: 127.0.0.1
  port: {port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  logfile: ""
  use-syslog: no
  num-threads: 1
  module-config: "validator iterator"
  local-zone: "test." nodefault
{anchors}
remote-control:
  control-enable: no
{zones}
"""


def signed(origin: str, records: Mapping[str, str], *, is_bogus: bool = False) -> tuple[str, str]:
    """A zone as a file has it, signed, and the anchor that makes it trusted.

    :param is_bogus: its signatures ended ten days ago.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
    zone = dns.zone.from_text(plain(origin, records), origin=f"{origin}.")
    now = datetime.now(UTC)
    with zone.writer() as writer:
        dns.dnssec.sign_zone(
            zone=zone,
            txn=writer,
            keys=[(key, dnskey)],
            inception=now - 30 * DAY,
            expiration=now - 10 * DAY if is_bogus else now + DAY,
            dnskey_ttl=60,
        )
    anchor = dns.dnssec.make_ds(dns.name.from_text(origin), dnskey, "SHA256")
    return zone.to_text(), f'  trust-anchor: "{origin}. DS {anchor}"'


def plain(origin: str, records: Mapping[str, str]) -> str:
    """A zone as a file has it, unsigned."""
    lines = "\n".join(f"{name} 60 IN {record}" for name, record in records.items())
    return f"@ 60 IN SOA ns.{origin}. host.{origin}. 1 3600 600 86400 60\n@ 60 IN NS ns.{origin}.\n{lines}\n"


@asynccontextmanager
async def resolving(folder: Path, port: int, zones: Mapping[str, tuple[str, str]]) -> AsyncIterator[None]:
    """An unbound that has these zones, and trusts those with an anchor."""
    told = []
    for origin, (text, _) in zones.items():
        path = folder / f"{origin}.zone"
        path.write_text(text)
        told.append(
            f'auth-zone:\n  name: "{origin}."\n  zonefile: "{path}"\n'
            "  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no"
        )
    config = folder / "unbound.conf"
    anchors = "\n".join(anchor for _, anchor in zones.values())
    config.write_text(CONFIG.format(port=port, folder=folder, anchors=anchors, zones="\n".join(told)))
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - it starts at once
        [UNBOUND or "", "-d", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of these tests; nobody trusts it."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def zone_of(port: int, record: str) -> dict[str, str]:
    """What the domain publishes."""
    return {"@": f"MX 10 {NAME}.", "mx1": "A 127.88.0.1", f"_{port}._tcp.mx1": f"TLSA {record}"}


CASES = {
    # what the zone is, what its record means: by what the host is proven, or why the mail waits
    "signed, EE": "DANE-EE",
    "signed, TA": "DANE-TA",
    "signed, another": "DANE: its certificate is not the one",
    "unsigned, another": "",
    "bogus, EE": "could not be looked up",
}


@pytest.mark.parametrize("case", CASES)
@in_loop
async def test_issue12_L09_L10_L11_DANE_by_unbounds_word(
    store_server: Valkey, tmp_path: Path, authority: Authority, case: str
) -> None:
    """A signed zone binds, one that is not does not, and of a bogus one nothing is believed."""
    kind, _, means = case.partition(", ")
    below = authority.under()
    path = below.sign(NAME)
    record = {"EE": tlsa(load(path)), "TA": tlsa(below.certificate, 2), "another": f"3 1 1 {'00' * 32}"}[means]
    (port,) = free_ports(1)
    settings = Settings(policies={"default": POLICY})
    async with Delivery(
        store_server.url, tmp_path, settings=settings, timeouts=PATIENT, nameserver=f"127.0.0.1:{port}"
    ) as mail:
        records = zone_of(mail.playground.smtp_port, record)
        zone = (plain("a.test", records), "")
        if kind != "unsigned":
            zone = signed("a.test", records, is_bogus=kind == "bogus")
        host = Mx(tls=server_context(path))
        await mail.host("a.test", host)
        async with resolving(tmp_path, port, {"a.test": zone}):
            (shown,) = await mail.tried(*await mail.send("r@a.test"), seconds=20)
        if CASES[case].startswith("DANE-") or not CASES[case]:
            assert (shown.state, tls_of(shown).by) == ("delivered", CASES[case])
        else:
            assert (shown.state in {"scheduled", "ready"}, host.count("MAIL")) == (True, 0)
            assert CASES[case] in shown.attempts[-1].text
