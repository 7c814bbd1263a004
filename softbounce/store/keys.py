"""The names of all keys in the store. What each is, and what bounds it: :mod:`softbounce.store.key_table`."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["HOME", "body", "claims", "key", "of", "ready", "ready_name", "split_ready_name", "to_process"]

HOME = 0
SCHEMA_VERSION = 1


@lru_cache(maxsize=4096)
def key(shard: int, name: str) -> bytes:
    """The full name of a key of a shard."""
    return f"sb:{{{shard}}}:{name}".encode()


@lru_cache(maxsize=4096)
def of(shard: int, *names: str) -> tuple[bytes, ...]:
    """The full names of several keys of a shard."""
    return tuple(key(shard, name) for name in names)


def body(message: bytes) -> bytes:
    """The key of a message's body."""
    return b"sb:{%d}:b:%s" % (int.from_bytes(message[:2]), message.hex().encode())


@lru_cache(maxsize=65536)
def ready_name(lane: str, stream: str, part: int = 0) -> str:
    """The name of a ready list within its shard, as the set ``lanes`` keeps it."""
    return f"{lane}|{part}|{stream}"


def split_ready_name(name: str) -> tuple[str, int, str]:
    """Lane, part and stream of a ready list's name."""
    lane, part, stream = name.split("|", 2)
    return lane, int(part), stream


@lru_cache(maxsize=65536)
def ready(shard: int, name: str) -> bytes:
    """The key of a ready list, by its name."""
    return f"sb:{{{shard}}}:ready:{name}".encode()


def claims(shard: int, process: str) -> bytes:
    """The key of what a process holds in a shard."""
    return f"sb:{{{shard}}}:claims:{process}".encode()


def to_process(process: str) -> bytes:
    """The channel on which a worker process is woken."""
    return f"sb:{{{HOME}}}:to:{process}".encode()
