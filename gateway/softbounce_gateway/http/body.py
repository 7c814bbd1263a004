"""The body of a request: its kind, its size before it is read, how long it may take, and what it says."""

from __future__ import annotations

import asyncio
import json
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from litestar import Request

from softbounce_gateway.http.problems import Problem
from softbounce_gateway.submission.budget import Budget

__all__ = ["JSON", "RFC822", "Bodies", "content_type", "read_json", "read_query", "unsupported"]

T = TypeVar("T", bound=msgspec.Struct)
JSON = "application/json"
RFC822 = "message/rfc822"
FIRST_SECONDS = 15.0
OCTETS_A_SECOND = 50_000
MOST_MEMBERS = 300_000
"""More than any request has: one with more would take memory to look through, and nobody wrote it by hand."""
HALF_A_PAIR = re.compile(rb"\\u[dD][89abAB][0-9A-Fa-f]{2}(?!\\u[dD][c-fC-F])")
"""What is left of a character where somebody cuts a text by its UTF-16 units, as JavaScript counts."""
CLOSE = {"Connection": "close"}
"""What was not read of a body is nothing that a next request could stand behind."""


class Bodies:
    """Reads bodies, within what all of them may take of the memory together.

    :param budget: the memory.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    @asynccontextmanager
    async def read(self, request: Request, most: int) -> AsyncIterator[bytes]:  # type: ignore[type-arg]
        """The body, whose memory is reserved while it is used.

        :param most: octets.
        :raises Problem: it is too large, too slow, or there is no room for it now.
        """
        length = request.headers.get("content-length", "")
        known = int(length) if length.isascii() and length.isdecimal() else None
        if known is not None and known > most:
            raise _too_large(most)
        reading = _Reading(self._budget, most)
        seconds = FIRST_SECONDS + (most if known is None else known) / OCTETS_A_SECOND
        try:
            try:
                async with asyncio.timeout(seconds):
                    octets = await reading.all_of(request)
            except TimeoutError:
                raise Problem(
                    408, "TooSlow", f"the body did not come within {seconds:.0f} s", title="Too slow", headers=CLOSE
                ) from None
            yield octets
        finally:
            self._budget.give_back(reading.taken)


class _Reading:
    """One body while it comes.

    :ivar taken: octets of the budget.
    """

    def __init__(self, budget: Budget, most: int) -> None:
        self._budget = budget
        self._most = most
        self.taken = 0

    async def all_of(self, request: Request) -> bytes:  # type: ignore[type-arg]
        chunks: list[bytes] = []
        more = True
        while more:
            message = await request.receive()
            if message["type"] != "http.request":
                raise Problem(400, "Cut", "the body was cut", title="The request is not whole", headers=CLOSE)
            chunk = message["body"]
            if self.taken + len(chunk) > self._most:
                raise _too_large(self._most)
            if not self._budget.take(len(chunk)):
                raise Problem(
                    503,
                    "Busy",
                    "there are too many large requests at this moment ([gateway] incoming); nothing was taken",
                    title="Try again later",
                    headers={"Retry-After": "5", **CLOSE},
                    uncertain=False,
                )
            self.taken += len(chunk)
            chunks.append(chunk)
            more = message["more_body"]
        return b"".join(chunks)


def content_type(request: Request) -> str:  # type: ignore[type-arg]
    """The type of the body, without parameters.

    :raises Problem: the body is packed: what it unpacks to would have no bound.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise Problem(
            415, "Encoded", "Content-Encoding: send the body as it is", title="Not in this form", headers=CLOSE
        )
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(wanted: str) -> Problem:
    """The body is in another form than what is wanted."""
    return Problem(
        415,
        "UnsupportedType",
        f"Content-Type: send {wanted}",
        title="Not in this form",
        headers={**CLOSE, "Accept-Post": wanted.replace(" or ", ", ")},
        field="Content-Type",
    )


def read_json(octets: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:  # noqa: ANN401 - what the decoder makes
    """What the body says.

    A member that is there twice is refused: whoever writes ``to`` once for each recipient would have mail for the last
    one only, and other readers on the way may have taken the first (RFC 8259 §4).

    :raises Problem: it is no JSON, too deep, or not what is asked for; names the field.
    """
    try:
        octets = octets.removeprefix(BOM_UTF8)  # RFC 8259 §8.1; some write it
        said = decoder.decode(octets)
        if octets.count(b":") <= MOST_MEMBERS:
            json.loads(octets, object_pairs_hook=_each_once)
        return said  # noqa: TRY300 - what follows are the ways in which it can be none
    except _Twice as error:
        raise Problem(
            400, "InvalidJson", f"{error.name}: is there twice in one object; a list of several is written [..]",
            title="The body cannot be read", field=error.name,
        ) from None  # fmt: skip
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = "it has half of a character (\\ud800 to \\udbff alone)" if HALF_A_PAIR.search(octets) else str(error)
        raise Problem(400, "InvalidJson", f"the body is no JSON: {why}", title="The body cannot be read") from None
    except RecursionError:
        raise Problem(400, "InvalidJson", "the body is nested too deep", title="The body cannot be read") from None


class _Twice(Exception):
    """A member is there twice."""

    def __init__(self, name: str) -> None:
        self.name = name[:64]


def _each_once(members: list[tuple[str, Any]]) -> None:
    """Look at the members of an object; nothing is made of them."""
    if len(dict(members)) < len(members):
        names = [name for name, _ in members]
        raise _Twice(next(name for name in names if names.count(name) > 1))


def read_query(request: Request, kind: type[T], *, skip_empty: bool = False) -> T:  # type: ignore[type-arg]
    """The query parameters, each at most once but for those that are lists.

    :param skip_empty: one without a value is as if it were not there: a form has its fields that were left empty.
    :raises Problem: one is unknown, or not what is asked for; names it.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if skip_empty and not value.strip():
            continue
        if name not in fields:
            known = f"those are {', '.join(fields)}" if fields else "there are none"
            raise Problem(
                400, "InvalidArgument", f"{name[:64]!r}: no such query parameter; {known}",
                title="This cannot be asked so", field=name[:64],
            )  # fmt: skip
        if "\0" in value or not _is_text(value):
            raise Problem(400, "InvalidArgument", f"{name}: is no text", title="This cannot be asked so", field=name)
        if isinstance(fields[name].default_factory, type) and fields[name].default_factory is list:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Problem(400, "InvalidArgument", f"{name}: give it once", title="This cannot be asked so", field=name)
        else:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


IN_WORDS = {
    "Invalid base64 encoded string": "is no base64 (RFC 4648 §4): in one line, with its padding, no `data:` before it",
    "Invalid RFC3339 encoded datetime": "is no time; write it like 2026-01-31T08:00:00Z",
}
"""What people get wrong, said so that it helps."""


def _invalid(text: str) -> Problem:
    """What msgspec says: ``Expected `str`, got `int` - at `$.to[0]` ``."""
    what, _, where = text.partition(" - at `$")
    field = where.removesuffix("`").removeprefix(".") or None
    if field is None and "field `" in what:  # a member that is missing or unknown
        field = what.split("`")[-2]
    what = IN_WORDS.get(what, what)
    detail = what if field is None else f"{field}: {what}"
    return Problem(400, "InvalidArgument", detail[:500], title="The request is not what is asked for", field=field)


def _too_large(most: int) -> Problem:
    return Problem(
        413, "TooLarge", f"body: more than {most} octets ([smtp] max_message)", title="The request is too large",
        headers=CLOSE, field="body",
    )  # fmt: skip
