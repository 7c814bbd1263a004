"""Reads replies of DNS, at a cost that nobody but us decides.

A reply may come from a stranger's server, be as long as 64 KiB, and be made to be costly. So it is not turned into
objects as a whole: the records are counted before one is looked at, only those that answer the question are kept, and
how many labels and pointers are walked has an end. What is too much is refused, however well formed.

RFC 1035 §4 (format), RFC 2181 §8 (TTL), RFC 2308 §2.2 and §5 (negative answers).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from socket import AF_INET, AF_INET6, inet_ntop

from softbounce_worker.route.wire import (
    AD,
    HEADER,
    IN,
    OPT,
    RCODE,
    RECORD,
    TC,
    DnsRecord,
    DnsReply,
    Question,
    RecordKind,
    Text,
    Tlsa,
)

__all__ = ["CNAMES", "MOST_RECORDS", "BrokenReply", "Refused", "read_reply", "text_of_name"]

CNAMES = 16  # followed in one reply, and in a chain of replies
MOST_RECORDS = 500  # of the answer; no domain has as many mail hosts, no host as many addresses
MOST_OTHERS = 1000  # of authority and additional together
MOST_STEPS = 10_000  # labels and pointers of all names
NAME_OCTETS = 255
LABEL_OCTETS = 63
POINTER = 0xC0
NS, CNAME, SOA = 2, 5, 6
TLSA_FIELDS = 3
SOA_OCTETS = 22  # two root names and five numbers
LONGEST_TTL = 1 << 31
PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


class BrokenReply(Exception):
    """The octets are no reply that can be read."""


class Refused(BrokenReply):
    """They hold more than is worth reading."""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    ttl: int
    at: int
    end: int


class _Names:
    """Reads the names of one reply, all together in bounded work."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._steps = MOST_STEPS

    def read(self, at: int) -> tuple[bytes, int]:
        """The name in wire form, lower case, and where what stands here ends.

        :raises BrokenReply: there is none.
        """
        octets, end, lowest = self._octets, 0, at
        parts: list[bytes] = []
        while True:
            self._steps -= 1
            if self._steps < 0:
                raise Refused("it is costly to read")
            size = octets[at]
            if size >= POINTER:
                end = end or at + 2
                at = (size & ~POINTER) << 8 | octets[at + 1]
                if at >= lowest:  # what points back only has an end
                    raise BrokenReply("a name points forward")
                lowest = at
            elif size > LABEL_OCTETS:
                raise BrokenReply("a label is of an unknown kind")
            else:
                parts.append(octets[at : at + 1 + size])
                at += 1 + size
                if size == 0:
                    break
        name = b"".join(parts).lower()
        if len(name) > NAME_OCTETS:
            raise BrokenReply("a name is too long")
        return name, end or at


