"""Acts on all envelopes that fit: first a preview, with a token of its own; with that it is done, beside the answers.

What is under way lives in this process alone. Where that ends meanwhile, what was done is done, and the rest is not;
every act may be asked for again, for one that was carried out means nothing the second time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from typing import Any

import msgspec
import structlog

from softbounce.client import Filters
from softbounce.errors import InvalidArgument, NotFound, SoftbounceError
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.house import Call, answer_json
from softbounce_gateway.http.models import NewAction, Nothing, Preview, Progress, QueueQuery, Started
from softbounce_gateway.http.problems import Problem

__all__ = ["Actions", "begin", "progress"]

MOST_OCTETS = 64 * 1024
SAMPLE = 10
GOOD_FOR = 600
KEPT = 200
RUNNING = 20
MARK_OCTETS = 32
_decoder = msgspec.json.Decoder(NewAction)
_ticket = msgspec.json.Decoder(tuple[int, NewAction])
log = structlog.get_logger("softbounce.http")


class Actions:
    """Those of this process: what is under way, and the latest that ended."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._by_id: OrderedDict[str, Progress] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def token_of(self, action: NewAction) -> str:
        """What a preview is followed by."""
        octets = msgspec.json.encode((int(time.time()) + GOOD_FOR, action))
        return base64.urlsafe_b64encode(self._mark(octets) + octets).decode().rstrip("=")

    def read_token(self, text: str) -> NewAction:
        """The action of a preview.

        :raises InvalidArgument: it is none, or too old.
        """
        try:
            octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (ValueError, binascii.Error):
            octets = b""
        mark, ticket = octets[:MARK_OCTETS], octets[MARK_OCTETS:]
        if not hmac.compare_digest(mark, self._mark(ticket)):
            raise InvalidArgument("token", "is none of a preview that this process made; ask for the preview again")
        until, action = _ticket.decode(ticket)
        if until < time.time():
            raise InvalidArgument("token", "is older than ten minutes; ask for the preview again")
        return action

    def start(self, call: Call, action: NewAction) -> str:
        """Have it done.

        :raises Problem: too many are under way.
        """
        if len(self._tasks) >= RUNNING:
            raise Problem(
                503, "Busy", f"{RUNNING} actions are under way", title="Try again later",
                headers={"Retry-After": "5"}, uncertain=False,
            )  # fmt: skip
        identity = secrets.token_hex(8)
        found = Progress(id=identity, action=str(action.action), state="running", answers={})
        self._by_id[identity] = found
        while len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)
        task = asyncio.create_task(self._run(call, action, found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return identity

    def find(self, identity: str) -> Progress:
        """How far it is.

        :raises NotFound: there is none.
        """
        if identity not in self._by_id:
            raise NotFound(f"no action {identity[:64]!r} is known to this process")
        return self._by_id[identity]

    async def _run(self, call: Call, action: NewAction, found: Progress) -> None:
        try:
            async with call.house.walks:
                found.answers = await call.house.client.act_on_matching(str(action.action), **_selection(action))
            found.state = "done"
        except SoftbounceError as error:
            found.state, found.detail = "failed", f"{error}; what was done is done: it may be asked for again"
        except Exception as error:  # whatever it is, who asks hears that it has ended
            log.exception("action_failed", action=action.action)
            found.state, found.detail = "failed", f"a fault of ours: {type(error).__name__}"
        log.info("action_ended", action=action.action, state=found.state, answers=found.answers)

    def _mark(self, octets: bytes) -> bytes:
        return hmac.digest(self._secret, octets, "sha256")


_actions = Actions()


async def begin(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``POST /api/v1/actions``."""
    read_query(call.request, Nothing)
    if content_type(call.request) != JSON:
        raise unsupported(JSON)
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        asked: NewAction = read_json(octets, _decoder)
    if asked.token is not None:
        if asked.action is not None or asked.filter is not None or asked.arguments:
            raise InvalidArgument("token", "says what is to be done: give nothing beside it")
        return answer_json(Started(id=_actions.start(call, _actions.read_token(asked.token))), status=202)
    if asked.action is None:
        raise InvalidArgument("action", "is missing: retry, hold, release or cancel")
    if asked.arguments:
        raise InvalidArgument("arguments", "none of the acts has any")
    house = call.house
    async with house.walks:
        count = await house.client.act_on_matching(asked.action, dry_run=True, **_selection(asked))
        page = await house.client.page(**_selection(asked), limit=SAMPLE)
    sample = [one.to_dict() for one in page.envelopes[:SAMPLE]]
    return answer_json(Preview(count=count.get("matched", 0), sample=sample, token=_actions.token_of(asked)))


async def progress(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/actions/{id}``."""
    read_query(call.request, Nothing)
    return answer_json(_actions.find(call.path("id")))


def _selection(action: NewAction) -> Filters:
    return filters_of(action.filter or QueueQuery())
