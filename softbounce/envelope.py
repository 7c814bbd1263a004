"""The record of an envelope: a small fixed header that scripts read and write, and a payload that is opaque to them.

The header is packed big-endian; its layout is known to the Lua scripts too, which patch it in place::

    offset  octets  field
         0       1  layout: the version of this table
         1       1  state
         2       1  flags
         3       1  claims without an outcome since the last one
         4       4  version: grows by one with every change
         8       8  claim token, zeros when not claimed
        16       4  charged attempts
        20       8  created at, ms
        28       8  next attempt at, ms; 0: none planned; 1: see NEWS_MS
        36       8  expires at, ms
        44     2+n  lane, length first
             1 + n  stream, length first

What follows is the msgpack of :class:`Envelope`: arrays, to whose end a newer version may append what this one does not
know, and passes on. Instants are milliseconds of the store's clock, because this is the store's border; the rest of the
project uses aware datetimes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from sys import intern
from typing import Literal

import msgspec

from softbounce.deliver_by import DeliverBy
from softbounce.dsn import Dsn
from softbounce.glance import Glance, read_glance
from softbounce.ids import message_of
from softbounce.share import share_of
from softbounce.unknown_fields import UnknownFields, unknown_fields

__all__ = [
    "BRAKE",
    "FINAL_STATES",
    "GATE",
    "HELD_WHY",
    "NEWS_MS",
    "NO_TOKEN",
    "STANDING",
    "Attempt",
    "Body",
    "Envelope",
    "Final",
    "Flag",
    "Record",
    "State",
    "Tls",
    "TlsAsked",
    "text_of",
]

LAYOUT = 1
NO_TOKEN = bytes(8)
SHORT_ARRAY = 15
FIXED = struct.Struct(">BBBBI8sIQQQ")


class State(IntEnum):
    """Where an envelope is. Its name in lower case is the public word."""

    SCHEDULED = 1
    READY = 2
    ATTEMPTING = 3
    HELD = 4
    DELIVERED = 5
    BOUNCED = 6
    CANCELLED = 7

    @property
    def word(self) -> str:
        """The public word."""
        return self.name.lower()

    @property
    def is_final(self) -> bool:
        """Whether no attempt will start any more."""
        return self >= State.DELIVERED


FINAL_STATES = frozenset(state for state in State if state.is_final)


class Flag(IntFlag):
    """Bits of the header that outlive the change that sets them.

    Take them off with :meth:`without`: ``~`` would take off those of a newer version too.
    """

    CANCEL_ASKED = 1  # while attempting: end before the dot if possible
    HOLD_ASKED = 2  # while attempting: to *held* when it comes back
    MARKED = 4  # the final dot may have left
    UNCERTAIN = 8  # an attempt ended while marked and unanswered
    OVERLAPPED = 16  # a 250 arrived under a token that was no longer the envelope's
    ALONE = 32  # while attempting: tried alone in its process, because earlier claims ended with theirs
    TRIED = 64  # while attempting: a suspect whose turn it is; without it, it only waited for its turn

    def without(self, flags: Flag) -> Flag:
        """All but these."""
        return self ^ (self & flags) if self else self


NO_FLAGS = Flag(0)
NEWS_MS = 1
"""The next attempt of one that is being attempted: its record says more than the worker knows that tries it."""
BRAKE = "brake"
GATE = "gate"
STANDING = "standing"
HELD_WHY = ("operator", "quarantined", "uncertain", "may_duplicate", "restored", BRAKE, GATE, STANDING)
"""Why an envelope is held. ``may_duplicate``, ``restored``: its store was restored from a backup, and it may have been
delivered since, or was not due since. ``brake``: its whole stream is. ``gate``: its recipient gets no mail here.
``standing``: it met a hold that stands (:mod:`softbounce.standing`), whose digest is its ``held_by``."""


class Body(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """How the message's octets are stored. ``codec``: 0 plain, 1 zstandard; ``chunks``: 1 is a string, more a list."""

    octets: int
    codec: int = 0
    chunks: int = 1
    eight_bit: bool = False
    smtputf8: bool = False


TlsAsked = Literal["", "require", "no"]
"""What a sender asks of TLS: nothing; REQUIRETLS; or that no policy of a domain stops it (RFC 8689)."""