class _Reading:
    """One pass over one reply."""

    def __init__(self, question: Question, octets: bytes) -> None:
        self._question = question
        self._octets = octets
        self._names = _Names(octets)

    def reply(self, most: int) -> DnsReply:
        """Read all of it that matters."""
        _, flags, questions, answers, authorities, others = HEADER.unpack_from(self._octets)
        if flags & TC:
            return DnsReply(rcode=flags & RCODE, is_truncated=True)
        if answers > min(most, MOST_RECORDS) or authorities + others > MOST_OTHERS:
            raise Refused("it holds more records than any mail host needs")
        at = HEADER.size + (len(self._question.section) if questions else 0)
        told: dict[bytes, list[_Record]] = defaultdict(list)
        botches_edns = False
        for _ in range(answers):
            owner, record, at = self._record(at)
            botches_edns = botches_edns or (record is not None and record.kind == OPT)
            if record is not None and record.kind in {self._question.kind, CNAME}:
                told[owner].append(record)
        authority: list[_Record] = []
        for _ in range(authorities):
            _, record, at = self._record(at)
            authority += [record] if record is not None else []
        edns: _Record | None = None
        for _ in range(others):
            _, record, at = self._record(at)
            edns = record if record is not None and record.kind == OPT else edns
        if botches_edns:
            return DnsReply(rcode=flags & RCODE, botches_edns=True)
        rcode = flags & RCODE | ((edns.ttl >> 24) << 4 if edns is not None else 0)
        reply = self._conclude(rcode, told, authority, knows_edns=edns is not None)
        return replace(reply, is_authentic=bool(flags & AD))

    def _record(self, at: int) -> tuple[bytes, _Record | None, int]:
        """Owner, record (``None``: of another class), and where the next one begins."""
        owner, at = self._names.read(at)
        kind, group, ttl, octets = RECORD.unpack_from(self._octets, at)
        at += RECORD.size
        end = at + octets
        if end > len(self._octets):
            raise BrokenReply("a record has no end")
        return owner, _Record(kind, ttl, at, end) if group == IN or kind == OPT else None, end

    def _conclude(
        self, rcode: int, told: dict[bytes, list[_Record]], authority: list[_Record], *, knows_edns: bool
    ) -> DnsReply:
        """Follow the aliases to the records."""
        owner, ttls = self._question.name, []
        for _ in range(CNAMES + 1):
            here = told.get(owner, ())
            found = [record for record in here if record.kind == self._question.kind]
            if found or not here:
                break
            ttls.append(_ttl(here[0].ttl))
            owner, _ = self._names.read(here[0].at)
        else:
            raise Refused("it leads through too many aliases")
        denial = [record for record in authority if record.kind == SOA and record.end - record.at >= SOA_OCTETS]
        if found:
            ttls += [_ttl(record.ttl) for record in found]
        elif denial:
            ttls += [_ttl(denial[0].ttl), _ttl(int.from_bytes(self._octets[denial[0].end - 4 : denial[0].end], "big"))]
        else:
            ttls = []
        return DnsReply(
            rcode=rcode,
            records=self._values(found),
            alias=owner if owner != self._question.name else None,
            ttl=min(ttls, default=None),
            knows_edns=knows_edns,
            is_referral=not told and not denial and any(record.kind == NS for record in authority),
        )

    def _values(self, records: list[_Record]) -> tuple[DnsRecord, ...]:
        """What the records hold; one that is malformed is left out, unless all are."""
        read = self._readers()[self._question.kind]
        values = [value for record in records if (value := read(record)) is not None]
        if records and not values:
            raise BrokenReply("its records are malformed")
        return tuple(values)

    def _readers(self) -> Mapping[RecordKind, Callable[[_Record], DnsRecord | None]]:
        return {
            RecordKind.A: self._address,
            RecordKind.AAAA: self._address,
            RecordKind.MX: self._exchange,
            RecordKind.TXT: self._text,
            RecordKind.TLSA: self._tlsa,
        }

    def _text(self, record: _Record) -> Text | None:
        """RFC 1035 §3.3.14: pieces, each with its length in front."""
        at, pieces = record.at, []
        while at < record.end:
            end = at + 1 + self._octets[at]
            pieces.append(self._octets[at + 1 : end])
            at = end
        return Text(b"".join(pieces).decode("ascii", "replace").replace("\ufffd", "?")) if at == record.end else None

    def _tlsa(self, record: _Record) -> Tlsa | None:
        """RFC 6698 §2.1: three octets, and what is to be matched."""
        if record.end - record.at <= TLSA_FIELDS:
            return None
        usage, selector, matching = self._octets[record.at : record.at + TLSA_FIELDS]
        octets = self._octets[record.at + TLSA_FIELDS : record.end]
        return Tlsa(usage=usage, selector=selector, matching=matching, octets=octets)

    def _address(self, record: _Record) -> str | None:
        octets = self._octets[record.at : record.end]
        family, length = (AF_INET, 4) if self._question.kind is RecordKind.A else (AF_INET6, 16)
        return inet_ntop(family, octets) if len(octets) == length else None

    def _exchange(self, record: _Record) -> tuple[int, str] | None:
        try:
            name, end = self._names.read(record.at + 2)
        except Refused:
            raise
        except (BrokenReply, IndexError):
            return None
        return (
            (int.from_bytes(self._octets[record.at : record.at + 2], "big"), text_of_name(name))
            if end == record.end
            else None
        )


def read_reply(question: Question, octets: bytes, *, most: int = MOST_RECORDS) -> DnsReply:
    """What the reply says.

    :param octets: what :meth:`Question.is_answered_by` knows as the reply.
    :param most: records that may answer.
    :raises Refused: it holds more than is worth reading.
    :raises BrokenReply: it cannot be read.
    """
    try:
        return _Reading(question, octets).reply(most)
    except (IndexError, struct.error):
        raise BrokenReply("it ends too early") from None


def _ttl(seconds: int) -> int:
    return seconds if seconds < LONGEST_TTL else 0  # RFC 2181 §8


def text_of_name(name: bytes) -> str:
    """The name as people write it, lower case; what no host name holds is escaped."""
    labels, at = [], 0
    while name[at]:
        label = name[at + 1 : at + 1 + name[at]]
        labels.append(label.decode() if PLAIN.issuperset(label) else "".join(_escaped(octet) for octet in label))
        at += 1 + name[at]
    return ".".join(labels) or "."


def _escaped(octet: int) -> str:
    return chr(octet) if octet in PLAIN else f"\\{octet:03d}"
