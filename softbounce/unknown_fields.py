"""Keeps what a newer version appended to the payload of a record, so that a change by this one does not lose it.

Two versions share a store while one replaces the other. Every part of the payload is a msgpack array whose known fields
come first; a newer version may append fields to each. What this one does not know stays as it came, undecoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from softbounce.envelope import Envelope, Final

__all__ = ["UnknownFields", "unknown_fields"]

Fields = list[msgspec.Raw]
_encode = msgspec.msgpack.Encoder().encode
_fields_of = msgspec.msgpack.Decoder(Fields).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFields:
    """The fields behind the known ones: of the envelope, its body, its end, and of each attempt by its number."""

    envelope: Fields
    body: Fields
    final: tuple[Final | None, Fields]
    attempts: dict[int, Fields]

    def encode(self, envelope: Envelope) -> bytes:
        """The payload with them in their places. Another end, and attempts made since, have none."""
        names = envelope.__struct_fields__
        fields = _fields_of(_encode(envelope))
        places = {name: names.index(name) for name in ("body", "final", "attempts")}
        fields[places["body"]] = _longer(fields[places["body"]], self.body)
        final, more = self.final
        if final == envelope.final:
            fields[places["final"]] = _longer(fields[places["final"]], more)
        attempts = _fields_of(fields[places["attempts"]])
        for at, attempt in enumerate(envelope.attempts):
            attempts[at] = _longer(attempts[at], self.attempts.get(attempt.number, []))
        fields[places["attempts"]] = msgspec.Raw(_encode(attempts))
        return _encode(fields + self.envelope)


def unknown_fields(payload: bytes, envelope: Envelope) -> UnknownFields | None:
    """What is in a payload beside the envelope that was decoded from it; ``None``: nothing."""
    names = envelope.__struct_fields__
    fields = _fields_of(payload)
    final = envelope.final
    attempts = _fields_of(fields[names.index("attempts")]) if envelope.attempts else []
    found = UnknownFields(
        envelope=fields[len(names) :],
        body=_behind(fields[names.index("body")], envelope.body.__struct_fields__),
        final=(final, _behind(fields[names.index("final")], final.__struct_fields__) if final else []),
        attempts={
            attempt.number: more
            for attempt, one in zip(envelope.attempts, attempts, strict=True)
            if (more := _behind(one, attempt.__struct_fields__))
        },
    )
    return found if found.envelope or found.body or found.final[1] or found.attempts else None


def _behind(octets: msgspec.Raw, names: Sequence[str]) -> Fields:
    return _fields_of(octets)[len(names) :]


def _longer(octets: msgspec.Raw, more: Fields) -> msgspec.Raw:
    return msgspec.Raw(_encode(_fields_of(octets) + more)) if more else octets
