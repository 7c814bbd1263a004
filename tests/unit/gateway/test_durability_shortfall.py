"""What a store's server is set to against what is claimed, and the words for it."""

from __future__ import annotations

import pytest
from softbounce_gateway.store_checks.durability_shortfall import Shortfall, find_shortfalls, in_words

from softbounce.errors import StoreUnavailable
from softbounce.store.call import StoreAnswer

LOG, NO_LOG = b"aof_enabled:1\r\n", b"aof_enabled:0\r\n"
KEEPS, EVICTS = b"maxmemory_policy:noeviction\r\n", b"maxmemory_policy:allkeys-lru\r\n"
REFUSED = StoreUnavailable("NOPERM")
ON_REWRITE = [b"no-appendfsync-on-rewrite", b"no"]


def fsync(how: bytes) -> list[bytes]:
    """An answer of a server that tells."""
    return [b"appendfsync", how]


@pytest.mark.parametrize(
    ("claimed", "log", "how"),
    [
        ("always", LOG, b"always"),
        ("everysec", LOG, b"everysec"),
        ("everysec", LOG, b"always"),
        ("none", LOG, b"no"),
        ("none", NO_LOG, b"everysec"),
        ("none", LOG, b"always"),
    ],
)
def test_a_store_that_is_as_safe_as_claimed(claimed: str, log: bytes, how: bytes) -> None:
    """Or safer."""
    assert find_shortfalls(claimed, log, KEEPS, fsync(how), ON_REWRITE) == ([], set())


@pytest.mark.parametrize(
    ("claimed", "told", "says", "holds"),
    [
        ("always", (NO_LOG, KEEPS, fsync(b"always")), "keeps no append-only file", "none"),
        ("everysec", (NO_LOG, KEEPS, fsync(b"no")), "keeps no append-only file", "none"),
        ("always", (LOG, KEEPS, fsync(b"everysec")), "has `appendfsync everysec`", "everysec"),
        ("everysec", (LOG, KEEPS, fsync(b"no")), "has `appendfsync no`", "none"),
        ("always", (LOG, EVICTS, fsync(b"always")), "has `maxmemory-policy allkeys-lru`", None),
        ("none", (NO_LOG, EVICTS, fsync(b"no")), "has `maxmemory-policy allkeys-lru`", None),
    ],
    ids=["no-log", "no-log-everysec", "everysec-for-always", "no-for-everysec", "evicts", "evicts-none"],
)
def test_a_store_that_is_less_safe_than_claimed(
    claimed: str, told: tuple[StoreAnswer, StoreAnswer, StoreAnswer], says: str, holds: str | None
) -> None:
    """One reason, and what could be claimed instead."""
    wrong, unsure = find_shortfalls(claimed, *told, ON_REWRITE)
    (short,) = wrong
    assert says in short.what
    assert short.holds == holds
    assert not unsure


def test_a_log_that_is_not_synced_while_it_is_rewritten() -> None:
    """For half a minute or more nothing may reach the disk, so no claim but none holds."""
    paused = [b"no-appendfsync-on-rewrite", b"yes"]
    for claimed in ("always", "everysec"):
        (short,) = find_shortfalls(claimed, LOG, KEEPS, fsync(b"always"), paused)[0]
        assert (short.cures, short.holds) == (("no-appendfsync-on-rewrite no",), "none")
    assert find_shortfalls("none", LOG, KEEPS, fsync(b"always"), paused) == ([], set())


def test_a_store_that_does_not_tell() -> None:
    """What may not be asked is no reason to refuse, and is said."""
    wrong, unsure = find_shortfalls("always", LOG, KEEPS, REFUSED, REFUSED)
    assert (wrong, unsure) == ([], {"how often it writes to its disk (CONFIG GET appendfsync)"})
    assert len(find_shortfalls("always", REFUSED, REFUSED, REFUSED, REFUSED)[1]) == 3
    assert find_shortfalls("always", LOG, KEEPS, [], [])[1]


def test_the_words_name_what_is_set_what_is_claimed_and_each_way_out_once() -> None:
    """The least of what holds is what may be claimed."""
    log = Shortfall("has no log", ("appendonly yes", "appendfsync always"), "none")
    slow = Shortfall("is slow", ("appendfsync always",), "everysec")
    assert in_words([log, slow], "always", is_default=True).splitlines() == [
        'has no log and is slow, and [store] durability = "always" (the default) claims that no accepted mail is lost.',
        "  Set on the server, here and in its configuration file (a restart forgets CONFIG SET):",
        "    CONFIG SET appendonly yes",
        "    CONFIG SET appendfsync always",
        "  or claim in softbounce.toml what holds, that a restart of the store may lose mail that was accepted:",
        "    [store]",
        '    durability = "none"',
    ]
