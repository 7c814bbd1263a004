"""What a stranger writes is bounded before anything is made of it, and what stands before the bound is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from returned import FINAL, TO, group, report
from softbounce_gateway.returns.reading.addresses import addresses_in, addresses_of
from softbounce_gateway.returns.reading.fields import groups
from softbounce_gateway.returns.reading.parts import LINE_OCTETS, MOST_LINES, MOST_OCTETS, MOST_PARTS, parse
from softbounce_gateway.returns.reading.reading import read_report
from softbounce_gateway.returns.return_paths import MOST_AN_HOUR, ReturnPaths

from softbounce.ids import envelope_id, new_message_id
from softbounce.return_path import ReturnKeys, ReturnPath, make_return_path, read_return_path
from softbounce.store.shards import AsyncShards

GONE = report("Gone.", group(FINAL, "Action: failed", "Status: 5.1.1"))
STATUS = b"Content-Type: multipart/report; boundary=a\r\n\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\n"
BEHIND = (
    b"\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@y.test\r\nAction: failed\r\n"
)


def test_no_more_than_a_mebibyte_is_read() -> None:
    """What stands before it counts, what stands behind it does not."""
    octets = GONE.replace("{to}", TO).replace("\n", "\r\n").encode()
    assert read_report(octets + b"x\r\n" * MOST_OCTETS).kind == "failed"
    assert read_report(STATUS + b"x: " + b"y" * MOST_OCTETS + BEHIND).kind == "unknown"


def test_lines_are_bounded_in_number_and_length() -> None:
    """Each costs the parser for each part that there may be."""
    parts = parse(b"Subject: x\r\n\r\n" + b"y\r\n" * (2 * MOST_LINES))
    assert parts is not None
    assert parts.prose.count("\n") < MOST_LINES
    parts = parse(b"Subject: x\r\n\r\n" + b"y" * (10 * LINE_OCTETS))
    assert parts is not None
    assert max(map(len, parts.prose.split("\n"))) <= LINE_OCTETS


def test_parts_are_bounded_in_number_and_depth() -> None:
    """Neither many side by side nor many within each other are all read; those before them are."""
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(200))
    parts = parse(nested)
    assert parts is not None
    assert sum(1 for _ in parts.message.walk()) <= 50
    beside = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 1_000
    parts = parse(beside)
    assert parts is not None
    assert len(parts.parts) < MOST_PARTS
    octets = GONE.replace("{to}", TO).replace("\n", "\r\n").encode()
    assert read_report(octets.partition(b"Thank you")[0] + nested).kind == "failed"


def test_fields_and_addresses_are_bounded_in_number() -> None:
    """Of recipients, and of what may be one."""
    assert len(groups("Final-Recipient: rfc822; x@y.test\nAction: failed\n\n" * 1_000)) == 101
    many = "".join(f"a{number}@b.test " for number in range(1_000))
    assert len(addresses_in(many)) == 100
    assert len(addresses_of(f"Subject: x\r\n\r\n{many}".encode())) == 100


def test_one_path_fills_nothing_however_it_is_written() -> None:
    """Twenty an hour are taken to it; of another path others are, and an hour later as many again."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    seconds = [0.0]
    paths = ReturnPaths(cast("AsyncShards", None), lambda: now, lambda: seconds[0])

    def path() -> ReturnPath:
        key = bytes(32)
        local = make_return_path(envelope_id(new_message_id(0), 0), TO, key, now)
        found = read_return_path(local.upper(), ReturnKeys(current=key), now)
        assert found is not None
        return found

    one, other = path(), path()
    assert [paths.comes_too_often(one) for _ in range(MOST_AN_HOUR + 2)] == [False] * MOST_AN_HOUR + [True] * 2
    assert not paths.comes_too_often(other)
    seconds[0] = 3_601.0
    assert not paths.comes_too_often(one)
