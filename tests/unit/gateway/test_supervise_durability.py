"""What is said of a store that is less safe than the configuration claims."""

from __future__ import annotations

import pytest
from softbounce_gateway.supervise_durability import complaints

from softbounce.errors import StoreUnavailable

LOG, NO_LOG = b"aof_enabled:1\r\n", b"aof_enabled:0\r\n"
KEEPS, EVICTS = b"maxmemory_policy:noeviction\r\n", b"maxmemory_policy:allkeys-lru\r\n"
REFUSED = StoreUnavailable("NOPERM")


def fsync(how: bytes) -> list[bytes]:
    """An answer of a server that tells."""
    return [b"appendfsync", how]


@pytest.mark.parametrize(
    ("claimed", "how"), [("always", b"always"), ("everysec", b"everysec"), ("everysec", b"always")]
)
def test_a_store_that_is_as_safe_as_claimed(claimed: str, how: bytes) -> None:
    """Or safer."""
    assert complaints(claimed, LOG, KEEPS, fsync(how)) == ([], [])


@pytest.mark.parametrize(
    ("claimed", "persistence", "memory", "how", "says"),
    [
        ("always", NO_LOG, KEEPS, b"always", "keeps no append-only file"),
        ("everysec", NO_LOG, KEEPS, b"no", "keeps no append-only file"),
        ("always", LOG, KEEPS, b"everysec", "has `appendfsync everysec`, and [store] durability says always"),
        ("everysec", LOG, KEEPS, b"no", "has `appendfsync no`"),
        ("always", LOG, EVICTS, b"always", "has `maxmemory-policy allkeys-lru`"),
    ],
    ids=["no-log", "no-log-everysec", "everysec-for-always", "no-for-everysec", "evicts"],
)
def test_a_store_that_is_less_safe_than_claimed(
    claimed: str, persistence: bytes, memory: bytes, how: bytes, says: str
) -> None:
    """One reason, in words that say what to set."""
    wrong, unsure = complaints(claimed, persistence, memory, fsync(how))
    assert len(wrong) == 1
    assert says in wrong[0]
    assert not unsure


def test_a_store_that_does_not_tell() -> None:
    """What may not be asked is no reason to refuse, and is said."""
    assert complaints("always", LOG, KEEPS, REFUSED)[0] == []
    assert "CONFIG GET appendfsync" in complaints("always", LOG, KEEPS, REFUSED)[1][0]
    assert len(complaints("always", REFUSED, REFUSED, REFUSED)[1]) == 3
    assert complaints("always", LOG, KEEPS, [])[1]
