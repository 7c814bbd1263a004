"""Tells a collector on this machine what became of TLS, one datagram a result, as ``tlsrpt-collectd`` takes them.

It makes the daily reports, and sends them. Only what concerns domains that ask for reports is told: those with a TXT
record at ``_smtp._tls`` (RFC 8460 §3). A collector that is away, slow or full gets nothing, and nobody waits for it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from softbounce.store.sts_policies import StsPolicy
from softbounce_worker.dane.records import HostDane
from softbounce_worker.process import WorkerProcess
from softbounce_worker.route import Router
from softbounce_worker.route.mail_hosts import is_host_name
from softbounce_worker.tls_results.kinds import PolicyKind, Seen

__all__ = ["Collector", "datagram", "read_record"]

MOST_AT_ONCE = 1000
MOST_OCTETS = 60_000
SAID_EVERY = 60.0
RECORD = re.compile(r"v=TLSRPTv1[ \t]*;.*\brua[ \t]*=", re.ASCII)
log = structlog.get_logger("softbounce.worker")


class Collector:
    """The way to the collector.

    :ivar policy_of: the MTA-STS policy that is known of a domain.
    :ivar records_of: what DNS says of a host.
    :param path: its socket.
    """

    def __init__(
        self, path: Path, process: WorkerProcess, router: Router, records_of: Callable[[str], Awaitable[HostDane]]
    ) -> None:
        self.policy_of: Callable[[str], StsPolicy | None] = lambda _: None
        self._records_of = records_of
        self._path = path
        self._process = process
        self._router = router
        self._waiting = 0
        self._lost = 0
        self._said_at = -SAID_EVERY
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)

    def tell(self, seen: Seen) -> None:
        """Tell it, where the domain wants to be told; what is too much at once is left out."""
        if self._waiting >= MOST_AT_ONCE:
            self._lose("too many at once")
        elif is_host_name(seen.domain):
            self._waiting += 1
            self._process.spawn(self._tell(seen))

    async def _tell(self, seen: Seen) -> None:
        try:
            record = read_record((await self._router.texts_of(f"_smtp._tls.{seen.domain}")).texts)
            if record is None:
                return
            octets = datagram(seen, record, await self._policy_lines(seen))
            if len(octets) <= MOST_OCTETS:
                self._socket.sendto(octets, str(self._path))
        except OSError as error:
            self._lose(error.strerror or str(error))
        finally:
            self._waiting -= 1

    async def _policy_lines(self, seen: Seen) -> tuple[list[str], tuple[str, ...]]:
        """The policy that a session was judged by, as reports have it, and the hosts that it names."""
        if seen.policy is PolicyKind.TLSA and seen.host is not None:
            records = (await self._records_of(seen.host)).records
            return [f"{one.usage} {one.selector} {one.matching} {one.octets.hex()}" for one in records], ()
        policy = self.policy_of(seen.domain) if seen.policy is PolicyKind.STS else None
        if policy is None:
            return [], ()
        hosts = [f"mx: {host}" for host in policy.mx]
        return ["version: STSv1", f"mode: {policy.mode}", *hosts, f"max_age: {policy.max_age}"], policy.mx

    def _lose(self, why: str) -> None:
        self._lost += 1
        now = self._process.loop.time()
        if now - self._said_at >= SAID_EVERY:
            log.warning("tls_results_lost", number=self._lost, why=why, collector=str(self._path))
            self._said_at, self._lost = now, 0

    def close(self) -> None:
        """It is told nothing more."""
        self._socket.close()


def read_record(texts: list[str]) -> str | None:
    """The record by which a domain asks for reports; none, where there is none, or more than one (RFC 8460 §3)."""
    records = [text for text in texts if RECORD.match(text)]
    return records[0] if len(records) == 1 else None


def datagram(seen: Seen, record: str, policy: tuple[list[str], tuple[str, ...]]) -> bytes:
    """One result in the collector's own form: JSON, numbers for words."""
    lines, hosts = policy
    told: dict[str, Any] = {
        "policy-type": seen.policy.number,
        "policy-domain": (seen.host if seen.policy is PolicyKind.TLSA else None) or seen.domain,
    }
    if lines:
        told["policy-string"] = lines
    if hosts:
        told["mx-host"] = hosts
    if seen.result is not None:
        detail: dict[str, Any] = {"c": seen.result.number}
        if seen.host:
            detail["n"] = seen.host
        if seen.address:
            detail["r"] = seen.address
        told["failure-details"] = [detail]
    told["t"] = told["f"] = int(seen.result is not None)
    return msgspec.json.encode({"d": seen.domain, "pr": record, "policies": [told]})
