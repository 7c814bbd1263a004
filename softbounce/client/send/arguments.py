"""The arguments of a send, checked: what is wrong with them is said before anything reaches the store.

Recipients are numbered in the order of their canonical spelling, so that the same set given in another order is the
same content. RFC 5321 §4.1.2 for addresses; messages are :mod:`softbounce.message`'s.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from hashlib import blake2b
from typing import Any, Required, TypedDict

import msgspec

from softbounce.address import Address, parse_address, parse_sender
from softbounce.client.send.fields_for_us import refuse_fields
from softbounce.deliver_by import DeliverBy
from softbounce.dsn import Dsn, DsnOptions, check_dsn
from softbounce.duration import LONGEST, MILLISECOND, to_epoch_ms
from softbounce.envelope import TlsAsked
from softbounce.errors import InvalidAddress, InvalidMessage
from softbounce.ids import MOST_RECIPIENTS
from softbounce.labels import check_metadata, check_tags
from softbounce.message import Prepared, former_digest, prepare

__all__ = ["DIGEST_OCTETS", "Checked", "Outgoing", "check"]

STREAM = re.compile(r"[a-z0-9_.\-]{0,64}")
TENANT = re.compile(r"[A-Za-z0-9_.:@+\-]{0,128}")
"""A domain fits, a number, a UUID, an address."""
KEY_OCTETS = 256
LONGEST_SPREAD = timedelta(days=365)
DIGEST_OCTETS = 16


class Outgoing(TypedDict, total=False):
    """The arguments of ``send``, as ``send_many`` takes them.

    ``sender``: an address, or ``""`` for the null sender. ``recipients``: 1 to 1,000 addresses. ``message``: an
    ``EmailMessage`` or octets. ``stream``: the app's class of mail. ``key``: the idempotency key. ``at``: not before
    this aware instant. ``window``: how long a soft bounce may stay soft, instead of the policy's. ``warn_after``: after
    how long it is told to be late (an event ``warned``), instead of the policy's. ``dsn``: what is
    asked of the reports of mail hosts. ``require_tls``: every host on the way has to prove its name, and to promise the
    same of the next (REQUIRETLS, RFC 8689). ``tenant``: whose mail it is, where the sender's domain does not say so.
    ``spread``: first attempts begin evenly over this time; those of all messages of one ``send_many`` that have the
    same spread together. ``tags``, ``metadata``: the app's own, which each event repeats.
    ``force``: also to an address that was concluded to be dead. ``deliver_by``: what a client asked for by BY of MAIL
    (RFC 2852); it is passed on, and bounds no time here: ``window`` and ``warn_after`` do.
    """

    sender: Required[str]
    recipients: Required[Iterable[str]]
    message: Required[Message[Any, Any] | bytes]
    stream: str
    key: str | None
    at: datetime | None
    window: timedelta | None
    warn_after: timedelta | None
    dsn: DsnOptions | None
    require_tls: bool
    tenant: str
    spread: timedelta | None
    tags: Iterable[str]
    metadata: Mapping[str, str]
    force: bool
    deliver_by: DeliverBy | None


ARGUMENTS = frozenset(Outgoing.__annotations__)
NEEDED = ("sender", "recipients", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A send that can be stored.

    :ivar recipients: each once, in canonical order: the position is the envelope's number.
    :ivar is_key_made: the caller gave no key.
    :ivar tls: what the sender asks of TLS.
    :ivar tenant: whose mail it is; empty: the sender's domain says so.
    :ivar numbers: the caller's spelling of each recipient -> its number.
    :ivar dsn: what is asked of reports, by canonical recipient, where anything is.
    :ivar spread_ms: over how long first attempts are spread; 0: not at all.
    :ivar digest: 16 octets, equal for the same content; 16 more where it has parts that signing anew changes, equal
        for the same content without them.
    :ivar former: the digest by which an older version stored the same, where it may be another one.
    """

    sender: Address
    recipients: tuple[Address, ...]
    numbers: dict[str, int]
    prepared: Prepared
    stream: str
    tenant: str
    key: str
    is_key_made: bool
    at_ms: int | None
    window_ms: int | None
    warn_ms: int | None
    dsn: Mapping[str, Dsn]
    tls: TlsAsked
    spread_ms: int
    tags: tuple[str, ...]
    metadata: dict[str, str]
    is_forced: bool
    deliver_by: DeliverBy | None
    digest: bytes
    former: Callable[[], bytes | None]

    def is_same(self, stored: bytes) -> bool:
        """Whether a stored digest is of this content, signed anew or not. The script ``accept`` asks the same."""
        return (
            stored[:DIGEST_OCTETS] == self.digest[:DIGEST_OCTETS]
            or stored[-DIGEST_OCTETS:] == self.digest[-DIGEST_OCTETS:]
        )


