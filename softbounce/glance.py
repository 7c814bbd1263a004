"""As much of a record's payload as filters ask for, read without the rest.

A walk over a hundred thousand envelopes decides of each whether it fits, and most do not: their attempts, transcripts
and tables are passed over as octets. It reads the same octets as :class:`softbounce.envelope.Envelope`, and its fields
stand in the same order; whoever changes an envelope decodes it wholly.
"""

from __future__ import annotations

import msgspec

__all__ = ["Ended", "Glance", "Said", "read_glance"]

Passed = msgspec.Raw
"""What is not looked at."""
NOTHING = msgspec.Raw(b"")


class Said(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of an attempt: what was said."""

    number: int
    started_ms: int
    ended_ms: int
    host: Passed = NOTHING
    address: Passed = NOTHING
    stage: Passed = NOTHING
    code: int | None = None
    enhanced: str | None = None
    text: str = ""


class Ended(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of an end: what was said last."""

    at_ms: int
    cause: Passed = NOTHING
    code: int | None = None
    enhanced: str | None = None
    text: str = ""


class Glance(msgspec.Struct, array_like=True):
    """The payload of a record, as far as filters look at it."""

    sender: str
    recipient: str
    domain: str
    key: Passed
    body: Passed
    message_id_header: Passed = NOTHING
    window_ms: int | None = None
    at_ms: int | None = None
    site: str | None = None
    held_ms: int = 0
    held_since_ms: int | None = None
    held_why: str | None = None
    planned: Passed = NOTHING
    all_attempts: Passed = NOTHING
    end: Passed = NOTHING
    uncertain_forgotten: Passed = NOTHING
    dsn: Passed = NOTHING
    tls: Passed = NOTHING
    own_tenant: str = ""
    put_off: Passed = NOTHING
    quiet_ms: Passed = NOTHING
    behind: Passed = NOTHING
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    forced: Passed = NOTHING
    bounce_asked: Passed = NOTHING
    held_by: bytes = b""
    resent_as: bytes = b""
    resent_from: Passed = NOTHING
    past_gate: Passed = NOTHING
    way: Passed = NOTHING
    warn_ms: Passed = NOTHING
    set_policy: str = ""
    set_window_ms: int = 0
    set_route: str = ""
    deliver_by: Passed = NOTHING

    @property
    def tenant(self) -> str:
        """As :attr:`softbounce.envelope.Envelope.tenant`."""
        return self.own_tenant or self.sender.rpartition("@")[2]

    @property
    def final(self) -> Ended | None:
        """What was said last, of one that ended."""
        return _read_end(self.end) if self.end else None

    @property
    def attempts(self) -> list[Said]:
        """What was said, by those attempts of which the latest that said something is the last one."""
        each = _apart(self.all_attempts) if self.all_attempts else []
        for octets in reversed(each):
            said = _read_said(octets)
            if said.code is not None or said.text:
                return [said]
        return []


_apart = msgspec.msgpack.Decoder(list[Passed]).decode
_read = msgspec.msgpack.Decoder(Glance).decode
_read_said = msgspec.msgpack.Decoder(Said).decode
_read_end = msgspec.msgpack.Decoder(Ended | None).decode


def read_glance(payload: bytes) -> Glance:
    """What a payload says of that.

    :raises ValueError: it is none.
    """
    try:
        return _read(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"its payload cannot be read: {error}") from error
