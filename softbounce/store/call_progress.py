"""What has been answered and what has to be sent (again) while a call is carried to the store. Does no I/O.

A call is sent again only where a server said that it did not run it. What was sent and never answered is uncertain,
and so is what a primary with replicas carried out before they had it: a failover may lose it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from softbounce.errors import StoreError, StoreUnavailable, StoreUncertain
from softbounce.store.address import SOLE, Node
from softbounce.store.call import Call, RefusalKind, StoreAnswer, judge_refusal, redirection
from softbounce.store.keys import key
from softbounce.store.scripts import Script
from softbounce.store.topology import UNKNOWN_HOSTS, Topology

__all__ = ["REPLICA_WITHIN_MS", "CallProgress", "NodeBatch"]

REPLICA_WITHIN_MS = 1000
"""How long a write may take to reach a replica."""
FENCE = b"#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '')"
"""A write of its own before the wait: servers wait for a connection's own writes only, and a repeated call that finds
its work done writes nothing."""
GUARD_NAMES = ("a write (EVAL)", "WAIT")


class CallProgress:
    """The state of one ``Shards.call``.

    :ivar answers: one for each call, in order; whole when nothing is pending.
    :ivar refused: why what is pending did not run, when it was refused at the last sending.
    """

    def __init__(self, calls: Sequence[Call], topology: Topology) -> None:
        self.calls = calls
        self.answers: list[StoreAnswer] = [None] * len(calls)
        self.pending: list[int] = list(range(len(calls)))
        self.refused: StoreError | None = None
        self.topology = topology
        self._missing: dict[Node, dict[bytes, Script]] = {}
        self._asks: dict[int, Node] = {}

    def batches(self) -> list[NodeBatch]:
        """All that is pending, by the node that it goes to. What has no node stays pending, as refused."""
        pending, self.pending = self.pending, []
        self.refused = None
        asks, self._asks = self._asks, {}
        by_node: dict[Node, list[int]] = {}
        for index in pending:
            node = asks.get(index) or self.topology.node(self.calls[index].shard)
            if node is not None:
                by_node.setdefault(node, []).append(index)
                continue
            self.topology.doubt()
            why = self.topology.trouble or f"no node has shard {self.calls[index].shard}"
            self.send_again(index, StoreUnavailable(f"the store cannot be reached, nothing was taken: {why}"))
        return [
            NodeBatch(self, node, indices, self._missing.pop(node, {}), [one for one in indices if one in asks])
            for node, indices in by_node.items()
        ]

    def send_again(self, index: int, error: StoreError | None) -> None:
        """A call did not run; with an error, only after a pause."""
        self.pending.append(index)
        if error is not None:
            self.refused = error

    def load(self, node: Node, script: Script) -> None:
        """A node does not know a script."""
        self._missing.setdefault(node, {})[script.sha] = script

    def ask(self, index: int, node: Node) -> None:
        """A call's shard is moving, and this node has what it needs."""
        self._asks[index] = node

    def give_up(self, error: StoreError) -> None:
        """Refused for too long: nothing of what is pending has run."""
        for index in self.pending:
            self.answers[index] = error
        self.pending = []


