"""What a worker has in hand: claimed envelopes with their message, ready for the wire."""

from __future__ import annotations

import threading
from functools import lru_cache
from sys import intern
from weakref import ref

import msgspec
import zstandard

from softbounce.deliver_by import By
from softbounce.envelope import Body, Record
from softbounce_worker.body_budget import Reservation
from softbounce_worker.posture import OPPORTUNISTIC, Posture
from softbounce_worker.smtp import stuff, unstuff
from softbounce_worker.smtp.seven_bit import may_become_seven_bit
from softbounce_worker.transcript.recorder import Notes

__all__ = ["NO_HOSTS", "Parcel", "Wants", "Work", "sender_domain_of", "unpack_body"]

ZSTANDARD = 1
NO_HOSTS: frozenset[str] = frozenset()
"""One for all: each empty set would take as much as one with names."""
_decompressors = threading.local()
PASSED_OVER = 8
"""Hosts whose word is kept for the transcript."""


class Parcel:
    """A message as it goes over the wire, shared by all the envelopes that came with it.

    :ivar octets: before dot-stuffing.
    :ivar reservation: the room that it takes.
    :ivar is_fixed: it has to stay as it is: it is signed, or cannot be had in ASCII for another reason.
    :ivar wants_seven_bit: no host that can be asked takes 8-bit content.
    :param plain: the message's octets.
    :param above: fields of ours before its first one, each with its CRLF: signatures.
    """

    __slots__ = (
        "__weakref__",
        "_above",
        "_body",
        "_signed",
        "_unsigned",
        "content",
        "eight_bit",
        "is_fixed",
        "octets",
        "reservation",
        "smtputf8",
        "wants_seven_bit",
    )

    def __init__(self, plain: bytes, body: Body, above: bytes = b"") -> None:
        self._above = len(above)
        self._body = body
        self._signed: Parcel | None = None
        self._unsigned: ref[Parcel] | None = None  # weak: what nobody carries any more takes no room
        self.octets = len(above) + len(plain)
        self.content = stuff(above + plain)
        self.eight_bit = body.eight_bit
        self.smtputf8 = body.smtputf8
        self.reservation: Reservation | None = None
        self.is_fixed = False
        self.wants_seven_bit = False

    def unsigned(self) -> Parcel:
        """The same message without signatures of ours, for who signs it by himself; shared as well."""
        if not self._above:
            return self
        made = None if self._unsigned is None else self._unsigned()
        if made is None:
            made = Parcel(unstuff(self.content)[self._above :], self._body)
            made.reservation = self.reservation
            made._signed = self
            self._unsigned = ref(made)
        return made

    @property
    def signed(self) -> Parcel:
        """The same with all fields of ours; itself, where it has these."""
        return self if self._signed is None else self._signed

    def may_become_seven_bit(self) -> bool:
        """Whether that was neither tried yet nor is out of the question. To be asked where a host lacks 8BITMIME."""
        if self.wants_seven_bit:  # another of its recipients has asked
            return True
        if not self.eight_bit or self.is_fixed:
            return False
        self.is_fixed = not may_become_seven_bit(unstuff(self.content))
        return not self.is_fixed

    def take_converted(self, plain: bytes | None) -> None:
        """It is that from now on, which is ASCII; none: it stays as it is."""
        self.wants_seven_bit = False
        if plain is None:
            self.is_fixed = True
        else:
            self.octets = len(plain)
            self.content = stuff(plain)
            self.eight_bit = False


def unpack_body(stored: bytes, body: Body) -> bytes:
    """The message's octets. Never more than it was accepted with, whatever the stored octets claim.

    :raises ValueError: the body is not what the record says.
    """
    if body.codec == ZSTANDARD:
        try:
            if zstandard.frame_content_size(stored) > body.octets:  # the library makes room for what a frame claims
                raise ValueError("the stored body claims to be longer than its record says")
            plain = _decompressor().decompress(stored, max_output_size=body.octets)
        except zstandard.ZstdError as error:
            raise ValueError(f"the stored body cannot be read: {error}") from error
    else:
        plain = stored
    if len(plain) != body.octets:
        raise ValueError(f"the stored body has {len(plain)} octets, its record says {body.octets}")
    return plain


