"""The names of all keys in the store. Every key of shard s is ``sb:{s}:NAME``: one slot a shard on a cluster.

========================  ======  =====================================================================
key                       type    meaning
========================  ======  =====================================================================
``schema``                hash    version of this table, number of shards; at home also where its mail goes
``e``                     hash    envelope id -> record (:mod:`softbounce.envelope`)
``b:{message}``           string  the body; a list of chunks when it is large; freed with its last live envelope
``m``                     hash    message id -> envelopes that are still live
``k`` / ``kage``          hash,   idempotency key -> message id, content digest, recipients; /
                          zset    when the key may be forgotten
``due``                   zset    scheduled envelopes by next attempt, ms
``exp``                   zset    live envelopes by when to look at their expiry, ms
``ready:{lane}|{part}|{stream}``  list  released, waiting for a slot; entries may be stale
``lanes``                 set     names of the ready lists that may have work
``held``                  zset    held envelopes by since when
``claims:{process}``      hash    envelope id -> claim token: what a process holds
``live``                  set     processes that may claim
``done``                  zset    finished envelopes by when
``totals``                hash    ``done_octets``: octets of the finished records
``events``                stream  one entry a batch of transitions
``site``                  hash    domain -> when it was learnt, lane id, shown name
``wake``                  channel for the scheduler: something is due sooner than it knew
``clock``                 hash    ``correction``: ms that all scripts add to the server's clock; ``seen``, ``by``: a
                                  recent time that was believed, and who noted it
``fence``                 string  empty; written before a wait for replicas, where there are any
``witness``               hash    the store's id; how far its history was seen, and whether its mail is being held
========================  ======  =====================================================================

Only in the home shard (0): ``leases`` (zset, process -> lease end), ``process`` (hash, process -> what it is),
``owner`` (hash, lane -> process), ``lane`` (hash, lane -> its state), ``hint`` (hash, lane -> when a job was sent),
``replayed`` (hash, dead process -> its journal was replayed), ``settings``, ``news`` (channel: there are new settings),
``to:{process}`` (channel, wakes a lane's owner).
"""

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
