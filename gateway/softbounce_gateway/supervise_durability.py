"""Refuses a store that is less safe than the configuration says, and says what cannot be known.

What a server is set to is asked when the service starts; it may be changed later, and disks may lie. The embedded
store is set by ourselves, so it is only said what its setting means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from softbounce_config import Config

from softbounce.errors import StoreError
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.supervise import StartFailed, complain, say

__all__ = ["check_durability", "complaints"]

SAFETY = {"no": 0, "everysec": 1, "always": 2}
"""How soon a write is on the disk, by the server's ``appendfsync``."""
WHAT_EVERYSEC_MEANS = (
    "durability is everysec: a power loss may take up to a second of mail that was accepted, and forget a second of "
    "deliveries, which are then made twice; a crash of a process takes nothing"
)


async def check_durability(store: AsyncShards, config: Config) -> None:
    """Check every server that has a shard. What is wrong is refused where the durability was written down, else said.

    :raises StartFailed: one is less safe than a written ``[store] durability``, or evicts mail (exit code 2).
    :raises StoreError: the store went away.
    """
    claimed = config.store.durability
    if claimed == "everysec":
        say(WHAT_EVERYSEC_MEANS)
    if config.is_embedded:
        return
    questions: list[tuple[bytes, ...]] = [
        (b"INFO", b"persistence"),
        (b"INFO", b"memory"),
        (b"CONFIG", b"GET", b"appendfsync"),
    ]
    calls = [Call.read(shard, *question) for shard in range(config.store.shards) for question in questions]
    answers = await store.call(calls)
    unknown: set[str] = set()
    for start in range(0, len(answers), len(questions)):
        persistence, memory, fsync = answers[start : start + len(questions)]
        if isinstance(persistence, StoreError) and not isinstance(fsync, StoreError):
            raise persistence
        wrong, unsure = complaints(claimed, persistence, memory, fsync)
        if wrong and "durability" in config.store.model_fields_set:
            raise StartFailed(f"the store at {redact(store.url)} {' and '.join(wrong)}", exit_code=2)
        for why in wrong:  # nobody claimed it in so many words: say it, and work
            complain(f"the store at {redact(store.url)} {why}")
        unknown.update(unsure)
    for what in sorted(unknown):
        complain(f"the store at {redact(store.url)} does not tell {what}; [store] durability says {claimed}")


def complaints(claimed: str, persistence: Any, memory: Any, fsync: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401
    """What is wrong with one server, and what it does not tell.

    :param persistence: its answer to ``INFO persistence``, or the error.
    :param memory: its answer to ``INFO memory``.
    :param fsync: its answer to ``CONFIG GET appendfsync``, which many do not allow.
    """
    wrong: list[str] = []
    unsure: list[str] = []
    has_log = _lines(persistence).get("aof_enabled")
    if has_log == "0":
        wrong.append(
            f"keeps no append-only file, and [store] durability says {claimed}: a restart would lose accepted mail; "
            f"set `appendonly yes` and `appendfsync {claimed}` there"
        )
    elif has_log is None:
        unsure.append("whether it keeps an append-only file")
    how = _setting(fsync)
    if how not in SAFETY:
        unsure.append("how often it writes to its disk (CONFIG GET appendfsync)")
    elif has_log != "0" and SAFETY[how] < SAFETY[claimed]:
        wrong.append(
            f"has `appendfsync {how}`, and [store] durability says {claimed}: set `appendfsync {claimed}` there, "
            "or say here what holds"
        )
    eviction = _lines(memory).get("maxmemory_policy")
    if eviction is None:
        unsure.append("what it does when its memory is full (maxmemory-policy)")
    elif eviction != "noeviction":
        wrong.append(
            f"has `maxmemory-policy {eviction}`, which forgets accepted mail when memory is short: set "
            "`maxmemory-policy noeviction` there"
        )
    return wrong, unsure


def _lines(info: object) -> dict[str, str]:
    if not isinstance(info, bytes):
        return {}
    return dict(line.split(":", 1) for line in info.decode("utf-8", "replace").splitlines() if ":" in line)


def _setting(answer: object) -> str:
    if not isinstance(answer, Sequence) or len(answer) < 2 or not isinstance(answer[1], bytes):  # noqa: PLR2004
        return ""
    return answer[1].decode("ascii", "replace")
