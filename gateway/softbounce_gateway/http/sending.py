"""Handing mail over: a request becomes a send, and its receipt the answer. 202 is said when it is durable."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request
from softbounce_config import parse_duration

from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.errors import InvalidArgument, InvalidMessage, SoftbounceError
from softbounce.message.authors import authors_of
from softbounce.message.raw_fields import in_encoded_words
from softbounce.store.tokens import Token
from softbounce_gateway.http.body import JSON, RFC822, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.composing import compose, read_mailbox, read_sender
from softbounce_gateway.http.house import Call, answer_json
from softbounce_gateway.http.models import BatchQuery, NewMessage, Nothing, RawQuery, ReceiptAnswer
from softbounce_gateway.http.problems import Problem, ProblemDetails, problem_of
from softbounce_gateway.name_value import read_pairs

__all__ = ["BATCH_MOST", "send", "send_batch"]

BATCH_MOST = 500
SLACK_OCTETS = 1024 * 1024
IN_A_THREAD = 256 * 1024
"""From this size of a request on a message is composed beside the loop, which others wait for."""
RECIPIENTS = 1_000
LISTS = ("to", "cc", "bcc")
_one = msgspec.json.Decoder(NewMessage)
_many = msgspec.json.Decoder(list[NewMessage])


async def send(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``POST /api/v1/messages``."""
    kind = content_type(call.request)
    key = _header_key(call.request)
    if kind == RFC822:
        return await _send_octets(call, key)
    if kind != JSON:
        raise unsupported(f"{JSON} or {RFC822}")
    read_query(call.request, Nothing)
    async with call.house.bodies.read(call.request, most_octets(call)) as octets:
        new = read_json(octets, _one)
        outgoing = await _outgoing(new, key, is_large=len(octets) > IN_A_THREAD)
        return await _accept(call, outgoing, len(octets))


