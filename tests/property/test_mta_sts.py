"""MTA-STS policies, and what their hosts answer: whatever the octets, they are a policy or none; nothing breaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st
from softbounce_worker.mta_sts import fetching
from softbounce_worker.mta_sts.policy_text import PolicyText, read_policy, read_record

from softbounce.store.sts_policies import MOST_PATTERNS, PATTERN, StsPolicy, decode_policy

lines = st.sampled_from(
    [
        "version: STSv1",
        "mode: enforce",
        "mode: testing",
        "max_age: 86400",
        "max_age: 99999999999",
        "mx: mx.a.test",
        "mx: *.a.test",
        "mx: 192.0.2.1",
        "mx:",
        ":",
        "",
        "x: y",
    ]
)
heads = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Type: text/html\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"ffffffff\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"\0",
    ]
)


@given(st.binary(max_size=500))
def test_L12_any_octets_are_a_policy_or_none(octets: bytes) -> None:
    """Nothing but a policy or ``ValueError`` comes of them."""
    with suppress(ValueError):
        assert isinstance(read_policy(octets), PolicyText)


@given(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n"]))
@example([f"mx: mx{number}.a.test" for number in range(101)], "\n")
def test_L12_a_policy_that_counts_is_whole(some: list[str], line_end: str) -> None:
    """It has hosts unless it asks for nothing, all of them can be named so, and a time within a year."""
    with suppress(ValueError):
        policy = read_policy(line_end.join(some).encode())
        assert bool(policy.mx) or policy.mode == "none"
        assert len(policy.mx) <= MOST_PATTERNS
        assert all(PATTERN.fullmatch(host) and not host[-1].isdigit() for host in policy.mx)
        assert 0 <= policy.max_age <= 31_557_600


@given(st.lists(st.text(max_size=60) | st.text("v=STSv1; id 09az", max_size=40), max_size=3))
def test_L12_any_texts_name_a_policy_or_none(texts: list[str]) -> None:
    """By up to 32 letters and digits."""
    identity = read_record(texts)
    assert identity is None or (identity.isalnum() and len(identity) <= 32)


@given(st.lists(heads | st.binary(max_size=40), max_size=8))
def test_L12_any_answer_is_a_body_or_a_failure(parts: list[bytes]) -> None:
    """Never more than 64 KiB, and nothing breaks."""

    async def read() -> bytes | None:
        reader = asyncio.StreamReader(limit=fetching.HEAD_OCTETS)
        reader.feed_data(b"".join(parts))
        reader.feed_eof()
        with suppress(fetching.FetchFailed):
            return await fetching.read_answer("mta-sts.a.test", reader)
        return None

    body = asyncio.run(read())
    assert body is None or len(body) <= fetching.MOST_OCTETS


@given(st.binary(max_size=200))
def test_L13_whatever_the_store_holds_is_a_policy_or_none(octets: bytes) -> None:
    """What somebody wrote there breaks nobody."""
    with suppress(ValueError):
        assert isinstance(decode_policy(octets), StsPolicy)
