"""What is kept of a suppressed address, how it changes, and which mail it stops."""

from __future__ import annotations

import pytest

from softbounce import InvalidAddress, InvalidArgument
from softbounce.client.suppressions.changing import check
from softbounce.client.suppressions.listing import wanted
from softbounce.client.suppressions.values import NewSuppression
from softbounce.suppression import (
    MOST_SCOPES,
    NOTHING,
    Entry,
    Kept,
    Source,
    binding,
    cut,
    learned,
    names_for,
    put,
    taken_back,
    taken_off,
    words,
)

NOW = 1_800_000_000_000


def entry(source: str = "verdict", since_ms: int = NOW, **more: object) -> Entry:
    """An entry."""
    return Entry(source=source, since_ms=since_ms, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipient", "names"),
    [
        ("Joe@example.com", ("joe@example.com", "@example.com")),
        ("joe+News@example.com", ("joe+news@example.com", "@example.com")),
        ('"a@b"@example.com', ('"a@b"@example.com', "@example.com")),
        ("JÜRG@example.com", ("jürg@example.com", "@example.com")),
    ],
)
def test_an_address_is_known_by_itself_and_its_domain_without_case(recipient: str, names: tuple[str, str]) -> None:
    """What is behind the last @ is the domain."""
    assert names_for(recipient) == names


def test_what_is_told_again_changes_nothing() -> None:
    """The first cause stays, and the later end; none is the latest."""
    kept = learned(NOTHING, entry(expires_ms=NOW + 5, envelope=b"1"))
    assert learned(kept, entry(since_ms=NOW + 2, expires_ms=NOW + 3, envelope=b"2")) == kept
    assert learned(kept, entry(since_ms=NOW + 2, expires_ms=NOW + 9)).entries == (
        entry(expires_ms=NOW + 9, envelope=b"1"),
    )
    assert learned(kept, entry(since_ms=NOW + 2)).entries == (entry(envelope=b"1"),)
    endless = Kept(entries=(entry(),))
    assert learned(endless, entry(expires_ms=NOW + 9)) == endless


def test_what_was_before_it_was_taken_off_is_no_evidence() -> None:
    """A bounce that is read once more puts nobody back on the list; one that comes later does."""
    kept, gone = taken_off(Kept(entries=(entry(), entry("complaint", stream="news"))), NOW + 10)
    assert (gone, kept) == (2, Kept(removed_ms=NOW + 10))
    assert learned(kept, entry(since_ms=NOW + 10)) == kept
    assert learned(kept, entry(since_ms=NOW + 11)).entries == (entry(since_ms=NOW + 11),)
    assert taken_off(kept, NOW + 20) == (kept, 0)


def test_only_what_is_said_of_a_stream_is_taken_off() -> None:
    """Or of a tenant; the rest stays."""
    entries = entry(), entry("complaint", stream="news"), entry("operator", stream="news", tenant="acme")
    kept = Kept(entries=entries)
    assert taken_off(kept, NOW, stream="news") == (Kept(entries=entries[:1], removed_ms=NOW), 2)
    assert taken_off(kept, NOW, stream="news", tenant="acme") == (Kept(entries=entries[:2], removed_ms=NOW), 1)
    assert taken_off(kept, NOW, stream="") == (kept, 0)


def test_what_a_bounce_said_is_taken_back_and_nothing_else() -> None:
    """By the envelope that said so."""
    entries = entry(envelope=b"1"), entry("operator", envelope=b"1")
    assert taken_back(Kept(entries=entries), b"1").entries == entries[1:]
    assert taken_back(Kept(entries=entries), b"2").entries == entries


def test_a_person_replaces_what_was_said_of_the_same_and_an_address_has_a_bound() -> None:
    """One source, stream and tenant has one entry; of sixteen no more are made by hand."""
    kept = put(put(NOTHING, entry("operator", reason="a")), entry("operator", reason="b", since_ms=NOW + 1))
    assert [one.reason for one in kept.entries] == ["b"]
    full = NOTHING
    for number in range(MOST_SCOPES):
        full = put(full, entry("operator", stream=str(number)))
    with pytest.raises(ValueError, match="has 16 suppressions already"):
        put(full, entry("operator", stream="more"))
    assert put(full, entry("operator", stream="3", reason="new")).entries[-1].reason == "new"


