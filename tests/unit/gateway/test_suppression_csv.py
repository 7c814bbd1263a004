"""Suppression lists as CSV: our own, those of other services, and what is none."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from softbounce_gateway.suppression_list.csv_form import BadLine, Line, Unknown, heading, line_of, read_lines

from softbounce import InvalidArgument, NewSuppression, Suppression

SINCE = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def read(text: str | bytes) -> list[Line | BadLine | Unknown]:
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
        ("a@example.com,yesterday", "'yesterday' is no time"),
        ("a@example.com,99999999999999999999999", "is no time"),
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
        ("email,address\n", "line 1: two of its columns are `address`"),
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
