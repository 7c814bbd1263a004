"""What all calls share: the client of the store, the doorkeeper, the memory for bodies; and how they answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, Unpack

import msgspec
import structlog
from litestar import Request, Response
from softbounce_config import Config

from softbounce.client import AsyncClient
from softbounce.client.flow import Flow, await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.single_acts import Begun, BegunAct
from softbounce.errors import SoftbounceError, StoreError
from softbounce.store.shards import AsyncShards
from softbounce.store.tokens import Token
from softbounce_gateway.http.admission import Admission
from softbounce_gateway.http.body import Bodies
from softbounce_gateway.http.problems import Problem, ProblemDetails
from softbounce_gateway.http.tail import Tail
from softbounce_gateway.metrics.reading import Metrics
from softbounce_gateway.together import Together

__all__ = ["HEADERS", "NAMELESS", "Call", "House", "Operation", "answer_json", "answer_problem"]

T = TypeVar("T")
WALKS = 2
"""Calls at one time that go through all that is kept, or think long; others wait."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
NAMELESS = "HTTP without a token"
"""Who acts where there are no tokens, as the list of acts has it."""
log = structlog.get_logger("softbounce.http")
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class House:
    """One process's.

    :ivar together: hands messages over; its client is
    :ivar client: for all else.
    :ivar config: as the process was started.
    :ivar max_octets: of a message, by the published settings.
    :ivar metrics: what is counted.
    :ivar knowledge: what is known of the store, for what the client does not do.
    :ivar has_inbox: whether what is accepted is kept for looking at, as a playground does.
    :ivar ending: set when the process is told to end.
    :ivar streams: how many event streams are open.
    :ivar tail: the end of the event log, which they share.
    :ivar has_actions: set when some action is to be looked at.
    :ivar walks: whoever goes through all that is kept takes one.
    """

    together: Together
    client: AsyncClient
    store: AsyncShards
    admission: Admission
    bodies: Bodies
    config: Config
    max_octets: int
    metrics: Metrics
    has_inbox: bool = False
    knowledge: Knowledge = field(default_factory=Knowledge)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0
    has_actions: asyncio.Event = field(default_factory=asyncio.Event)
    walks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WALKS))
    accepted: Counter[str] = field(default_factory=Counter)
    tail: Tail = field(init=False)

    def __post_init__(self) -> None:
        self.tail = Tail(self.client, self.store, self.knowledge)

    async def run(self, flow: Flow[T]) -> T:
        """Ask the store what the client has no call for."""
        return await await_flow(flow, self.store)

    @asynccontextmanager
    async def noting(self, act: str, of: Mapping[str, str], **begun: Unpack[Begun]) -> AsyncIterator[dict[str, int]]:
        """An act on one thing, within which it is done; who does it is written down, in the list of acts and the log.

        What came of it, and how often, goes into what it is given. Nothing there: nothing was done, and nothing is
        written down. A store that goes away, and a caller that does, leave it as begun.
        """
        begun["by"] = begun["by"] or NAMELESS
        written = await self.client.begin_act(act, of, **begun)
        answers: dict[str, int] = {}
        try:
            yield answers
        except StoreError:
            raise
        except (SoftbounceError, Problem):
            await self._end(written, answers)
            raise
        await self._end(written, answers)

    async def _end(self, begun: BegunAct, answers: Mapping[str, int]) -> None:
        action = begun.action
        try:
            await self.client.end_act(begun, answers or None)
        except StoreError as error:  # it is done all the same, which is what the caller is to hear
            log.warning("act_left_as_begun", action=begun.id, why=str(error))
        if answers:
            log.info("acted", act=action.act, **action.filters, answers=dict(answers), by=action.by)

    def count_accepted(self, number: int) -> None:
        """So many messages were taken just now."""
        self.accepted["http"] += number


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that was let in. ``token``: whose; ``None``: there are no tokens."""

    house: House
    request: Request[Any, Any, Any]
    token: Token | None

    @property
    def by(self) -> str:
        """Who acts, as is written down; empty: nobody said."""
        return "" if self.token is None else self.token.name

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One method of one path.

    :ivar path: as OpenAPI writes it.
    :ivar scope: what a token has to be for; empty: everybody may.
    :ivar body: what a JSON body says, where there is one; ``octets``: one of ``message/rfc822`` is taken too.
    :ivar csv: what there is in JSON, there is in ``text/csv`` too: the body, or, where there is none, the answer.
    :ivar answers: what is said where all is well, by status; several: a list of either; ``None``: no JSON.
    :ivar example: a body of JSON that is taken, for whoever reads the document.
    :ivar problems: the other statuses that there can be, beside those of every call.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: str
    answer_with: Callable[[Call], Awaitable[Response[Any]]]
    answers: Mapping[int, Any]
    query: tuple[type, ...] = ()
    body: Any = None
    octets: bool = False
    csv: bool = False
    example: Any = None
    problems: tuple[int, ...] = ()
    media_type: str = "application/json"


def answer_json(value: Any, *, status: int = 200) -> Response[bytes]:  # noqa: ANN401 - whatever JSON can hold
    """A value as the answer."""
    return Response(_encode(value), status_code=status, media_type="application/json", headers=HEADERS)


def answer_problem(problem: Problem) -> Response[bytes]:
    """Problem details as the answer."""
    details: ProblemDetails = problem.details
    return Response(
        _encode(details),
        status_code=problem.status,
        media_type="application/problem+json",
        headers={**HEADERS, **problem.headers},
    )
