"""What doctor is asked with."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from dnsserver import DnsServer
from doctoring import Ask, Beside
from softbounce_config import Config, load
from softbounce_gateway.doctor import Finding, Patient, examine
from softbounce_gateway.doctor.examination import Check


@pytest.fixture
def beside() -> Iterator[Beside]:
    """Servers of a test."""
    it = Beside()
    yield it
    it.close()


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Asks a check."""

    def run(
        check: Check,
        server: DnsServer | None = None,
        *,
        config: str = "",
        addresses: tuple[str, ...] = (),
        hosts: tuple[tuple[str, int], ...] = (),
        domains: tuple[str, ...] = (),
        seconds: float = 5.0,
    ) -> dict[str, Finding]:
        file = tmp_path / "softbounce.toml"
        dns = "" if server is None else f'[dns]\nnameservers = ["{server.nameserver}"]\n'
        file.write_text(dns + config)
        loaded: Config = load(file, environ={})
        patient = Patient(
            config=loaded,
            addresses=tuple(ip_address(one) for one in addresses),
            hosts=hosts,
            domains=domains,
            seconds=seconds / 2,
        )
        return {one.what: one for one in examine({"it": check}, patient, seconds)}

    return run