def _decompressor() -> zstandard.ZstdDecompressor:
    """One for each thread: to make one costs more than to unpack a small message."""
    one: zstandard.ZstdDecompressor | None = getattr(_decompressors, "one", None)
    if one is None:
        one = _decompressors.one = zstandard.ZstdDecompressor()
    return one


def sender_domain_of(record: Record) -> str:
    """The domain of an envelope's sender; empty: it is the null sender's."""
    return intern(record.envelope.sender.rpartition("@")[2].lower())


class Wants(msgspec.Struct, frozen=True, cache_hash=True):
    """What an envelope wants of the session that carries it.

    :ivar shuns: hosts and addresses that it had better not be tried at.
    :ivar posture: what is asked of TLS.
    """

    shuns: frozenset[str] = frozenset()
    posture: Posture = OPPORTUNISTIC


class Work:
    """A claimed envelope.

    :ivar token: the claim's, which the record may lose when it is changed.
    :ivar domain: the recipient's.
    :ivar mail_from: the address that it leaves from, and comes back to: its sender's, or one that is signed for it.
    :ivar goes_alone: a host refused it behind recipients of another domain: it goes with those of its own only.
    :ivar by: what was left, as the attempt at hand began, of the time by which its sender wants it delivered.
    :ivar tried: hosts and addresses that could not take it in this attempt, whatever it is.
    :ivar shuns: those, and others that it had better not be tried at while another can be had.
    :ivar posture: what is asked of TLS for it, since it is in a lane.
    :ivar share: its stream, and which share of that stream's mail it was claimed from.
    :ivar turn: its place among those that wait in its lane; 0: it has none yet.
    :ivar notes: what was said of it, in the latest session that carried it.
    :ivar passed_over: what hosts said that were asked before in this attempt, a line each.
    :ivar retold: how often its recipient was named to a host for nothing, because the session proved out of step.
    """

    __slots__ = (
        "by",
        "domain",
        "goes_alone",
        "mail_from",
        "notes",
        "parcel",
        "passed_over",
        "posture",
        "record",
        "retold",
        "sender_domain",
        "share",
        "shuns",
        "token",
        "tried",
        "turn",
    )

    def __init__(self, record: Record, parcel: Parcel) -> None:
        self.record = record
        self.token = record.token
        self.parcel = parcel
        self.by: By | None = None
        self.goes_alone = False
        self.mail_from = record.envelope.sender
        self.tried = self.shuns = NO_HOSTS
        self.posture = OPPORTUNISTIC
        self.turn = 0.0
        self.share = (record.stream, record.share)
        self.notes: Notes | None = None
        self.passed_over: tuple[str, ...] = ()
        self.retold = 0
        self.domain = intern(record.envelope.domain)  # as in all that is known of it: it stands in memory once
        self.sender_domain = sender_domain_of(record)
        record.payload = b""  # it is decoded by now, and packed anew: it need not stand in memory twice

    def pass_over(self, words: str) -> None:
        """A host was asked in this attempt, and said so; another has its turn."""
        self.passed_over = (*self.passed_over, words)[-PASSED_OVER:]

    @property
    def requires_tls(self) -> bool:
        """Whether it may go on by TLS only (RFC 8689)."""
        return self.record.envelope.tls == "require"

    @property
    def wants(self) -> Wants:
        """What it wants of the session that carries it."""
        return _wants(self.shuns, self.posture)


@lru_cache(maxsize=1000)
def _wants(shuns: frozenset[str], posture: Posture) -> Wants:
    """One object for all that want the same."""
    return Wants(shuns, posture)