async def send_batch(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/messages/batch``."""
    if content_type(call.request) != JSON:
        raise unsupported(JSON)
    is_atomic = read_query(call.request, BatchQuery).atomic
    async with call.house.bodies.read(call.request, most_octets(call)) as octets:
        news: list[NewMessage] = read_json(octets, _many)
        if not 1 <= len(news) <= BATCH_MOST:
            raise Problem(
                422, "InvalidMessage", f"a batch has 1 to {BATCH_MOST} messages, and this one {len(news)}",
                title="The batch cannot be sent as it is", field="body",
            )  # fmt: skip
        if _header_key(call.request) is not None:
            raise Problem(
                400, "InvalidArgument", "Idempotency-Key: a batch has a `key` in each of its messages",
                title="This cannot be asked so", field="Idempotency-Key",
            )  # fmt: skip
        is_large = len(octets) > IN_A_THREAD
        outcomes: list[Outgoing | SoftbounceError | Problem] = []
        for index, new in enumerate(news):
            try:
                outgoing = await _outgoing(new, None, is_large=is_large)
                _check_sender(call.token, outgoing)
                outcomes.append(outgoing)
            except (InvalidMessage, InvalidArgument, Problem) as error:
                if is_atomic:
                    raise _at(error, index) from None
                outcomes.append(error)
        sends = [one for one in outcomes if isinstance(one, dict)]
        if is_atomic:
            receipts: list[Any] = list(await _all_of(call, sends))
        else:
            receipts = list(await call.house.client.send_each(sends))
        taken = iter(receipts)
        answers = [next(taken) if isinstance(one, dict) else one for one in outcomes]
        call.house.count_accepted(sum(isinstance(one, Receipt) and not one.known for one in answers))
        return answer_json([_of_batch(one) for one in answers], status=202)


async def _all_of(call: Call, sends: list[Outgoing]) -> list[Receipt]:
    try:
        return await call.house.client.send_many(sends)
    except InvalidMessage as error:
        raise _at(error, error.index) from None


def most_octets(call: Call) -> int:
    """The largest body that can be a message: base64 makes four octets of three."""
    return call.house.max_octets * 4 // 3 + SLACK_OCTETS


async def _send_octets(call: Call, key: str | None) -> Any:  # noqa: ANN401
    asked = read_query(call.request, RawQuery)
    async with call.house.bodies.read(call.request, call.house.max_octets) as octets:
        _, sender = read_sender(asked.sender)
        outgoing: Outgoing = {
            "sender": sender.canonical,
            "recipients": _recipients({"to": asked.to}),
            "message": in_encoded_words(octets),
            "key": key,
        }
        return await _accept(call, _with_options(outgoing, asked), len(octets))


async def _accept(call: Call, outgoing: Outgoing, octets: int) -> Any:  # noqa: ANN401
    _check_sender(call.token, outgoing)
    try:
        receipt = await call.house.together.send(outgoing, octets=octets)
    except InvalidMessage as error:
        raise problem_of(error, field=_named(error)) from None
    call.house.count_accepted(not receipt.known)
    return answer_json(_receipt(receipt), status=202)


async def _outgoing(new: NewMessage, key: str | None, *, is_large: bool) -> Outgoing:
    if key is not None and new.key not in {None, key}:
        raise InvalidArgument("key", "is another one than the header Idempotency-Key has; give one of them")
    _, sender = read_sender(new.sender)
    recipients = _recipients({name: getattr(new, name) for name in LISTS})
    message = await asyncio.to_thread(compose, new) if is_large else compose(new)
    outgoing: Outgoing = {
        "sender": sender.canonical,
        "recipients": recipients,
        "message": message,
        "key": new.key if key is None else key,
    }
    return _with_options(outgoing, new)


def _recipients(lists: dict[str, list[str]]) -> list[str]:
    if sum(map(len, lists.values())) > RECIPIENTS:
        raise InvalidMessage("to", f"more than {RECIPIENTS} recipients, cc and bcc among them")
    if not any(lists.values()):
        raise InvalidMessage("to", "there is no recipient")
    return [
        read_mailbox(text, f"{name}[{number}]")[1].text
        for name, texts in lists.items()
        for number, text in enumerate(texts)
    ]


def _with_options(outgoing: Outgoing, asked: NewMessage | RawQuery) -> Outgoing:
    outgoing["stream"] = asked.stream
    outgoing["at"] = asked.at
    outgoing["window"] = _window(asked.window)
    outgoing["tenant"] = asked.tenant
    if isinstance(asked, NewMessage):
        outgoing["tags"], outgoing["metadata"] = asked.tags, asked.metadata
    else:
        outgoing["tags"], outgoing["metadata"] = asked.tag, read_pairs(asked.meta, "meta")
    outgoing["require_tls"] = asked.require_tls
    outgoing["force"] = asked.force
    return outgoing


def _window(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidMessage("window", f"{text[:64]!r}: {error}") from None


def _header_key(request: Request) -> str | None:  # type: ignore[type-arg]
    keys = request.headers.getall("idempotency-key", [])
    if len(keys) > 1:
        raise Problem(
            400, "InvalidArgument", "Idempotency-Key: stands there more than once", title="This cannot be asked so",
            field="Idempotency-Key",
        )  # fmt: skip
    return keys[0] if keys else None


def _check_sender(token: Token | None, outgoing: Outgoing) -> None:
    if token is not None and not token.may_send_as(outgoing["sender"]):
        raise _not_for(token, "from", "may not send as this address")
    if token is not None and token.binds_authors:
        message = outgoing["message"]
        for author in authors_of(message if isinstance(message, bytes) else bytes(message)):
            if not token.may_be_author(author):
                raise _not_for(token, "From", f"may not write as {author}, as the message says")


def _not_for(token: Token, field: str, why: str) -> Problem:
    title = "The token is not for this sender"
    return Problem(403, "Forbidden", f"{field}: the token {token.name!r} {why}", title=title, field=field)


NAMES = {"sender": "from", "recipients": "to", "key": "Idempotency-Key"}


def _named(error: InvalidMessage) -> str:
    return NAMES.get(error.field.partition("[")[0], error.field)


def _at(error: Problem | SoftbounceError, index: int | None) -> Problem:
    """The problem of one message of a batch."""
    if isinstance(error, InvalidMessage):
        problem = problem_of(error, field=_named(error))
    else:
        problem = error if isinstance(error, Problem) else problem_of(error)
    problem.details.index = index
    return problem


def _of_batch(outcome: Receipt | SoftbounceError | Problem) -> ReceiptAnswer | ProblemDetails:
    return _receipt(outcome) if isinstance(outcome, Receipt) else _at(outcome, None).details


def _receipt(receipt: Receipt) -> ReceiptAnswer:
    return ReceiptAnswer(
        message_id=receipt.message_id,
        key=receipt.key,
        envelopes=receipt.envelopes,
        known=receipt.known,
        suppressed=dict(receipt.suppressed),
        held=dict(receipt.held),
        warnings=list(receipt.warnings),
    )
