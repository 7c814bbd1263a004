"""The answer cache: bounded, and forgetful in time."""

from __future__ import annotations

from softbounce_worker.route.answer_cache import AnswerCache


def test_A10_cache_is_bounded_and_the_oldest_entry_goes_first() -> None:
    """A stranger's names cannot fill the memory: the oldest entry makes room, and writing anew makes young."""
    cache: AnswerCache[str] = AnswerCache(2, lambda: 0.0)
    for key in ("a", "b", "a", "c"):
        cache.put(key, key, expires=1.0)
    assert len(cache) == 2
    assert [cache.get(key) for key in "abc"] == ["a", None, "c"]


def test_entry_ends_at_the_instant_it_expires() -> None:
    """The instant itself is too late."""
    now = 0.0
    cache: AnswerCache[str] = AnswerCache(2, lambda: now)
    cache.put("a", "x", expires=1.0)
    assert cache.get("a") == "x"
    now = 1.0
    assert cache.get("a") is None
    assert len(cache) == 0
