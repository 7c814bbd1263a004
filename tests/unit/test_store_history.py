"""How a store stands to what was seen of it before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from softbounce.store.store_history import SLACK_MS, HistoryMark, HistoryMatch, ShardHistory

HOUR = 3_600_000
SEEN = 100 * HOUR


def shard(at_ms: int, *, store: str = "one", messages: int = 5) -> ShardHistory:
    """A shard whose newest event was noted then."""
    return ShardHistory(
        store=store,
        at_ms=at_ms,
        event_ms=at_ms,
        newest_ms=at_ms,
        messages=messages,
        holding_ms=0,
        until_ms=0,
        now_ms=SEEN + HOUR,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([shard(SEEN), shard(SEEN)], HistoryMatch.SAME, id="as it was"),
        pytest.param([shard(SEEN + HOUR), shard(SEEN)], HistoryMatch.SAME, id="gone on"),
        pytest.param([shard(SEEN - SLACK_MS), shard(SEEN)], HistoryMatch.SAME, id="the last minute is the journals'"),
        pytest.param([shard(SEEN - SLACK_MS - 1), shard(SEEN)], HistoryMatch.COPY, id="more than that"),
        pytest.param([shard(SEEN), shard(SEEN - HOUR)], HistoryMatch.COPY, id="one shard of two"),
        pytest.param([shard(SEEN), shard(SEEN - HOUR, messages=0)], HistoryMatch.EMPTIED, id="one that has no mail"),
        pytest.param([shard(0, store=""), shard(0, store="")], HistoryMatch.COPY, id="never noted, but with mail"),
        pytest.param([shard(0, store="", messages=0)] * 2, HistoryMatch.EMPTIED, id="new"),
        pytest.param([shard(0, store="other"), shard(0)], HistoryMatch.ANOTHER, id="another store"),
    ],
)
def test_how_a_store_stands(found: Sequence[ShardHistory], expected: HistoryMatch) -> None:
    """It is an older copy when a shard with mail goes back by more than the journals know."""
    assert HistoryMark(2, "one", [SEEN, SEEN]).judge(found) is expected


def test_a_copy_is_not_learnt_from() -> None:
    """What a copy knows does not replace what was seen, so that the next look says the same; anything else does."""
    seen = HistoryMark(1, "one", [SEEN])
    assert [seen.take([shard(SEEN - HOUR)]) for _ in range(2)] == [HistoryMatch.COPY] * 2
    assert seen.take([shard(SEEN - 1)]) is HistoryMatch.SAME
    assert seen.seen_ms == [SEEN]
    assert seen.take([shard(7, store="other")]) is HistoryMatch.ANOTHER
    assert (seen.store, seen.seen_ms) == ("other", [7])
    assert seen.take([shard(8, store="other")]) is HistoryMatch.SAME


def test_what_was_never_seen_is_taken_as_it_is() -> None:
    """Without a past there is nothing to compare with."""
    assert HistoryMark(1).take([shard(SEEN)]) is HistoryMatch.SAME