class Tls(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """How the session of an attempt was protected, and by which rule.

    :ivar rule: what it was asked for by: ``default``, or ``tls[0]`` as the configuration counts.
    :ivar version: ``TLSv1.3``; ``None``: it was in clear, or there was no session.
    :ivar cipher: the cipher suite, by OpenSSL's name.
    :ivar verified: the name that the host's certificate was checked for; ``None``: it was not checked.
    :ivar clear: why it was in clear.
    :ivar by: how the name was verified, where not by authorities: ``DANE-EE`` or ``DANE-TA`` (RFC 7672).
    """

    rule: str = "default"
    version: str | None = None
    cipher: str | None = None
    verified: str | None = None
    clear: str = ""
    by: str = ""

    @property
    def words(self) -> str:
        """All of it in a line."""
        if self.version is None:
            return f"{f'in clear, {self.clear}' if self.clear else 'no TLS'} (rule {self.rule})"
        by = f" by {self.by}" if self.by else ""
        checked = f"certificate verified for {self.verified}{by}" if self.verified else "certificate not verified"
        return f"{self.version} {self.cipher}, {checked} (rule {self.rule})"


class Attempt(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One real try (or an uncharged one that a closed lane or a lost worker made of it), as it is kept for ever.

    :ivar transcript: what was said, packed (:mod:`softbounce.transcript`); only the latest few have one.
    :ivar stated_ms: the wait that the reply stated, as far as it is believed.
    """

    number: int
    started_ms: int
    ended_ms: int
    host: str | None = None
    address: str | None = None
    stage: str = "route"
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    verdict: str | None = None
    reason: str | None = None
    fault: str | None = None
    rule: str | None = None
    charged: bool = True
    uncertain: bool = False
    next_ms: int | None = None
    delays_ms: tuple[int, ...] = ()
    window_ms: int | None = None
    suppress: bool = False
    why: str = ""
    tls: Tls | None = None
    transcript: bytes = b""
    stated_ms: int | None = None


class Final(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """How an envelope ended. ``cause`` is null for delivered and cancelled."""

    at_ms: int
    cause: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    reason: str | None = None
    suppress: bool = False
    why: str = ""
    replaced: str | None = None


class Envelope(msgspec.Struct, array_like=True, kw_only=True):
    """The payload of a record.

    :ivar domain: the recipient's domain in A-labels and lower case, as it is routed.
    :ivar window_ms: the send's own window, where it gave one.
    :ivar at_ms: not before this instant, where the send gave one.
    :ivar held_ms: how long an operator held it so far, for windows that stand still meanwhile.
    :ivar held_since_ms: set while held.
    :ivar held_why: while held, one of :data:`HELD_WHY`.
    :ivar planned: the next attempt's time comes from ``at``, ``retry`` or a custom wait, and stays on a reload.
    :ivar site: the site once known, as it is shown.
    :ivar uncertain_forgotten: uncertain attempts that are recorded no more: each may be a copy all the same.
    :ivar dsn: what was asked of reports.
    :ivar tls: what its sender asks of TLS.
    :ivar own_tenant: whose mail it is, where the send said so; see :attr:`tenant`.
    :ivar put_off: what made its first attempt begin later than asked for: ``spread``, ``quiet``, or ``quota:NAME``.
    :ivar quiet_ms: for how long quiet hours put off the attempt that is planned. ``held_ms`` has it too.
    :ivar behind: while it waits because of its address: the envelope that is tried there first; its own id: none,
        an operator wants it to be tried.
    :ivar tags: the app's own words, and
    :ivar metadata: its own values by name, both as they were sent.
    :ivar forced: it goes though its address was concluded to be dead; see :data:`softbounce.suppression.CONCLUDED`.
    :ivar bounce_asked: while it is attempted and an operator asked for its end as a bounce: why, in words.
    :ivar held_by: the action that holds it, or asked for that while it is attempted (:mod:`softbounce.store.actions`);
        or the digest of the standing hold that does.
    :ivar resent_as: the envelope by which it was sent again, and
    :ivar resent_from: the one that it sends again.
    :ivar past_gate: a person let it past the staging gate (:mod:`softbounce.gate`).
    :ivar way: how it came in, one of :data:`softbounce.counting.WAYS`; empty: an older version took it.
    :ivar warn_ms: after how long it is told to be late, where the send said so: at least 1; ``None``: as the policy has
        it.
    :ivar set_policy: the policy that an operator chose for it; empty: none. Where there is no such policy any more, the
        configuration counts.
    :ivar set_window_ms: the window that an operator chose for it; 0: none.
    :ivar set_route: the name of the route that an operator sent it by; empty, or no route's any more: as routes say.
    :ivar deliver_by: by when its sender wants it delivered, where he said so in MAIL.
    """

    sender: str
    recipient: str
    domain: str
    key: str
    body: Body
    message_id_header: str = ""
    window_ms: int | None = None
    at_ms: int | None = None
    site: str | None = None
    held_ms: int = 0
    held_since_ms: int | None = None
    held_why: str | None = None
    planned: bool = True
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    final: Final | None = None
    uncertain_forgotten: int = 0
    dsn: Dsn | None = None
    tls: TlsAsked = ""
    own_tenant: str = ""
    put_off: str = ""
    quiet_ms: int = 0
    behind: bytes = b""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    forced: bool = False
    bounce_asked: str = ""
    held_by: bytes = b""
    resent_as: bytes = b""
    resent_from: bytes = b""
    past_gate: bool = False
    way: str = ""
    warn_ms: int | None = None
    set_policy: str = ""
    set_window_ms: int = 0
    set_route: str = ""
    deliver_by: DeliverBy | None = None

    @property
    def tenant(self) -> str:
        """Whose mail it is: as the send said, else the sender's domain; empty for the null sender."""
        return self.own_tenant or self.sender.rpartition("@")[2]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


def _header_octets(array: Sequence[object]) -> int:
    """How many octets stand before what is in a msgpack array."""
    return 1 if len(array) <= SHORT_ARRAY else 3


def text_of(octets: bytes) -> str:
    """A name; one that is no text is as long as it was, and no lane's name any more."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("ascii", errors="replace").replace("\ufffd", "!")


@dataclass(slots=True, kw_only=True)
class Record:
    """One envelope as the store has it: header fields, and the payload decoded when first asked for.

    :ivar counts: what its change adds to which counters (:mod:`softbounce.counting`); not stored with it.
    """

    id: bytes
    state: State = State.SCHEDULED
    flags: Flag = Flag(0)
    claims: int = 0
    version: int = 0
    token: bytes = NO_TOKEN
    charged: int = 0
    created_ms: int = 0
    next_ms: int = 0
    expires_ms: int = 0
    lane: str
    stream: str = ""
    payload: bytes = b""
    counts: tuple[tuple[str, int], ...] = ()
    _envelope: Envelope | None = field(default=None, repr=False)
    _unknown: UnknownFields | None = field(default=None, repr=False)

    @property
    def message(self) -> bytes:
        """The id of the message: all but the recipient's number."""
        return message_of(self.id)

    @property
    def share(self) -> int:
        """Which share of its stream's mail in its lane it is in."""
        return share_of(self.id, self.charged)

    @property
    def envelope(self) -> Envelope:
        """The payload. Change it freely: :meth:`pack` encodes it anew.

        :raises ValueError: it is none.
        """
        if self._envelope is None:
            try:
                envelope = _decode(self.payload)
                if _encode(envelope) != self.payload:  # an older version wrote it, or a newer one, which knows more
                    self._unknown = unknown_fields(self.payload, envelope)
            except (msgspec.MsgspecError, ValueError, IndexError, RecursionError) as error:
                raise ValueError(f"its payload cannot be read: {error}") from error
            self._envelope = envelope
        return self._envelope

    @envelope.setter
    def envelope(self, value: Envelope) -> None:
        self._envelope = value

    @property
    def glance(self) -> Envelope | Glance:
        """As much of the payload as filters ask for: for whoever only looks.

        :raises ValueError: it is none.
        """
        return read_glance(self.payload) if self._envelope is None else self._envelope

    @property
    def uncertain(self) -> int:
        """How many of its attempts were uncertain: so many copies there may be beside the one."""
        envelope = self.envelope
        return envelope.uncertain_forgotten + sum(attempt.uncertain for attempt in envelope.attempts)

    @classmethod
    def unpack(cls, identity: bytes, octets: bytes) -> Record:
        """Read a stored record.

        :raises ValueError: the layout is not ours, or the record is cut short.
        """
        try:
            layout, state, flags, claims, version, token, charged, created, next_, expires = FIXED.unpack_from(octets)
            if layout != LAYOUT:
                raise ValueError(f"record layout {layout}, this softbounce knows {LAYOUT}")
            lane_end = FIXED.size + 2 + int.from_bytes(octets[FIXED.size : FIXED.size + 2])
            stream_end = lane_end + 1 + octets[lane_end]
            if stream_end > len(octets):
                raise IndexError(stream_end)  # noqa: TRY301 - one end for every way of being too short
        except (struct.error, IndexError) as error:
            raise ValueError(f"record cut short at {len(octets)} octets") from error
        return cls(
            id=identity,
            state=State(state),
            flags=Flag(flags) if flags else NO_FLAGS,
            claims=claims,
            version=version,
            token=token,
            charged=charged,
            created_ms=created,
            next_ms=next_,
            expires_ms=expires,
            lane=intern(text_of(octets[FIXED.size + 2 : lane_end])),
            stream=intern(text_of(octets[lane_end + 1 : stream_end])),
            payload=octets[stream_end:],
        )

    def span_of(self, name: str) -> tuple[int, int]:
        """Where in :meth:`pack` a field of the payload stands, and how many octets it has. Of a record made here."""
        envelope = self.envelope
        names = envelope.__struct_fields__
        before = [getattr(envelope, one) for one in names[: names.index(name)]]
        header = FIXED.size + 2 + len(self.lane.encode()) + 1 + len(self.stream.encode())
        fields = len(_encode(before)) - _header_octets(before) + _header_octets(names)
        return header + fields, len(_encode(getattr(envelope, name)))

    def pack(self) -> bytes:
        """The octets to store. The version is set by the script that stores them."""
        if self._envelope is not None:
            unknown = self._unknown
            self.payload = _encode(self._envelope) if unknown is None else unknown.encode(self._envelope)
        lane = self.lane.encode()
        stream = self.stream.encode()
        return (
            FIXED.pack(
                LAYOUT,
                self.state,
                self.flags,
                min(self.claims, 255),
                self.version,
                self.token,
                self.charged,
                self.created_ms,
                self.next_ms,
                self.expires_ms,
            )
            + len(lane).to_bytes(2)
            + lane
            + bytes((len(stream),))
            + stream
            + self.payload
        )
