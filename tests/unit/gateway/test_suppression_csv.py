"""Suppression lists as CSV: our own, those of other services, and what is none."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from softbounce_gateway.suppression_list.csv_form import (
    BadLine,
    Line,
    Unknown,
    Unread,
    heading,
    line_of,
    read_lines,
)

from softbounce import InvalidArgument, NewSuppression, Suppression

SINCE = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def read(text: str | bytes) -> list[Line | BadLine | Unread | Unknown]:
    """What a file says."""
    octets = text.encode() if isinstance(text, str) else text
    return list(read_lines(octets.splitlines(keepends=True)))


def test_a_list_that_was_written_is_read_again() -> None:
    """All columns, also a stream of no name, and a reason with commas and quotes."""
    one = Suppression(
        address="joe@example.com",
        source="complaint",
        reason='said "stop", twice',
        since=SINCE,
        stream="",
        tenant="acme",
        expires_at=SINCE,
        envelope="0" * 26,
    )
    other = Suppression(address="@example.net", source="operator", reason="", since=SINCE)
    read_again = [line for line in read(heading() + line_of(one) + line_of(other)) if isinstance(line, Line)]
    assert read_again == [
        Line(
            2,
            NewSuppression(
                address="joe@example.com",
                source="complaint",
                reason='said "stop", twice',
                since=SINCE,
                stream="",
                tenant="acme",
                expires=SINCE,
                envelope="0" * 26,
            ),
        ),
        Line(3, NewSuppression(address="@example.net", source="operator", since=SINCE)),
    ]


@pytest.mark.parametrize(
    ("text", "address", "reason", "since"),
    [
        ("email,reason,created\na@example.com,550 gone,1769846400\n", "a@example.com", "550 gone", SINCE),
        ("address;error;created_at\na@example.com;x;Sat, 31 Jan 2026 08:00:00 UTC\n", "a@example.com", "x", SINCE),
        ("\ufeffEmail Address\tDetails\r\na@example.com\tx\r\n", "a@example.com", "x", None),
        ('"recipient","bounced_at"\n"a@example.com","2026-01-31 08:00:00"\n', "a@example.com", "", SINCE),
        ("\n\nAddress\n\n a@example.com \n", "a@example.com", "", None),
    ],
    ids=["seconds", "semicolons", "tabs and a mark", "no zone", "empty lines"],
)
def test_lists_of_others_are_read(text: str, address: str, reason: str, since: datetime | None) -> None:
    """By the names that they give their columns; who is on them came by import."""
    (line,) = read(text)
    assert isinstance(line, Line)
    said = line.suppression
    assert (said.address, said.reason, said.since, said.source) == (address, reason, since, "import")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no address", "has no @"),
        ("", "has no @"),
        ("a@example.com\u0000", "it has a NUL in it"),
        ('"a@example.com', "unexpected end of data"),
        ("x" * 9000, "it is longer than 8192 octets"),
        ("a@example.com,,\x07", "stream"),
        ("@exa_mple.com", "underscore"),
        ("a@example.com,,,,no id", "envelope"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(line: str, why: str) -> None:
    """And costs no other."""
    text = f"address,since,stream,tenant,envelope\na@example.com\n{line},\nb@example.com\n"
    first, bad, last = read(text.replace("\n,\n", "\n,,\n"))
    assert isinstance(first, Line)
    assert isinstance(last, Line)
    assert (first.number, last.number) == (2, 4)
    assert isinstance(bad, BadLine)
    assert bad.number == 3
    assert why in bad.why


@pytest.mark.parametrize(
    ("written", "since"),
    [
        ("1769846400.25", SINCE + timedelta(milliseconds=250)),
        ("1769846400000", SINCE),
        ("1769846400250", SINCE + timedelta(milliseconds=250)),
        ("20260131", SINCE - timedelta(hours=8)),
        ("20260131080000", SINCE),
        ("2026-01-31 08:00:00 UTC", SINCE),
        ("2026-01-31 08:00:00.25 UTC", SINCE + timedelta(milliseconds=250)),
        ("2026-01-31 09:00:00 +0100 CET", SINCE),
        ("2026-01-31T08:00:00GMT", SINCE),
    ],
)
def test_issue14_a_time_is_read_as_other_services_write_it(written: str, since: datetime) -> None:
    """Seconds with a fraction, milliseconds, a zone in letters or behind a blank; without a zone it is UTC."""
    for name in ("bounced_at", "created", "since"):
        (line,) = read(f"email,{name}\na@example.com,{written}\n")
        assert isinstance(line, Line)
        assert line.suppression.since == since


@pytest.mark.parametrize(
    "written",
    ["yesterday", "01/31/2026 08:00", "1/2/2026", "31.01.2026 08:00", "99999999999999999999999", "0000-00-00 00:00:00"],
)
def test_issue14_a_time_that_cannot_be_read_costs_no_address(written: str) -> None:
    """It is told with its line, and who wants no mail gets none: also where nobody knows since when, or how long."""
    unread, first, endless, second, third = read(
        f"address,since,expires_at\na@b.test,{written}\nb@b.test,,{written}\nc@b.test,2026-01-31,\n"
    )
    assert isinstance(unread, Unread)
    assert isinstance(endless, Unread)
    assert (unread.number, endless.number) == (2, 3)
    assert unread.why.startswith(f"since: {written[:40]!r} is no time that has one reading")
    assert endless.why.startswith("expires_at: ")
    taken = [one.suppression for one in (first, second, third) if isinstance(one, Line)]
    assert [one.address for one in taken] == ["a@b.test", "b@b.test", "c@b.test"]
    assert [(one.since, one.expires) for one in taken[:2]] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("heading", "cells", "address", "reason", "passed_over"),
    [
        ("Email Address,First Name,Address", "a@b.test,Ann,1 Main St", "a@b.test", "", ["First Name", "Address"]),
        ("Address,Email", "1 Main St,a@b.test", "a@b.test", "", ["Address"]),
        ("Domain,Recipient", "b.test,a@b.test", "a@b.test", "", ["Domain"]),
        ("Email,Description,Details", "a@b.test,unknown user,550 5.1.1", "a@b.test", "550 5.1.1", ["Description"]),
        ("Email,Details,Description", "a@b.test,550 5.1.1,unknown user", "a@b.test", "550 5.1.1", ["Description"]),
        ("address,reason,error", "a@b.test,mine,theirs", "a@b.test", "mine", ["error"]),
    ],
)
def test_issue14_of_two_columns_for_the_same_the_better_one_is_taken(
    heading: str, cells: str, address: str, reason: str, passed_over: list[str]
) -> None:
    """Where it is certain which; the other is told, and the list is not refused for it."""
    unknown, line = read(f"{heading}\n{cells}\n")
    assert unknown == Unknown(passed_over)
    assert isinstance(line, Line)
    assert (line.suppression.address, line.suppression.reason) == (address, reason)


def test_report_zabbix_sqlexplorer_18_a_cell_in_quotes_goes_on_in_the_next_lines() -> None:
    """A host's words in several lines are one reason; a quote that never ends costs its own line only."""
    text = 'email,reason\r\na@b.test,"550 gone\r\nwrote ""the"" host\r\n"\r\nb@b.test,"never\r\nc@b.test,5" pipe\r\n'
    first, bad, last = read(text)
    assert isinstance(first, Line)
    assert (first.number, first.suppression.address) == (2, "a@b.test")
    assert first.suppression.reason == '550 gone wrote "the" host'
    assert isinstance(bad, BadLine)
    assert (bad.number, bad.why) == (5, "unexpected end of data")
    assert isinstance(last, Line)
    assert (last.number, last.suppression.address, last.suppression.reason) == (6, "c@b.test", '5" pipe')


