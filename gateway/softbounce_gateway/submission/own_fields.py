"""The ``X-Softbounce-*`` fields of a message's header: what they ask for is read, and they are taken out.

They are for us, and nobody further on sees them. One that cannot be read is refused by name, and so is one that we do
not know: whoever wrote it counts on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from softbounce_config import parse_duration

__all__ = ["BadField", "OwnFields", "take_out"]

PREFIX = b"x-softbounce-"
FIELD_BREAK = re.compile(rb"\r\n(?![ \t])")
FOLD = re.compile(r"\r\n[ \t]+")
HEADER_OCTETS = 262_144
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
    for octets in FIELD_BREAK.split(head):
        name, colon, value = octets.partition(b":")
        if not colon or not name.lower().startswith(PREFIX):
            kept.append(octets)
            continue
        word = name.rstrip(b" \t")[len(PREFIX) :].decode("latin-1")
        kind = word.lower()
        if kind not in SINGLE:
            raise BadField(f"X-Softbounce-{word}", f"there is no such field; there are {', '.join(SINGLE.values())}")
        if kind in said:
            raise BadField(f"X-Softbounce-{SINGLE[kind]}", "is there twice")
        said[kind] = _text(kind, value)
    rest = b"\r\n".join(kept)
    at, window = said.get("at"), said.get("window")
    fields = OwnFields(
        stream=said.get("stream", ""),
        key=said.get("key"),
        at=None if at is None else _instant(at, now),
        window=None if window is None else _duration(window),
        tenant=said.get("tenant", ""),
    )
    if not kept:
        rest = b"" if end < 0 else b"\r\n"
    return fields, rest if end < 0 else rest + message[end:]


def field_name(argument: str) -> str | None:
    """The field that an argument of ``send`` came from."""
    return f"X-Softbounce-{SINGLE[argument]}" if argument in SINGLE else None


def _text(kind: str, value: bytes) -> str:
    try:
        text = FOLD.sub(" ", value.decode()).strip()
        if "=?" in text:
            text = str(make_header(decode_header(text)))
    except (UnicodeError, HeaderParseError, LookupError, ValueError):
        raise BadField(f"X-Softbounce-{SINGLE[kind]}", "is no text in UTF-8") from None
    if not text:
        raise BadField(f"X-Softbounce-{SINGLE[kind]}", "is empty")
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
