"""Who gets no mail: listed in pages or as CSV, added by one or many, taken off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import msgspec
from litestar.response import Stream
from softbounce_config import parse_duration

from softbounce.client import NewSuppression
from softbounce.client.single_acts import of_addresses
from softbounce.client.suppressions import listing
from softbounce.client.suppressions.changing import Added, check
from softbounce.errors import InvalidArgument, InvalidMessage
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.house import HEADERS, Call, House, answer_json
from softbounce_gateway.http.models import (
    NoLongerSuppressed,
    Nothing,
    SuppressionsAdded,
    SuppressionsPage,
    SuppressionsQuery,
    SuppressionsRemoved,
    ToSuppress,
)
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.suppression_list.csv_form import BadLine, Line, Unread, heading, line_of, read_lines

__all__ = ["CSV", "add", "page", "remove", "suppress", "unsuppress"]

CSV = "text/csv"
MOST_OCTETS = 8 * 1024 * 1024
MOST = 50_000
"""Of one request; a longer list comes in several, or by the command line."""
TOLD = 10
MOST_STREAMS = 50
PORTION = 64 * 1024
LONGEST_REASON = 200
_decoder = msgspec.json.Decoder(ToSuppress | list[ToSuppress])


async def page(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/suppressions``: a page; where ``text/csv`` is asked for, all that fit."""
    asked = read_query(call.request, SuppressionsQuery)
    which = {"address": asked.address, "domain": asked.domain, "stream": asked.stream, "source": asked.source}
    if CSV in call.request.headers.get("accept", "").lower():
        listing.wanted(**which)  # what cannot be asked is told before the list begins
        return _list(call, which)
    async with call.house.walks:
        found = await call.house.client.suppression_page(**which, after=asked.after or None, limit=asked.limit)
    return answer_json(SuppressionsPage(suppressions=[one.to_dict() for one in found.suppressions], next=found.next))


def _list(call: Call, which: dict[str, str | None]) -> Any:  # noqa: ANN401
    if call.house.streams >= MOST_STREAMS:
        raise Problem(
            503, "Busy", f"{MOST_STREAMS} lists and event streams are open", title="Try again later",
            headers={"Retry-After": "5"}, uncertain=False,
        )  # fmt: skip
    return Stream(_lines(call, which), media_type=CSV, headers=HEADERS)


async def _lines(call: Call, which: dict[str, str | None]) -> AsyncIterator[bytes]:
    house = call.house
    house.streams += 1
    try:
        portion = heading()
        async with aclosing(house.client.suppressions(**which)) as found:  # type: ignore[type-var] # it is a generator
            async for one in found:
                portion += line_of(one)
                if len(portion) > PORTION:
                    yield portion.encode()
                    portion = ""
                if house.ending.is_set():
                    return
        yield portion.encode()
    finally:
        house.streams -= 1


async def add(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/suppressions``: one, a list of them, or CSV; all are checked before one is added."""
    read_query(call.request, Nothing)
    kind = content_type(call.request)
    if kind not in {JSON, CSV}:
        raise unsupported(f"{JSON} or {CSV}")
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        new, unread = _of_csv(octets) if kind == CSV else (_of_json(read_json(octets, _decoder)), [])
        if len(new) > MOST:
            raise _refused(f"there are {len(new)}; one request adds up to {MOST}", "body")
        async with call.house.walks:
            done = await suppress(call.house, new, by=call.by) if new else Added(0, 0)
    told = _told(unread) if unread else msgspec.UNSET
    return answer_json(SuppressionsAdded(added=done.added, replaced=done.replaced, unread=told))


async def remove(call: Call) -> Any:  # noqa: ANN401
    """``DELETE /api/v1/suppressions?address=``."""
    asked = read_query(call.request, NoLongerSuppressed)
    if not asked.address:
        raise InvalidArgument("address", "is missing: whom to take off the list, as ?address=a@example.net")
    removed = await unsuppress(call.house, asked.address, by=call.by, stream=asked.stream, tenant=asked.tenant)
    if not removed:
        raise Problem(
            404, "NotFound", f"{', '.join(asked.address)[:200]}: not suppressed", title="Nobody of these is suppressed",
            field="address",
        )  # fmt: skip
    return answer_json(SuppressionsRemoved(removed=removed))


async def suppress(house: House, new: Sequence[NewSuppression], *, by: str) -> Added:
    """Have these suppressed, and write down who did.

    :raises SoftbounceError: as the client's call ``suppress_many``.
    """
    first = new[0]
    of = of_addresses([one.address for one in new], stream=first.stream, tenant=first.tenant)
    reason = first.reason if len(new) == 1 and first.reason.isprintable() else ""
    async with house.noting("suppress", of, by=by, reason=reason[:LONGEST_REASON]) as answers:
        done = await house.client.suppress_many(new)
        answers.update(done._asdict())
    return done


async def unsuppress(house: House, addresses: Sequence[str], *, by: str, stream: str | None, tenant: str | None) -> int:
    """Take these off, and write down who did; how many there were.

    :raises InvalidArgument: one of them is no address; what stands before it was taken off.
    """
    removed = 0
    async with house.noting("unsuppress", of_addresses(addresses, stream=stream, tenant=tenant), by=by) as answers:
        for one in addresses:
            try:
                number = await house.client.unsuppress(one, stream=stream, tenant=tenant)
            except InvalidMessage as error:
                raise InvalidArgument("address", error.reason) from None
            if number:
                removed += number
                answers["removed"] = removed
    return removed


def _of_json(said: ToSuppress | list[ToSuppress]) -> list[NewSuppression]:
    several = isinstance(said, list)
    new: list[NewSuppression] = []
    for index, one in enumerate(said if isinstance(said, list) else [said]):
        try:
            new.append(_suppression(one))
            check(new[-1])
        except (InvalidArgument, InvalidMessage) as error:
            raise _refused(str(error), error.field, index=index if several else None) from None
    return new


def _suppression(said: ToSuppress) -> NewSuppression:
    if said.expires is not None and said.expires_at is not None:
        raise InvalidArgument("expires", "give this or expires_at")
    return NewSuppression(
        address=said.address,
        stream=said.stream,
        tenant=said.tenant,
        reason=said.reason,
        source=said.source,
        expires=said.expires_at if said.expires is None else _duration(said.expires),
    )


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidArgument("expires", f"{text[:64]!r}: {error}") from None


def _of_csv(octets: bytes) -> tuple[list[NewSuppression], list[Unread]]:
    new: list[NewSuppression] = []
    bad: list[BadLine] = []
    unread: list[Unread] = []
    try:
        for one in read_lines(octets.splitlines(keepends=True)):
            if isinstance(one, Line):
                new.append(one.suppression)
            elif isinstance(one, BadLine):
                bad.append(one)
            elif isinstance(one, Unread):
                unread.append(one)
    except InvalidArgument as error:
        raise _refused(str(error), "body") from None
    if bad:
        raise _refused("; ".join(_told(bad)), "body")
    return new, unread


def _told(lines: Sequence[BadLine | Unread]) -> list[str]:
    more = [f"and {len(lines) - TOLD} more"] if len(lines) > TOLD else []
    return [*(f"line {one.number}: {one.why}" for one in lines[:TOLD]), *more]


def _refused(detail: str, field: str, *, index: int | None = None) -> Problem:
    return Problem(
        422, "InvalidSuppression", f"{detail}; nothing was added", title="This cannot be suppressed as it is",
        field=field, index=index,
    )  # fmt: skip
