"""What is examined: this machine as it is configured, and what the command was told beside that."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from softbounce_config import Config

from softbounce.client import Client, Shown
from softbounce_gateway.dkim.configured import configured_rules
from softbounce_gateway.doctor.dns_questions import DnsQuestions

if TYPE_CHECKING:
    from softbounce_worker.dkim.rules import SigningRules

__all__ = ["PATIENCE", "Address", "Patient"]

Address = IPv4Address | IPv6Address
ENVELOPES = 1000
"""So many of the store's are looked at."""
PATIENCE = 1.0
OUTSIDE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses that nobody has (RFC 5737, RFC 3849): the system says from where it would send there, and sends nothing."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A machine and its configuration.

    :ivar addresses: what the world sees it by, where the command was told; else they are looked for.
    :ivar hosts: mail hosts to call, each a name or an address and a port.
    :ivar domains: sender domains to look at beside those that the store's mail came from.
    :ivar seconds: for each question that may go unanswered.
    """

    config: Config
    addresses: tuple[Address, ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    domains: tuple[str, ...] = ()
    seconds: float = 5.0

    @cached_property
    def dns(self) -> DnsQuestions:
        """The configured name servers, or the system's."""
        return DnsQuestions(self.config.dns.servers, self.seconds)

    @cached_property
    def signing(self) -> SigningRules:
        """Who signs for which domain; all keys are read, once.

        :raises ConfigError: some key cannot be used.
        """
        from softbounce_worker.dkim.rules import SigningRules  # noqa: PLC0415 - cryptography takes its time

        return SigningRules(configured_rules(self.config))

    @cached_property
    def envelopes(self) -> tuple[Shown, ...]:
        """Some of the store's, in no order.

        :raises StoreError: it does not tell.
        """
        with Client(self.config.store_url, patience=PATIENCE) as mail:
            return mail.page(limit=ENVELOPES).envelopes

    @property
    def sending_addresses(self) -> tuple[Address, ...]:
        """By which the world sees us, as far as can be known from inside: none behind a NAT."""
        return self.addresses or tuple(address for address in self.own_addresses if address.is_global)

    @property
    def own_addresses(self) -> tuple[Address, ...]:
        """By which this machine would send to the outside."""
        found: list[Address] = []
        for place, family in OUTSIDE:
            with suppress(OSError, ValueError), socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((place, 9))
                found.append(ip_address(probe.getsockname()[0].partition("%")[0]))
        return tuple(found)