def test_a_quote_that_never_ends_takes_in_no_more_than_an_entry_may_have() -> None:
    """Whatever follows: each line of it is read for itself, and none twice."""
    rows = [f"u{number}@b.test,x" for number in range(500)]
    found = read("\n".join(["email,reason", 'a@b.test,"never', *rows]))
    assert [type(one) for one in found] == [BadLine] + [Line] * len(rows)
    assert [one.number for one in found if isinstance(one, Line)] == [*range(3, 503)]


def test_octets_that_are_no_text_are_told() -> None:
    """Where, so that they can be found."""
    bad = read(b"address\n\xff\xfe@example.com\n")[0]
    assert bad == BadLine(2, "it is not UTF-8, from octet 1 on")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: the first line names the columns"),
        ("a@example.com\nb@example.com\n", "line 1: the first line names the columns"),
        ("email,e-mail\n", "line 1: two of its columns are `address`: 'email' and 'e-mail'"),
        ("email,recipient\n", "line 1: two of its columns are `address`: 'email' and 'recipient'"),
        ("email,created,created_at\n", "line 1: two of its columns are `since`: 'created' and 'created_at'"),
        ("\n\nreason\n", "line 3: the first line names the columns"),
    ],
)
def test_a_list_without_addresses_is_refused(text: str, why: str) -> None:
    """With what its first line should be."""
    with pytest.raises(InvalidArgument, match=why):
        read(text)


def test_columns_that_mean_nothing_are_told_once() -> None:
    """And passed over."""
    assert read("email,ip\na@example.com,192.0.2.1\n")[0] == Unknown(["ip"])


@pytest.mark.parametrize("reason", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"])
def test_no_reason_is_a_formula(reason: str) -> None:
    """A host's words do nothing in the spreadsheet of who looks at the list."""
    line = line_of(Suppression(address="a@example.com", source="verdict", reason=reason, since=SINCE))
    assert next(csv.reader(io.StringIO(line)))[4] == f"'{reason}"
