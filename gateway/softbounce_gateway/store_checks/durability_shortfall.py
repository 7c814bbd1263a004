"""What a store's server is set to, against the durability that the configuration claims, and each way out.

Pure: it reads answers and writes sentences. Who asks, and what follows, is decided by ``durability``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from softbounce.store.call import StoreAnswer

__all__ = ["QUESTIONS", "Shortfall", "find_shortfalls", "in_words"]

QUESTIONS: tuple[tuple[bytes, ...], ...] = (
    (b"INFO", b"persistence"),
    (b"INFO", b"memory"),
    (b"CONFIG", b"GET", b"appendfsync"),
    (b"CONFIG", b"GET", b"no-appendfsync-on-rewrite"),
)
"""What one server is asked; the last two are not allowed everywhere."""
SAFETY = {"none": 0, "everysec": 1, "always": 2}
"""What can be claimed, by how much it keeps."""
SYNCS = {"no": "none", "everysec": "everysec", "always": "always"}
"""What can be claimed of a server with an append-only file, by its ``appendfsync``."""
MEANING = {
    "always": "no accepted mail is lost",
    "everysec": "a power loss may take up to two seconds of mail that was accepted",
    "none": "a restart of the store may lose mail that was accepted",
}


class Shortfall(NamedTuple):
    """One thing that a server is set to and that falls short of the claim.

    :ivar what: the server's setting, in words that follow "it".
    :ivar cures: what to set there instead.
    :ivar holds: the best that can be claimed of it as it is; ``None``: nothing makes this right.
    """

    what: str
    cures: tuple[str, ...]
    holds: str | None


def find_shortfalls(
    claimed: str, persistence: StoreAnswer, memory: StoreAnswer, fsync: StoreAnswer, on_rewrite: StoreAnswer
) -> tuple[list[Shortfall], set[str]]:
    """Where one server falls short, and what it does not tell.

    :param persistence: its answer to the first of the questions, or the error; and so on.
    """
    wrong: list[Shortfall] = []
    unsure: set[str] = set()
    has_log = _lines(persistence).get("aof_enabled")
    how = _setting(fsync)
    if has_log is None:
        unsure.add("whether it keeps an append-only file")
    if how not in SYNCS:
        unsure.add("how often it writes to its disk (CONFIG GET appendfsync)")
    if claimed != "none":
        sync = f"appendfsync {claimed}"
        if has_log == "0":
            what = "keeps no append-only file (`appendonly no`)"
            wrong.append(Shortfall(what, ("appendonly yes", sync), "none"))
        elif how in SYNCS and SAFETY[SYNCS[how]] < SAFETY[claimed]:
            wrong.append(Shortfall(f"has `appendfsync {how}`", (sync,), SYNCS[how]))
        if has_log != "0" and _setting(on_rewrite) == "yes":
            what = "does not sync while it rewrites its log (`no-appendfsync-on-rewrite yes`)"
            wrong.append(Shortfall(what, ("no-appendfsync-on-rewrite no",), "none"))
    eviction = _lines(memory).get("maxmemory_policy")
    if eviction is None:
        unsure.add("what it does when its memory is full (maxmemory-policy)")
    elif eviction != "noeviction":
        what = f"has `maxmemory-policy {eviction}`, which forgets accepted mail when memory is short"
        wrong.append(Shortfall(what, ("maxmemory-policy noeviction",), None))
    return wrong, unsure


def in_words(wrong: Sequence[Shortfall], claimed: str, *, is_default: bool) -> str:
    """What falls short and each way out, as lines for a person; they follow the name of the store."""
    default = " (the default)" if is_default else ""
    lines = [
        " and ".join(one.what for one in wrong) + f', and [store] durability = "{claimed}"{default} claims that '
        f"{MEANING[claimed]}."
        if any(one.holds for one in wrong)
        else " and ".join(one.what for one in wrong) + ".",
        "  Set on the server, here and in its configuration file (a restart forgets CONFIG SET):",
        *(f"    CONFIG SET {cure}" for cure in _once(cure for one in wrong for cure in one.cures)),
    ]
    holds = [one.holds for one in wrong if one.holds]
    if holds:
        best = min(holds, key=SAFETY.__getitem__)
        lines += [
            f"  or claim in softbounce.toml what holds, that {MEANING[best]}:",
            "    [store]",
            f'    durability = "{best}"',
        ]
    return "\n".join(lines)


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _lines(text: StoreAnswer) -> dict[str, str]:
    if not isinstance(text, bytes):
        return {}
    return dict(line.split(":", 1) for line in text.decode("utf-8", "replace").splitlines() if ":" in line)


def _setting(answer: StoreAnswer) -> str:
    if not isinstance(answer, Sequence) or len(answer) < 2 or not isinstance(answer[1], bytes):  # noqa: PLR2004
        return ""
    return answer[1].decode("ascii", "replace")