class NodeBatch:
    """What goes to one node at once.

    :ivar is_elsewhere: the server at the other end says that it is not, or not yet, the one that takes this, and not
        who is. Where the store's name leads to another server now, only a new connection finds it.
    """

    __slots__ = ("_asking", "_loads", "_needed", "_progress", "indices", "is_elsewhere", "node")

    def __init__(
        self, progress: CallProgress, node: Node, indices: list[int], loads: dict[bytes, Script], asking: list[int]
    ) -> None:
        self.node = node
        self.indices = indices
        self.is_elsewhere = False
        self._progress = progress
        self._loads = loads
        self._asking = frozenset(asking)
        self._needed = 0

    def commands(self) -> list[tuple[Any, ...]]:
        """What to send: loads of missing scripts first."""
        calls = self._progress.calls
        commands: list[tuple[Any, ...]] = [(b"SCRIPT", b"LOAD", one.text) for one in self._loads.values()]
        if not self._asking:
            return commands + [calls[index].command() for index in self.indices]
        for index in self.indices:
            if index in self._asking:
                commands.append((b"ASKING",))
            commands.append(calls[index].command())
        return commands

    def guard(self, needed: int) -> list[tuple[Any, ...]]:
        """What to send after that to a node with replicas: wait until so many of them have it."""
        calls = self._progress.calls
        shard = next((calls[index].shard for index in reversed(self.indices) if calls[index].is_kept), None)
        if shard is None:
            return []
        self._needed = needed
        return [(b"EVAL", FENCE, 1, key(shard, "fence")), (b"WAIT", needed, REPLICA_WITHIN_MS)]

    def take(self, answers: Sequence[StoreAnswer]) -> bool:
        """Take in all answers; error replies among them are values. False: too few replicas have it yet."""
        return self._read(answers, None)

    def lose(self, answers: Sequence[StoreAnswer], error: BaseException) -> None:
        """The connection ended after the commands had left: what has no answer is uncertain."""
        self._progress.topology.doubt()
        self._read(answers, error)

    def refuse(self, error: StoreError, *, is_final: bool) -> None:
        """There is no connection: nothing was sent."""
        self._progress.topology.doubt()
        for index in self.indices:
            if is_final:
                self._progress.answers[index] = error
            else:
                self._progress.send_again(index, error)

    def _read(self, answers: Sequence[StoreAnswer], lost: BaseException | None) -> bool:
        progress = self._progress
        failed = {
            sha: judge_refusal(answer)
            for sha, answer in zip(self._loads, answers, strict=False)
            if isinstance(answer, RedisError)
        }
        end = len(self._loads) + len(self.indices) + len(self._asking)
        body, guard = answers[len(self._loads) : end], answers[end:]
        if self._asking:
            names = [index for one in self.indices for index in ((-1, one) if one in self._asking else (one,))]
            body = [answer for name, answer in zip(names, body, strict=False) if name >= 0]
        ran: list[int] = []
        for index, answer in zip(self.indices, body, strict=False):
            if isinstance(answer, RedisError):
                self._judge(index, answer, failed, lost)
            else:
                progress.answers[index] = answer
                ran.append(index)
        for index in self.indices[len(body) :]:
            progress.answers[index] = StoreUncertain(f"the connection to the store was lost before it answered: {lost}")
        if not self._needed or _is_replicated(guard, self._needed):
            return True
        refused = next((one for one in zip(GUARD_NAMES, guard, strict=False) if isinstance(one[1], RedisError)), None)
        server = "its server" if self.node == SOLE else str(self.node)
        why = (
            f"not {self._needed} replica(s) of {server} within {REPLICA_WITHIN_MS} ms"
            if refused is None
            else f"{server} refuses {refused[0]}, by which its replicas are waited for: {refused[1]}"
        )
        for index in ran:
            if progress.calls[index].is_kept:
                progress.answers[index] = StoreUncertain(f"the store has it, and {why}: a failover might lose it")
        return False

    def _judge(
        self,
        index: int,
        answer: RedisError,
        failed: dict[bytes, tuple[RefusalKind, StoreError]],
        lost: BaseException | None,
    ) -> None:
        progress = self._progress
        refusal, error = judge_refusal(answer)
        script = progress.calls[index].script
        if refusal is RefusalKind.UNKNOWN_SCRIPT and script is not None:
            if script.sha in failed:
                refusal, error = failed[script.sha]
            progress.load(self.node, script)
        if refusal is RefusalKind.ELSEWHERE:
            found = redirection(answer)
            if found is not None:
                target = Node(self.node.host if found.host in UNKNOWN_HOSTS else found.host, found.port)
                if found.is_for_good:
                    progress.topology.meet_redirection(target)
                else:
                    progress.ask(index, target)
            else:
                self.is_elsewhere = True
                progress.topology.doubt()
        if refusal is RefusalKind.FINAL:
            progress.answers[index] = error
        elif lost is not None:
            progress.answers[index] = StoreUnavailable(f"the store refused, then the connection was lost: {lost}")
        else:
            at_once = refusal is RefusalKind.UNKNOWN_SCRIPT and script is not None and script.sha not in self._loads
            progress.send_again(index, None if at_once else error)


def _is_replicated(guard: Sequence[StoreAnswer], needed: int) -> bool:
    """Whether the fence was written, and so many replicas have it."""
    return len(guard) == 2 and not isinstance(guard[0], RedisError) and isinstance(guard[1], int) and guard[1] >= needed  # noqa: PLR2004
