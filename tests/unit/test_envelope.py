"""The record: what is packed is what is read, and nothing else is read."""

from __future__ import annotations

import msgspec
import pytest

from softbounce.envelope import (
    FINAL_STATES,
    FIXED,
    LAYOUT,
    NO_TOKEN,
    Attempt,
    Body,
    Envelope,
    Final,
    Flag,
    Record,
    State,
)

ENVELOPE = Envelope(
    sender="app@example.com",
    recipient="ä@example.net",
    domain="example.net",
    key="order-1",
    body=Body(octets=10, codec=1, chunks=2, eight_bit=True),
    window_ms=1000,
    attempts=[Attempt(number=1, started_ms=1, ended_ms=2, code=450, text="full", delays_ms=(1, 2))],
    final=Final(at_ms=3, cause="promoted", code=450),
)


def record() -> Record:
    """A record with a value in every field."""
    made = Record(
        id=bytes(range(16)),
        state=State.ATTEMPTING,
        flags=Flag.MARKED | Flag.CANCEL_ASKED,
        claims=3,
        version=2**32 - 1,
        token=b"token--1",
        charged=4,
        created_ms=1_800_000_000_000,
        next_ms=1_800_000_000_001,
        expires_ms=1_800_000_000_002,
        lane="mx.example",
        stream="otp",
    )
    made.envelope = ENVELOPE
    return made


def test_a_record_is_read_as_it_was_packed() -> None:
    """All header fields and the payload survive."""
    octets = record().pack()
    again = Record.unpack(bytes(range(16)), octets)
    assert again.envelope == ENVELOPE
    for name in ("state", "flags", "claims", "version", "token", "charged", "created_ms", "next_ms", "expires_ms"):
        assert getattr(again, name) == getattr(record(), name)
    assert (again.lane, again.stream, again.message) == ("mx.example", "otp", bytes(range(14)))
    assert again.pack() == octets


def test_scripts_find_the_fields_where_they_look() -> None:
    """The offsets of the table are those of the scripts, which patch records in place."""
    octets = record().pack()
    assert octets[0] == LAYOUT
    assert (octets[1], octets[2], octets[3]) == (State.ATTEMPTING, Flag.MARKED | Flag.CANCEL_ASKED, 3)
    assert octets[4:8] == b"\xff" * 4
    assert octets[8:16] == b"token--1"
    assert int.from_bytes(octets[16:20]) == 4
    assert [int.from_bytes(octets[at : at + 8]) for at in (20, 28, 36)] == [1_800_000_000_000 + n for n in range(3)]
    assert octets[44:56] == b"\x00\x0amx.example"
    assert octets[56:60] == b"\x03otp"


def test_a_payload_that_nobody_opened_is_stored_as_it_came() -> None:
    """A change of the header costs no decoding."""
    again = Record.unpack(bytes(16), record().pack())
    again.payload = b"never decoded"
    assert again.pack().endswith(b"\x03otpnever decoded")


def test_a_changed_envelope_is_encoded_anew() -> None:
    """The payload may be changed in place."""
    again = Record.unpack(bytes(16), record().pack())
    again.envelope.site = "example"
    assert Record.unpack(bytes(16), again.pack()).envelope.site == "example"