def test_who_complains_about_everything_gets_nothing() -> None:
    """Complaints about more streams than are kept become one about all mail, so that an entry stays small."""
    kept = NOTHING
    for number in range(MOST_SCOPES):
        kept = learned(kept, entry("complaint", stream=f"s{number}"))
    assert len(kept.entries) == MOST_SCOPES
    kept = learned(kept, entry("complaint", stream="one more", since_ms=NOW + 1))
    assert [(one.source, one.stream) for one in kept.entries] == [("complaint", None)]


@pytest.mark.parametrize(
    ("kept", "mail", "stops"),
    [
        (entry(), {}, True),
        (entry(expires_ms=NOW + 1), {}, True),
        (entry(expires_ms=NOW), {}, False),
        (entry(stream="news"), {"stream": "news"}, True),
        (entry(stream="news"), {"stream": "otp"}, False),
        (entry(stream=""), {"stream": ""}, True),
        (entry(stream=""), {"stream": "otp"}, False),
        (entry(tenant="acme"), {"tenant": "acme"}, True),
        (entry(tenant="acme"), {"tenant": "other"}, False),
        (entry(), {"is_forced": True}, False),
        (entry("streak"), {"is_forced": True}, False),
        (entry("complaint"), {"is_forced": True}, True),
        (entry("operator"), {"is_forced": True}, True),
        (entry("import"), {"is_forced": True}, True),
        (entry("of a later version"), {"is_forced": True}, True),
        (entry("complaint"), {"stream": "exempt"}, False),
        (entry("streak"), {"stream": "exempt"}, False),
        (entry(), {"stream": "exempt"}, True),
        (entry("operator"), {"stream": "exempt"}, True),
    ],
)
def test_what_stops_a_mail(kept: Entry, mail: dict[str, object], *, stops: bool) -> None:
    """By stream, tenant and time; who is forced or exempt goes past some of it."""
    asked = {"stream": "", "tenant": "app.test", "is_forced": False, **mail}
    found = binding([kept], now_ms=NOW, is_exempt=lambda stream: stream == "exempt", **asked)  # type: ignore[arg-type]
    assert (found is kept) == stops


def test_of_several_the_weightiest_is_told() -> None:
    """What a person said, before what was concluded; and of equals the first."""
    entries = [entry("streak"), entry(), entry("complaint", NOW + 1), entry("complaint", NOW, stream="news")]
    assert binding(entries, stream="news", tenant="", now_ms=NOW) == entries[3]
    assert binding(entries, stream="", tenant="", now_ms=NOW) == entries[2]
    assert binding(entries[:2], stream="", tenant="", now_ms=NOW) == entries[1]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            entry(reason="550 5.1.1 no such user"),
            (
                "The address is suppressed because a mail host said that it is dead (550 5.1.1 no such user), "
                "since 2027-01-15 08:00:00 UTC."
            ),
        ),
        (
            entry("complaint", stream="news", tenant="acme"),
            (
                "The address is suppressed for stream news of tenant acme because its mail was complained about, "
                "since 2027-01-15 08:00:00 UTC."
            ),
        ),
        (
            entry("operator", stream=""),
            (
                "The address is suppressed for mail without a stream because an operator wants it so, "
                "since 2027-01-15 08:00:00 UTC."
            ),
        ),
        (entry("later"), "The address is suppressed because its list says so, since 2027-01-15 08:00:00 UTC."),
    ],
)
def test_it_is_said_in_words(kept: Entry, said: str) -> None:
    """Why, for what, and since when."""
    assert words(kept) == said


@pytest.mark.parametrize("address", ["*@shop.test", " *@Shop.Test "])
def test_what_is_meant_as_a_glob_is_no_address(address: str) -> None:
    """Neither added nor looked for, which would stop nothing and find nothing: the domain is named instead."""
    with pytest.raises(InvalidAddress, match=r"a whole domain is @shop\.test"):
        check(NewSuppression(address=address))
    with pytest.raises(InvalidArgument, match=r"a whole domain is @shop\.test"):
        wanted(address=address)


def test_a_reason_is_short_and_in_one_line() -> None:
    """Whatever a host or a file says."""
    assert cut("a\r\n b\x00\x1b[31m\u202ec") == "a b [31m c"
    assert cut("x" * 5000) == "x" * 197 + "..."
    assert set(Source) == {"verdict", "complaint", "streak", "operator", "import"}
