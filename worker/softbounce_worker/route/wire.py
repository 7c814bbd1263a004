"""Questions to DNS as octets, and what a reply to one says. How replies are read stands in :mod:`.reading`.

RFC 1035 §4 (format), RFC 6891 §6.1 (EDNS).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import dns.exception
import dns.name

__all__ = [
    "AD",
    "HEADER",
    "IN",
    "OPT",
    "RCODE",
    "RECORD",
    "TC",
    "DnsRecord",
    "DnsReply",
    "Question",
    "Rcode",
    "RecordKind",
    "Text",
    "Tlsa",
]

EDNS_OCTETS = 1232  # what passes everywhere without fragments; a longer answer comes over TCP
IN = 1
OPT = 41
HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
QR, TC, RD, AD = 0x8000, 0x0200, 0x0100, 0x0020
OPCODE, RCODE = 0x7800, 0x000F


@dataclass(frozen=True, slots=True)
class Text:
    """A text that somebody published, its pieces joined; what is not ASCII in it is a ``?``."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tlsa:
    """What a host's owner says of its certificate (RFC 6698 §2.1): its fields, as they came."""

    usage: int
    selector: int
    matching: int
    octets: bytes


DnsRecord = str | tuple[int, str] | Text | Tlsa
"""An address; preference and name of a mail host (no final dot; ``"."`` for the root); or one of these two."""


class RecordKind(IntEnum):
    """The types of records that are asked for."""

    A = 1
    MX = 15
    TXT = 16
    AAAA = 28
    TLSA = 52


class Rcode(IntEnum):
    """What a server says of a question, as far as it matters here."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


WITHOUT_QUESTION = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


@dataclass(frozen=True, slots=True)
class Question:
    """One question, as the octets that name it in query and reply.

    :ivar name: the name in wire form, lower case.
    """

    name: bytes
    kind: RecordKind

    @classmethod
    def of(cls, name: str, kind: RecordKind) -> Question:
        """Ask for *name*, which may have escapes.

        :raises ValueError: DNS cannot hold the name.
        """
        try:
            return cls(dns.name.from_text(name).to_digestable(), kind)
        except dns.exception.DNSException:
            raise ValueError(name) from None

    @property
    def section(self) -> bytes:
        """The question as it stands in query and reply."""
        return self.name + struct.pack("!HH", self.kind, IN)

    def query(self, number: int, *, with_edns: bool) -> bytes:
        """The octets to send, under that id. Whether the answer is authentic is wanted too (RFC 6840 §5.7)."""
        head = HEADER.pack(number, RD | AD, 1, 0, 0, int(with_edns))
        return head + self.section + (b"\0" + RECORD.pack(OPT, EDNS_OCTETS, 0, 0) if with_edns else b"")

    def is_answered_by(self, octets: bytes, number: int) -> bool:
        """Whether this is a reply to our query; whatever else comes to our port is not for us."""
        if len(octets) < HEADER.size:
            return False
        replied, flags, questions, *_ = HEADER.unpack_from(octets)
        if replied != number or flags & (QR | OPCODE) != QR:
            return False
        if questions == 0:  # servers that could not, or would not, read it
            return bool(flags & TC) or flags & RCODE in WITHOUT_QUESTION
        asked = self.section
        return questions == 1 and octets[HEADER.size : HEADER.size + len(asked)].lower() == asked


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsReply:
    """What a server said.

    :ivar is_truncated: there is more than a datagram holds; nothing else was read.
    :ivar records: in the server's order.
    :ivar alias: where a chain of aliases ended (wire form), where there was one.
    :ivar ttl: seconds for which this holds; ``None``: it does not say.
    :ivar knows_edns: it has an OPT record.
    :ivar botches_edns: that stands where none may: what it says of the rest is not to be believed.
    :ivar is_referral: it names other servers to ask, and answers nothing.
    :ivar is_authentic: the server says that DNSSEC proves it.
    """

    rcode: int
    is_truncated: bool = False
    records: tuple[DnsRecord, ...] = ()
    alias: bytes | None = None
    ttl: int | None = None
    knows_edns: bool = False
    botches_edns: bool = False
    is_referral: bool = False
    is_authentic: bool = False

    @property
    def is_answer(self) -> bool:
        """Whether it tells what was asked, if only that there is nothing."""
        return self.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN} and not (self.is_referral or self.botches_edns)

    @property
    def is_vague(self) -> bool:
        """Whether it says that there is nothing, and not by whose word (no SOA): a broken server says that too."""
        return self.rcode == Rcode.NOERROR and not self.records and self.alias is None and self.ttl is None

    @property
    def dislikes_edns(self) -> bool:
        """Whether the same question without EDNS may be answered (RFC 6891 §6.2.2, §7).

        Who fails and says nothing of EDNS may be one that fails for it.
        """
        if self.rcode == Rcode.SERVFAIL:
            return not self.knows_edns
        return self.botches_edns or self.rcode in {Rcode.FORMERR, Rcode.NOTIMP, Rcode.BADVERS}
