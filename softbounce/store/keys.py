"""The names of all keys in the store. What each is, and what bounds it: :mod:`softbounce.store.key_table`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

__all__ = [
    "HOME",
    "ListPlace",
    "ReadyName",
    "body",
    "bucket",
    "claims",
    "dead",
    "is_lane",
    "key",
    "line",
    "of",
    "parse_ready_name",
    "ready",
    "ready_name",
    "ready_of",
    "to_process",
    "untold",
]

HOME = 0
SCHEMA_VERSION = 1
LANE_LENGTH = 320
LANE = re.compile(r"\??[A-Za-z0-9_.:\[\]+~\-]+")
"""``?domain``, or a site's id: host names, address literals, and what joins them. Nothing that parts a key's name."""
NAME_OCTETS = 1024
SHARE = re.compile(r"[0-9]{1,4}")
STREAM = re.compile(r"[a-z0-9_.\-]{0,64}")
NAMES = 4096
"""Of lists, of each kind, that are not put together anew each time: all of ten thousand lanes would take megabytes."""


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


def bucket(shard: int, digest: bytes) -> bytes:
    """The key of what was taken of a quota."""
    return b"sb:{%d}:quota:%s" % (shard, digest.hex().encode())


@lru_cache(maxsize=NAMES)
def ready_name(lane: str, stream: str, share: int = 0) -> str:
    """The name of a ready list within its shard, as the set ``lanes`` keeps it.

    Of a stream whose name is none the mail waits among that without a stream.

    :param share: see :mod:`softbounce.share`.
    """
    return f"{lane}|{share}|{stream if STREAM.fullmatch(stream) else ''}"


ListPlace: TypeAlias = tuple[str, str] | tuple[str, str, int]
"""A ready list within its shard: lane, stream, share (0 where it is left out)."""


class ReadyName(NamedTuple):
    """What the name of a ready list says.

    :ivar share: which share of the stream's mail in the lane is in it.
    """

    lane: str
    share: int
    stream: str


def parse_ready_name(name: bytes | str) -> ReadyName | None:
    """Read the name of a ready list, from the store or from a channel; ``None``: it is none."""
    return _parse(name) if len(name) <= NAME_OCTETS else None


@lru_cache(maxsize=NAMES)
def _parse(name: bytes | str) -> ReadyName | None:
    try:
        lane, share, stream = (name if isinstance(name, str) else name.decode()).split("|", 2)
    except ValueError:  # not UTF-8, or too few parts
        return None
    if not is_lane(lane) or SHARE.fullmatch(share) is None or STREAM.fullmatch(stream) is None:
        return None
    return ReadyName(lane, int(share), stream)


def is_lane(name: object) -> bool:
    """Whether something can be the name of a lane. Whatever it was made of, nothing else gets into a key."""
    return isinstance(name, str) and 0 < len(name) <= LANE_LENGTH and LANE.fullmatch(name) is not None


@lru_cache(maxsize=NAMES)
def ready(shard: int, name: str) -> bytes:
    """The key of a ready list, by its name."""
    return f"sb:{{{shard}}}:ready:{name}".encode()


def ready_of(shard: int, name: bytes) -> bytes:
    """The same of a name that cannot be one, as octets."""
    return b"sb:{%d}:ready:%s" % (shard, name)


def line(shard: int, digest: str) -> bytes:
    """The key of a line, by its digest (:mod:`.lines`)."""
    return f"sb:{{{shard}}}:line:{digest}".encode()


def claims(shard: int, process: str) -> bytes:
    """The key of what a process holds in a shard."""
    return f"sb:{{{shard}}}:claims:{process}".encode()


def to_process(process: str) -> bytes:
    """The channel on which a worker process is woken."""
    return f"sb:{{{HOME}}}:to:{process}".encode()


def untold(webhook: str) -> bytes:
    """The key of what a webhook's receiver was not told yet."""
    return f"sb:{{{HOME}}}:untold:{webhook}".encode()


def dead(webhook: str) -> bytes:
    """The key of what was given up for it."""
    return f"sb:{{{HOME}}}:dead:{webhook}".encode()