def check(outgoing: Outgoing, *, max_octets: int) -> Checked:
    """Check a send's arguments and prepare its message.

    :raises InvalidMessage: naming the argument and the reason; ``InvalidAddress`` where it is an address.
    """
    if not isinstance(outgoing, dict):
        raise InvalidMessage("message", f"not a dict of send's arguments but {type(outgoing).__name__}")
    for name in outgoing:
        if name not in ARGUMENTS:
            raise InvalidMessage(str(name), f"is no argument of send; those are {', '.join(sorted(ARGUMENTS))}")
    for name in NEEDED:
        if name not in outgoing:
            raise InvalidMessage(name, "is missing")
    refuse_fields(outgoing["message"])
    sender = parse_sender(outgoing["sender"])
    recipients, numbers = _recipients(outgoing["recipients"])
    stream = _stream(outgoing.get("stream", ""))
    tenant = _tenant(outgoing.get("tenant", ""))
    key = _key(outgoing.get("key"))
    at_ms = _at(outgoing.get("at"))
    window_ms = _length("window", outgoing.get("window"))
    warn_ms = _length("warn_after", outgoing.get("warn_after"))
    spread_ms = _spread(outgoing.get("spread"))
    tags = check_tags(outgoing.get("tags", ()))
    metadata = check_metadata(outgoing.get("metadata", {}))
    dsn = outgoing.get("dsn")
    deliver_by = _deliver_by(outgoing.get("deliver_by"))
    require_tls = _flag("require_tls", outgoing.get("require_tls", False))
    prepared = prepare(outgoing["message"], max_octets=max_octets, sender=sender.canonical)

    def digest_with(of_message: bytes | None) -> bytes:
        if of_message is None:
            return b""
        content = [sender.canonical, [one.canonical for one in recipients], stream, of_message]
        return blake2b(msgspec.msgpack.encode(content), digest_size=DIGEST_OCTETS).digest()

    def former() -> bytes | None:
        message = outgoing["message"]
        formerly = former_digest(message, max_octets=max_octets) if isinstance(message, Message) else None
        return digest_with(formerly) or None

    return Checked(
        sender=sender,
        recipients=recipients,
        numbers=numbers,
        prepared=prepared,
        stream=stream,
        tenant="" if tenant == sender.domain else tenant,
        key=key,
        is_key_made=outgoing.get("key") is None,
        at_ms=at_ms,
        window_ms=window_ms,
        warn_ms=warn_ms,
        dsn={} if dsn is None else check_dsn(dsn, {text: recipients[number] for text, number in numbers.items()}),
        tls="require" if require_tls else "no" if prepared.tls_not_required else "",
        spread_ms=spread_ms,
        tags=tags,
        metadata=metadata,
        is_forced=_flag("force", outgoing.get("force", False)),
        deliver_by=deliver_by,
        digest=digest_with(prepared.digest) + digest_with(prepared.lasting_digest),
        former=former,
    )


def _recipients(texts: object) -> tuple[tuple[Address, ...], dict[str, int]]:
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise InvalidMessage("recipients", "not a list of addresses")
    addresses: dict[str, Address] = {}
    spellings: dict[str, str] = {}
    for position, text in enumerate(texts):
        if position == MOST_RECIPIENTS:
            raise InvalidMessage("recipients", f"more than {MOST_RECIPIENTS}")
        try:
            address = parse_address(text)
        except InvalidAddress as error:
            raise InvalidAddress(f"recipients[{position}]", error.reason) from None
        addresses.setdefault(address.canonical, address)
        spellings[text] = address.canonical
    if not addresses:
        raise InvalidMessage("recipients", "there is none")
    order = sorted(addresses)
    number_of = {canonical: number for number, canonical in enumerate(order)}
    return tuple(addresses[one] for one in order), {text: number_of[one] for text, one in spellings.items()}


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidMessage(field, f"not a bool but {type(value).__name__}")
    return value


def _stream(name: object) -> str:
    if not isinstance(name, str) or STREAM.fullmatch(name) is None:
        raise InvalidMessage("stream", "a stream's name has up to 64 of the characters a-z 0-9 _ . -")
    return name


def _tenant(name: object) -> str:
    if not isinstance(name, str) or TENANT.fullmatch(name) is None:
        raise InvalidMessage("tenant", "a tenant's name has up to 128 of the characters A-Z a-z 0-9 _ . : @ + -")
    return name


def _key(key: object) -> str:
    if key is None:
        return f"made-{secrets.token_hex(16)}"
    if not isinstance(key, str):
        raise InvalidMessage("key", f"not a string but {type(key).__name__}")
    try:
        octets = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidMessage("key", "is not valid Unicode text") from None
    if not 1 <= octets <= KEY_OCTETS:
        raise InvalidMessage("key", f"has {octets} octets; a key has 1 to {KEY_OCTETS}")
    return key


def _at(at: object) -> int | None:
    if at is None:
        return None
    if not isinstance(at, datetime):
        raise InvalidMessage("at", f"not a datetime but {type(at).__name__}")
    if at.utcoffset() is None:
        raise InvalidMessage("at", "has no time zone; use an aware datetime such as datetime.now(UTC)")
    if at - datetime.now(at.tzinfo) > LONGEST:
        raise InvalidMessage("at", "is more than ten years ahead")
    return max(0, to_epoch_ms(at))


def _length(field: str, length: object) -> int | None:
    if length is None:
        return None
    if not isinstance(length, timedelta):
        raise InvalidMessage(field, f"not a timedelta but {type(length).__name__}")
    if not MILLISECOND <= length <= LONGEST:
        raise InvalidMessage(field, "is not between a millisecond and ten years")
    return length // MILLISECOND


def _deliver_by(by: object) -> DeliverBy | None:
    if by is None or isinstance(by, DeliverBy):
        return by
    raise InvalidMessage("deliver_by", f"not a DeliverBy but {type(by).__name__}")


def _spread(spread: object) -> int:
    if spread is None:
        return 0
    if not isinstance(spread, timedelta):
        raise InvalidMessage("spread", f"not a timedelta but {type(spread).__name__}")
    if spread < timedelta(0):
        raise InvalidMessage("spread", "is negative; mail cannot begin before it is accepted")
    if spread > LONGEST_SPREAD:
        raise InvalidMessage("spread", "is longer than a year; send the later part later, or with at")
    return spread // MILLISECOND
