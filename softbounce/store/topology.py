"""Which node has which shard: what the nodes of a cluster, or sentinels, said when they were last asked. Does no I/O.

One server has all shards, and nobody is asked; when it answers that a shard moved elsewhere, it is a cluster's node
after all, and is asked like one. An answer may be out of date: then a node refuses what it does not have, and the
topology is asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from redis.crc import key_slot

from softbounce.store.address import SOLE, Kind, Node, StoreAddress

__all__ = ["APART_MS", "UNKNOWN_HOSTS", "NodeFacts", "Topology", "read_facts"]

DOWN = {"s_down", "o_down"}
UNKNOWN_HOSTS = {"", "?"}
"""What a node says that does not know, or was not told, by which name it is reached: it is where it was asked."""
TURNS_WITHIN = 30.0
"""Seconds that replicas have for turning to a new primary, before it counts without those that did not: sentinels take
about ten to tell a living one that was the primary before."""

APART_MS = 30_000
"""A replica that lost its primary may be promoted all the same. After so long, other replicas are known to have more:
sentinels ask each every ten seconds how much it has, and promote the one that has most."""


@lru_cache(maxsize=4096)
def _slot(shard: int) -> int:
    return key_slot(b"sb:{%d}:" % shard)


class _Range(NamedTuple):
    first: int
    last: int
    node: Node
    replicas: int


class Topology:
    """The map of one store.

    :ivar version: grows when the map changed.
    :ivar is_doubted: it is to be asked for before it is used (again).
    :ivar trouble: why the last asking told nothing.
    """

    def __init__(self, address: StoreAddress, clock: Callable[[], float] = time.monotonic) -> None:
        self.kind = address.kind
        self.version = 0
        self.is_doubted = self.kind is not Kind.SERVER
        self.trouble = ""
        self._address = address
        self._ranges: list[_Range] = [_Range(0, 16383, SOLE, replicas=0)] if not self.is_doubted else []
        self._placed: dict[int, Node] = {}
        self._asked = 0
        self._hint: Node | None = None
        self._clock = clock
        self._followed: frozenset[Node] = frozenset()
        self._were_primary: frozenset[Node] = frozenset()
        self._turn_until = 0.0
        self._new_until = clock() + TURNS_WITHIN
        self._is_one_missing = False

    # -- looking up -------------------------------------------------------------------------------------------------

    @property
    def is_single(self) -> bool:
        """Whether one server has everything, and nobody can say more."""
        return self.kind is Kind.SERVER

    @property
    def is_turning(self) -> bool:
        """Whether the primary changed so lately that its replicas may not have turned to it yet."""
        return self._clock() < self._turn_until

    @property
    def may_change(self) -> bool:
        """Whether what is known of the replicas may not last.

        One that is missing may be back at any moment, and the primary a second later. Who has just begun does not know
        what changed before.
        """
        return self._is_one_missing or self.is_turning or self._clock() < self._new_until

    def node(self, shard: int) -> Node | None:
        """The node that has a shard; ``None``: nobody is known to have it."""
        found = self._placed.get(shard)
        if found is None and (found := self._find(_slot(shard))) is not None:
            self._placed[shard] = found
        return found

    def node_of_channel(self, channel: bytes) -> Node | None:
        """The node that a sharded channel is heard on."""
        return self._find(key_slot(channel))

    def nodes(self) -> list[Node]:
        """The nodes that have the shards which were asked for so far."""
        return sorted(set(self._placed.values()))

    def knows(self, node: Node) -> bool:
        """Whether a node has anything, as far as is known."""
        return any(one.node == node for one in self._ranges)

    def replicas(self, node: Node) -> int:
        """How many replicas of a node are well, as others see it."""
        return max((one.replicas for one in self._ranges if one.node == node), default=0)

    def _find(self, slot: int) -> Node | None:
        return next((one.node for one in self._ranges if one.first <= slot <= one.last), None)

    # -- asking -----------------------------------------------------------------------------------------------------

    def doubt(self) -> None:
        """Something was not where it should be."""
        self.is_doubted = not self.is_single

    def meet_redirection(self, target: Node) -> None:
        """A node said that a shard is elsewhere: it belongs to a cluster, and the other one knows more."""
        if self.kind is Kind.SERVER:
            self.kind = Kind.CLUSTER
        self._hint = target
        self.is_doubted = True

    def sources(self) -> list[Node]:
        """Whom to ask, in this order; another begins each time, since any one may be behind."""
        if self.kind is Kind.SENTINEL:
            return list(self._address.seeds)
        known = dict.fromkeys((*(one.node for one in self._ranges), *self._address.seeds, SOLE))
        if self._address.kind is not Kind.SERVER:
            del known[SOLE]
        nodes = list(known)
        self._asked += 1
        turned = nodes[self._asked % len(nodes) :] + nodes[: self._asked % len(nodes)] if nodes else []
        hint, self._hint = self._hint, None
        return [hint, *turned] if hint is not None else turned

    def source_url(self, source: Node) -> str:
        """The URL at which a source is asked."""
        address = self._address
        return address.sentinel_url(source) if self.kind is Kind.SENTINEL else address.url_of(source)

    def questions(self) -> list[tuple[bytes | str, ...]]:
        """What to ask a source."""
        if self.kind is Kind.SENTINEL:
            service = self._address.service
            return [(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service), (b"SENTINEL", b"REPLICAS", service)]
        return [(b"CLUSTER", b"SLOTS")]

    def learn(self, source: Node, answers: Sequence[Any]) -> bool:
        """Take in what a source answered; False: that told nothing."""
        try:
            is_watched = self.kind is Kind.SENTINEL
            ranges = self._from_sentinel(answers) if is_watched else _from_cluster(source, answers[0])
        except (TypeError, ValueError, IndexError, AttributeError):  # an error reply among other things
            self.trouble = f"{source} answered {answers[0]!r:.200}"
            return False
        if not ranges:
            self.trouble = f"{source} knows no primary"
            return False
        self.is_doubted = False
        self.trouble = ""
        if ranges != self._ranges:
            self.version += 1
            self._ranges = ranges
            again = {shard: self._find(_slot(shard)) for shard in list(self._placed)}
            self._placed = {shard: node for shard, node in again.items() if node is not None}
        return True

    def _from_sentinel(self, answers: Sequence[Any]) -> list[_Range]:
        """One range, with the replicas that are well: each that may be promoted next, so that it must have all writes.

        To whom a sentinel has no connection it may have promoted a moment ago, which ends all connections there, before
        anyone says so: until it is called down nothing is known against it.

        For a while after a switch that is also the primary before, if it lives, and who followed it, unless they are
        down, though they have not turned to the new one yet: a sentinel that missed the switch, or is too quick to call
        the new one down, may promote them, without what it took meanwhile. After a switch sentinels have no connection
        to anyone for a moment, and know nothing against them.
        """
        if answers[0] is None:
            return []
        primary = Node(answers[0][0].decode(), int(answers[0][1]))
        listed: set[Node] = set()
        not_down: set[Node] = set()
        living: set[Node] = set()
        well: set[Node] = set()
        for flat in answers[1]:
            facts = dict(zip(flat[::2], flat[1::2], strict=True))
            replica = Node(facts.get(b"ip", b"").decode(), int(facts.get(b"port", 0)))
            listed.add(replica)
            flags = set(facts.get(b"flags", b"").decode().split(","))
            if flags & DOWN:
                continue
            not_down.add(replica)
            if "disconnected" in flags:
                if replica in self._followed or not self._ranges:
                    well.add(replica)
            else:
                living.add(replica)
                apart_ms = int(facts.get(b"master-link-down-time", 0))
                if facts.get(b"master-link-status") == b"ok" or 0 <= apart_ms <= APART_MS:
                    well.add(replica)
        if self._ranges and (before := self._ranges[0].node) != primary:
            self._were_primary = frozenset({before, *(self._were_primary if self.is_turning else ())})
            self._turn_until = self._clock() + TURNS_WITHIN
        if self.is_turning:
            well |= self._followed & not_down | self._were_primary & living
        well.discard(primary)
        self._is_one_missing = bool(listed - (well & living) - {primary})
        if well:  # while a primary is dead none is, and those who followed it are whom the next one is chosen from
            self._followed = frozenset(well)
        return [_Range(0, 16383, primary, replicas=len(well))]


def _from_cluster(source: Node, answer: Iterable[Any]) -> list[_Range]:
    ranges = []
    for first, last, primary, *replicas in answer:
        host, port = (primary[0] or b"").decode(), int(primary[1])
        node = Node(source.host if host in UNKNOWN_HOSTS else host, port) if port else source
        ranges.append(_Range(int(first), int(last), node, replicas=len(replicas)))
    return sorted(ranges)


class NodeFacts(NamedTuple):
    """What a server says of itself: which life of it this is, what it is, how many replicas follow it."""

    run_id: bytes = b""
    is_replica: bool = False
    replicas: int = 0


def read_facts(info: object) -> NodeFacts:
    """Read ``INFO server`` and ``INFO replication``, in one text or one after the other."""
    if not isinstance(info, bytes):
        return NodeFacts()
    lines = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    replicas = sum(
        1 for name, value in lines.items() if name[:5] == b"slave" and name[5:].isdigit() and b"state=online" in value
    )
    return NodeFacts(lines.get(b"run_id", b""), lines.get(b"role") == b"slave", replicas)
