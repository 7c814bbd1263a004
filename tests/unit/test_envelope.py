"""The record: what is packed is what is read, and nothing else is read."""

from __future__ import annotations

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