def newer(made: Record) -> bytes:
    """The octets of a record as a version writes them that has one more field in each part of the payload."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(made.envelope))
    names = Envelope.__struct_fields__
    for part in (fields[names.index("body")], fields[names.index("final")], *fields[names.index("attempts")]):
        part.append({"more": len(part)})
    made.payload = msgspec.msgpack.encode([*fields, ["more", {"of": "it"}]])
    made._envelope = None
    return made.pack()


def added(made: Record) -> list[object]:
    """What a record has behind the fields that this version knows: in its attempts, body, end, and at its own end."""
    fields = msgspec.msgpack.decode(made.payload)
    names = Envelope.__struct_fields__
    attempts, body, final = (fields[names.index(name)] for name in ("attempts", "body", "final"))
    tails = [one[len(Attempt.__struct_fields__) :] for one in attempts]
    tails.append(body[len(Body.__struct_fields__) :])
    tails.append(final[len(Final.__struct_fields__) :] if final else [])
    return [*tails, *fields[len(names) :]]


def test_F28_what_a_newer_version_added_outlives_a_change() -> None:
    """In the envelope, its body, its end and each attempt, also when it is changed and packed twice."""
    again = Record.unpack(bytes(16), newer(record()))
    assert again.envelope == ENVELOPE
    again.envelope.site = "example"
    again.envelope.attempts.append(Attempt(number=2, started_ms=3, ended_ms=4))
    again.pack()
    once_more = Record.unpack(bytes(16), again.pack())
    assert once_more.envelope == again.envelope
    assert added(once_more) == [[{"more": 23}], [], [{"more": 5}], [{"more": 9}], ["more", {"of": "it"}]]


def test_F28_an_attempt_that_gets_its_answer_keeps_what_else_is_known_of_it() -> None:
    """It is the same attempt by its number; another end is another end."""
    again = Record.unpack(bytes(16), newer(record()))
    again.envelope.attempts[0] = Attempt(number=1, started_ms=1, ended_ms=2, code=250, uncertain=True)
    again.envelope.final = Final(at_ms=4, replaced="bounced")
    again.pack()
    assert added(again) == [[{"more": 23}], [{"more": 5}], [], ["more", {"of": "it"}]]


def test_F28_an_older_record_becomes_one_of_this_version_when_it_is_changed() -> None:
    """What it has not gets its default, and nothing is appended."""
    made = record()
    required = sum(one.required for one in msgspec.structs.fields(Envelope))
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(made.envelope))
    made.payload = msgspec.msgpack.encode(fields[:required])
    made._envelope = None
    made.envelope.site = "example"
    again = Record.unpack(bytes(16), made.pack())
    assert again.envelope.site == "example"
    assert again.payload == msgspec.msgpack.encode(again.envelope)


def test_F28_a_flag_of_a_newer_version_outlives_a_change() -> None:
    """Taking flags off takes off those, and none that this version has no word for."""
    newer_one = Flag(128)
    flags = (newer_one | Flag.MARKED | Flag.CANCEL_ASKED).without(Flag.MARKED | Flag.ALONE)
    assert int(flags) == 128 | Flag.CANCEL_ASKED


def test_a_count_of_claims_stays_in_its_octet() -> None:
    """More than 255 are 255."""
    made = record()
    made.claims = 1000
    assert made.pack()[3] == 255


def test_a_new_record_is_scheduled_and_unclaimed() -> None:
    """Without a word it has no token, no flags and no time."""
    made = Record(id=bytes(16), lane="?example.net")
    assert (made.state, made.token, made.flags, made.next_ms) == (State.SCHEDULED, NO_TOKEN, Flag(0), 0)


@pytest.mark.parametrize("length", range(FIXED.size + 2 + len("mx.example") + 1 + len("otp")))
def test_a_record_cut_in_its_header_is_refused(length: int) -> None:
    """Wherever it is cut: half a lane's name would be another lane."""
    with pytest.raises(ValueError, match="cut short"):
        Record.unpack(bytes(16), record().pack()[:length])


@pytest.mark.parametrize(
    ("position", "octet", "why"),
    [(0, 2, "layout 2"), (0, 0, "layout 0"), (1, 0, "0 is not a valid State"), (1, 8, "8 is not a valid State")],
    ids=["newer-layout", "no-layout", "state-0", "state-8"],
)
def test_a_record_of_another_kind_is_refused(position: int, octet: int, why: str) -> None:
    """A newer softbounce's record is not guessed at."""
    octets = bytearray(record().pack())
    octets[position] = octet
    with pytest.raises(ValueError, match=why):
        Record.unpack(bytes(16), bytes(octets))


def test_the_states_have_public_words() -> None:
    """In the order of their numbers, the last three are ends."""
    words = [state.word for state in State]
    assert words == ["scheduled", "ready", "attempting", "held", "delivered", "bounced", "cancelled"]
    assert {state.word for state in FINAL_STATES} == {"delivered", "bounced", "cancelled"}
