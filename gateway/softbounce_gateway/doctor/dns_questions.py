"""Plain questions to the configured name servers, one packet each way, without a cache: doctor wants to see them.

By UDP with EDNS (RFC 6891), by TCP where the answer was cut off (RFC 1035 §4.2.2, RFC 7766).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

__all__ = ["Answer", "DnsQuestions", "NotTold"]

PAYLOAD_OCTETS = 1232
MOST_RECORDS = 100
MOST_CHARACTERS = 4000


class NotTold(Exception):
    """No name server told; in words, why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a name server said.

    :ivar records: of the type that was asked for, as text; of TXT the strings joined, of MX the hosts' names in order.
    :ivar is_missing: the name does not exist.
    :ivar is_secure: the AD bit.
    :ivar has_edns: it speaks EDNS.
    :ivar rcode: as text.
    """

    records: tuple[str, ...]
    is_missing: bool
    is_secure: bool
    has_edns: bool
    rcode: str


class DnsQuestions:
    """The name servers.

    :param servers: address and port of each; none: the system's.
    :param seconds: for each try.
    :raises NotTold: the system names none.
    """

    def __init__(self, servers: Sequence[tuple[str, int]], seconds: float) -> None:
        self.seconds = seconds
        self.servers = tuple(servers) or _system()

    def ask(self, name: str, kind: str) -> Answer:
        """What the first one says that answers.

        :raises NotTold: none does, or all refuse or fail.
        """
        why = "there are no name servers"
        for server in self.servers:
            try:
                answer = self.ask_one(server, name, kind)
            except NotTold as error:
                why = str(error)
                continue
            if answer.rcode in {"NOERROR", "NXDOMAIN"}:
                return answer
            why = f"{server[0]} says {answer.rcode} to {name} {kind}"
        raise NotTold(why)

    def ask_one(self, server: tuple[str, int], name: str, kind: str, *, by_tcp: bool = False) -> Answer:
        """What this one says, whatever it is.

        :raises NotTold: it does not answer, or not to the question.
        """
        address, port = server
        try:
            query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD_OCTETS, want_dnssec=True)
            query.flags |= dns.flags.AD
            if by_tcp:
                reply = dns.query.tcp(query, address, self.seconds, port)
            else:
                reply, _ = dns.query.udp_with_fallback(query, address, self.seconds, port)
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            words = str(error).rstrip(".") or type(error).__name__
            by = "TCP" if by_tcp else "UDP"
            raise NotTold(f"{address} does not answer to {name} {kind} by {by}: {words[:200]}") from None
        return Answer(
            records=_records(reply, kind),
            is_missing=reply.rcode() == dns.rcode.NXDOMAIN,
            is_secure=bool(reply.flags & dns.flags.AD),
            has_edns=reply.edns >= 0,
            rcode=dns.rcode.to_text(reply.rcode()),
        )

    def addresses(self, name: str) -> tuple[str, ...]:
        """Of a host, of both families.

        :raises NotTold: neither could be asked for.
        """
        return self.ask(name, "A").records + self.ask(name, "AAAA").records


def _records(reply: dns.message.Message, kind: str) -> tuple[str, ...]:
    wanted = dns.rdatatype.from_text(kind)
    records = [record for rrset in reply.answer if rrset.rdtype == wanted for record in rrset][:MOST_RECORDS]
    if wanted == dns.rdatatype.MX:
        hosts = sorted((one.preference, str(one.exchange)) for one in records if isinstance(one, MX))
        return tuple(host.rstrip(".") or "." for _, host in hosts)
    if wanted == dns.rdatatype.TXT:
        return tuple(b"".join(one.strings).decode("utf-8", "replace")[:MOST_CHARACTERS] for one in records)
    return tuple(str(one).rstrip(".") or "." for one in records)


def _system() -> tuple[tuple[str, int], ...]:
    try:
        resolver = dns.resolver.Resolver()
    except dns.exception.DNSException:
        raise NotTold("[dns] nameservers is empty, and this system names none in /etc/resolv.conf") from None
    return tuple((str(address), resolver.port) for address in resolver.nameservers)
