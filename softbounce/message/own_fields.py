"""The ``X-Softbounce-*`` fields of a message's header: what they ask for is read, and they are taken out.

They are for us, and nobody further on sees them. One that cannot be read is refused by name, and so is one that we do
not know: whoever wrote it counts on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from softbounce.duration import parse_duration

__all__ = ["HEADER_END", "BadField", "OwnFields", "argument_of", "field_name", "is_own", "names_in", "take_out"]

PREFIX = b"x-softbounce-"
FIELD_BREAK = re.compile(rb"\r\n(?![ \t])")
FOLD = re.compile(r"\r\n[ \t]+")
HEADER_OCTETS = 262_144
HEADER_END = re.compile(rb"\r?\n\r?\n")
"""Whichever line ends a message has."""
OWN_NAME = re.compile(rb"^x-softbounce-[!-9;-~]*(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
TAG = "tag"
META = "meta-"
MANY = 200
"""Fields of ours in one header; what is checked afterwards allows fewer tags and values."""
SINGLE = {"stream": "Stream", "key": "Key", "at": "At", "window": "Window", "tenant": "Tenant"}


class BadField(Exception):
    """A field of ours that cannot be read.

    :ivar name: its name.
    :ivar reason: in words.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFields:
    """What a message said of itself.

    :ivar key: ``None``: it said none.
    """

    stream: str = ""
    key: str | None = None
    at: datetime | None = None
    window: timedelta | None = None
    tenant: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def take_out(message: bytes, now: datetime) -> tuple[OwnFields, bytes]:
    """Read them; the message without them.

    :param now: what a duration in ``X-Softbounce-At`` counts from.
    :raises BadField: naming the field.
    """
    end = message.find(b"\r\n\r\n", 0, HEADER_OCTETS + 4)
    head = message if end < 0 else message[:end]
    if message.startswith(b"\r\n") or PREFIX not in head[: HEADER_OCTETS + 4].lower():
        return OwnFields(), message
    kept: list[bytes] = []
    said: dict[str, str] = {}
    tags: list[str] = []
    metadata: dict[str, str] = {}
    for octets in FIELD_BREAK.split(head):
        name, colon, value = octets.partition(b":")
        if not colon or not name.lower().startswith(PREFIX):
            kept.append(octets)
            continue
        word = name.rstrip(b" \t")[len(PREFIX) :].decode("latin-1")
        kind = word.lower()
        shown = f"X-Softbounce-{SINGLE.get(kind, word)}"
        if kind not in SINGLE and kind != TAG and not kind.startswith(META):
            known = ", ".join([*SINGLE.values(), "Tag", "Meta-NAME"])
            raise BadField(shown, f"there is no such field; there are {known}")
        if kind in said or word[len(META) :] in metadata:
            raise BadField(shown, "is there twice")
        if len(tags) + len(metadata) == MANY:
            raise BadField(shown, f"is one of more than {MANY}")
        text = _text(shown, value)
        if kind == TAG:
            tags.append(text)
        elif kind.startswith(META):
            metadata[word[len(META) :]] = text
        else:
            said[kind] = text
    rest = b"\r\n".join(kept)
    at, window = said.get("at"), said.get("window")
    fields = OwnFields(
        stream=said.get("stream", ""),
        key=said.get("key"),
        at=None if at is None else _instant(at, now),
        window=None if window is None else _duration(window),
        tenant=said.get("tenant", ""),
        tags=tuple(tags),
        metadata=metadata,
    )
    if not kept:
        rest = b"" if end < 0 else b"\r\n"
    return fields, rest if end < 0 else rest + message[end:]


def is_own(name: str) -> bool:
    """Whether a field of this name is for us."""
    return name.lower().startswith(PREFIX.decode())


def names_in(message: bytes) -> list[str]:
    """The names of those in a message's header, whichever line ends it has."""
    end = HEADER_END.search(message, 0, HEADER_OCTETS)
    head = message[: HEADER_OCTETS if end is None else end.start()]
    return [] if message[:1] in (b"\r", b"\n") else [name.decode() for name in OWN_NAME.findall(head)]


def argument_of(name: str) -> str | None:
    """The argument of ``send`` that says what a field of ours says."""
    kind = name.lower()[len(PREFIX) :]
    if kind == TAG:
        return "tags"
    return "metadata" if kind.startswith(META) else kind if kind in SINGLE else None


def field_name(argument: str) -> str | None:
    """The field that an argument of ``send`` came from."""
    if argument.startswith("tags"):
        return "X-Softbounce-Tag"
    if argument.startswith("metadata"):
        return f"X-Softbounce-Meta-{argument.removeprefix('metadata').strip('[]') or 'NAME'}"
    return f"X-Softbounce-{SINGLE[argument]}" if argument in SINGLE else None


def _text(name: str, value: bytes) -> str:
    try:
        text = FOLD.sub(" ", value.decode()).strip()
        if "=?" in text:
            text = str(make_header(decode_header(text)))
    except (UnicodeError, HeaderParseError, LookupError, ValueError):
        raise BadField(name, "is no text in UTF-8") from None
    if not text:
        raise BadField(name, "is empty")
    return text


def _instant(text: str, now: datetime) -> datetime:
    try:
        return now + parse_duration(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        reason = 'neither an instant, as in "2026-01-31T08:00:00Z", nor a duration from now, as in "10m"'
        raise BadField("X-Softbounce-At", reason) from None
    if instant.utcoffset() is None:
        raise BadField("X-Softbounce-At", "has no time zone: add Z, or an offset such as +01:00")
    return instant


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadField("X-Softbounce-Window", str(error)) from None
