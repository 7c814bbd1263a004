"""Replies of DNS: whatever the octets, reading them ends soon; what is well formed is read as another library does."""

from __future__ import annotations

import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
from dnsserver import raw_record
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.route.reading import BrokenReply, read_reply
from softbounce_worker.route.wire import DnsReply, Question, RecordKind, Text, Tlsa

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = Question.of("d.test", RecordKind.MX)
kinds = st.sampled_from(list(RecordKind))
names = st.lists(st.binary(min_size=1, max_size=20), min_size=0, max_size=5)


def reply_with(question: Question, counts: Sequence[int], body: bytes) -> bytes:
    """A reply whose records are any octets."""
    return struct.pack("!HHHHHH", 7, 0x8180, 1, *counts) + question.section + body


@given(kinds, st.tuples(*[st.integers(0, 600)] * 3), st.binary(max_size=600))
def test_any_octets_are_a_reply_or_broken(kind: RecordKind, counts: tuple[int, int, int], body: bytes) -> None:
    """Nothing but a reply or ``Broken`` comes of any records."""
    question = Question.of("d.test", kind)
    octets = reply_with(question, counts, body)
    assert question.is_answered_by(octets, 7)
    with suppress(BrokenReply):
        assert isinstance(read_reply(question, octets), DnsReply)


@given(st.binary(max_size=80))
def test_any_datagram_is_ours_or_not(octets: bytes) -> None:
    """Whether a datagram is the reply can be asked of any octets; if it is, it can be read or is broken."""
    for datagram in (octets, struct.pack("!HH", 7, 0x8180) + octets):
        if QUESTION.is_answered_by(datagram, 7):
            with suppress(BrokenReply):
                read_reply(QUESTION, datagram)


@given(st.lists(st.tuples(st.integers(0, 65_535), names), min_size=1, max_size=30))
def test_mail_hosts_are_read_as_dnspython_does(records: list[tuple[int, list[bytes]]]) -> None:
    """Preferences and names, escapes and compression included, in the order in which they were sent."""
    query = dns.message.make_query("d.test", "MX")
    reply = dns.message.make_response(query)
    exchanges = [(preference, dns.name.Name([*labels, b""])) for preference, labels in records]
    texts = [f"{preference} {name}" for preference, name in exchanges]
    rrset = dns.rrset.from_text_list("d.test.", 300, "IN", "MX", texts)
    reply.answer.append(rrset)
    wire = reply.to_wire(want_shuffle=False)
    told = read_reply(QUESTION, wire)
    again = dns.message.from_wire(wire).answer[0]
    read = [(record[0], dns.name.from_text(str(record[1]))) for record in told.records]
    assert read == [(record.preference, record.exchange) for record in again]


@given(st.lists(st.ip_addresses(), min_size=1, max_size=30, unique=True))
def test_addresses_are_read_as_they_are(addresses: list[object]) -> None:
    """IPv4 and IPv6, each of its own question."""
    for kind, version in ((RecordKind.A, 4), (RecordKind.AAAA, 6)):
        wanted = [str(one) for one in addresses if ip_address(str(one)).version == version]
        if not wanted:
            continue
        reply = dns.message.make_response(dns.message.make_query("d.test", dns.rdatatype.from_text(kind.name)))
        reply.answer.append(dns.rrset.from_text_list("d.test.", 300, "IN", kind.name, wanted))
        told = read_reply(Question.of("d.test", kind), reply.to_wire(want_shuffle=False))
        assert sorted(ip_address(str(one)) for one in told.records) == sorted(ip_address(one) for one in wanted)


@given(st.lists(st.lists(st.binary(max_size=255), min_size=1, max_size=4), min_size=1, max_size=5))
def test_texts_are_read_as_they_are(texts: list[list[bytes]]) -> None:
    """Their pieces joined; what is not ASCII is a question mark, an octet each."""
    question = Question.of("d.test", RecordKind.TXT)
    body = b"".join(
        raw_record(RecordKind.TXT, b"".join(bytes((len(piece),)) + piece for piece in pieces)) for pieces in texts
    )
    told = read_reply(question, reply_with(question, (len(texts), 0, 0), body))
    joined = [b"".join(pieces) for pieces in texts]
    assert told.records == tuple(Text("".join(chr(one) if one < 128 else "?" for one in text)) for text in joined)


@given(st.tuples(*[st.integers(0, 255)] * 3), st.binary(min_size=1, max_size=80), st.booleans())
def test_what_is_said_of_certificates_is_read_as_it_is(
    fields: tuple[int, int, int], octets: bytes, is_authentic: bool
) -> None:
    """Three numbers, known or not, and octets; and whether the server calls it authentic."""
    question = Question.of("_25._tcp.d.test", RecordKind.TLSA)
    wire = reply_with(question, (1, 0, 0), raw_record(RecordKind.TLSA, bytes(fields) + octets))
    flags = 0x8180 | (0x20 if is_authentic else 0)
    told = read_reply(question, wire[:2] + flags.to_bytes(2) + wire[4:])
    usage, selector, matching = fields
    assert told.records == (Tlsa(usage=usage, selector=selector, matching=matching, octets=octets),)
    assert told.is_authentic == is_authentic
