"""What is asked of the store, as values: calls of scripts and plain reads, and what a server's refusal means.

Nothing here does I/O. :mod:`softbounce.store.shards` carries calls out, synchronously or on asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from redis.exceptions import RedisError

from softbounce.errors import StoreError, StoreFull, StoreUnavailable, StoreUncertain
from softbounce.store.scripts import Script

__all__ = [
    "Call",
    "Operation",
    "Redirection",
    "RefusalKind",
    "StoreAnswer",
    "every",
    "first",
    "judge_refusal",
    "redirection",
]

T_co = TypeVar("T_co", covariant=True)
Arg: TypeAlias = bytes | str | int | float
StoreAnswer: TypeAlias = Any
"""What a server answered: octets, integers and lists of them."""
KEPT = frozenset(
    (
        "accept",
        "reserve",
        "mark",
        "move",
        "ask",
        "schema",
        "destination",
        "publish",
        "enlist",
        "lapse",
        "store_history",
        "late",
        "brake",
        "token",
        "keep",
        "amend",
        "swap",
        "resend",
        "action",
        "report",
        "return_keys",
        "shelve",
    )
)
"""The scripts whose effect, or what they read, a failover must not lose: where there are replicas, they must have it
before it counts. What was seen of a store and lost in a failover would make the store look like an older copy."""


class Call:
    """One script run, or one plain read-only command, on one shard."""

    __slots__ = ("args", "keys", "script", "shard")

    def __init__(self, shard: int, script: Script | None, keys: Sequence[bytes], args: Sequence[Arg]) -> None:
        self.shard = shard
        self.script = script
        self.keys = keys
        self.args = args

    @classmethod
    def read(cls, shard: int, *command: Arg) -> Call:
        """A plain command that changes nothing."""
        return cls(shard, None, (), command)

    @property
    def is_kept(self) -> bool:
        """Whether a failover must not lose its effect."""
        return self.script is not None and self.script.name in KEPT

    def command(self) -> tuple[Arg, ...]:
        """The command as it goes over the wire."""
        if self.script is None:
            return tuple(self.args)
        return (b"EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_co]):
    """Calls that go out together, and how their answers are read.

    ``read`` gets one answer or error a call, in order; it may raise any of them.
    """

    calls: Sequence[Call]
    read: Callable[[list[StoreAnswer]], T_co]


def first(answers: list[StoreAnswer]) -> StoreAnswer:
    """The only answer, raised when it is an error."""
    answer = answers[0]
    if isinstance(answer, StoreError):
        raise answer
    return answer


def every(answers: list[StoreAnswer]) -> list[StoreAnswer]:
    """All answers; the first error among them is raised."""
    for answer in answers:
        if isinstance(answer, StoreError):
            raise answer
    return answers


class RefusalKind(Enum):
    """What a refusal by the server means for the call."""

    UNKNOWN_SCRIPT = "unknown_script"  # load it and ask again
    NOT_NOW = "not_now"  # certainly not run; another moment may take it
    ELSEWHERE = "elsewhere"  # certainly not run; another node may take it, perhaps later
    FINAL = "final"


NOT_NOW = frozenset(("TRYAGAIN", "BUSY", "NOREPLICAS"))
ELSEWHERE = frozenset(("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK"))
MAX_CLIENTS = "max number of clients reached"


def judge_refusal(error: RedisError) -> tuple[RefusalKind, StoreError]:
    """What to do about an error reply, and the error to raise when nothing can be done.

    Which reply it was tells its first word, which the library keeps apart where it knows it. No refused call has run,
    but a script may fail half way.
    """
    text = str(error)
    code = error.status_code or text.partition(" ")[0]
    if code == "NOSCRIPT":
        return RefusalKind.UNKNOWN_SCRIPT, StoreUnavailable(f"the store forgets its scripts: {text}")
    if code == "OOM":
        return RefusalKind.FINAL, StoreFull(f"the store has no memory left for new mail, nothing was taken: {text}")
    if code in ELSEWHERE:
        return RefusalKind.ELSEWHERE, StoreUnavailable(f"the store cannot take this now: {text}")
    if code in NOT_NOW or text == MAX_CLIENTS:
        return RefusalKind.NOT_NOW, StoreUnavailable(f"the store cannot take this now: {text}")
    if code == "MISCONF":
        return RefusalKind.FINAL, StoreUnavailable(f"the store cannot write to its disk, nothing was taken: {text}")
    if "error running script" in text.lower() or "user_script" in text.lower():
        return RefusalKind.FINAL, StoreUncertain(f"a script of the store failed half way: {text}")
    return RefusalKind.FINAL, StoreUnavailable(f"the store refused: {text}")


class Redirection(NamedTuple):
    """Where a server sends us instead: for good, or for this once. A host that is empty or `?` is the server's own."""

    is_for_good: bool
    host: str
    port: int


def redirection(error: RedisError) -> Redirection | None:
    """What ``MOVED 1234 host:port`` and ``ASK 1234 host:port`` say; ``None`` for all other replies."""
    words = str(error).split()
    if not words:
        return None
    code = error.status_code or words[0]
    if code not in {"MOVED", "ASK"}:
        return None
    host, colon, port = words[-1].rpartition(":")
    if not colon or not port.isdecimal():
        return None
    return Redirection(code == "MOVED", host.strip("[]"), int(port))
