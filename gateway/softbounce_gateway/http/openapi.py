"""The OpenAPI 3.1 document, made of the table of operations and of the structs that they read and write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec

from softbounce_gateway.http.body import JSON, RFC822
from softbounce_gateway.http.house import Operation
from softbounce_gateway.http.problems import ProblemDetails

__all__ = ["document"]

REF = "#/components/schemas/{name}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": REF.format(name="ProblemDetails")}}}
OF_ALL = (400, 401, 403, 431, 500, 503)
OF_OPEN = (400, 431, 500, 503)
RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
SECONDS_TOLD = frozenset({429, 503})
MEMBER = re.compile(r":ivar (\w+):((?:(?!:ivar).)*)", re.DOTALL)
"""What a docstring says of one member."""
OCTETS = "Subject: Hi\r\n\r\nhello\r\n"
IN_PATH = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=1)
def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The document."""
    said = [kind for one in operations for kind in (one.body, *one.answers.values()) if kind is not None]
    kinds = [kind for one in said for kind in (one if isinstance(one, tuple) else (one,))]
    schemas, components = msgspec.json.schema_components([ProblemDetails, *kinds], ref_template=REF)
    for schema in components.values():
        _tell_members(schema)
    of_kind = dict(zip(map(str, kinds), schemas[1:], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, of_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "softbounce",
            "version": "1",
            "description": "Hand over a message, and it gets out, or you are told why.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _tell_members(schema: dict[str, Any]) -> None:
    """Say of each member what the docstring of the whole says of it."""
    said = schema.get("description", "")
    schema["description"] = _in_a_line(said.partition(":ivar")[0])
    for name, words in MEMBER.findall(said):
        member = schema.get("properties", {}).get(name)
        if member is not None and "$ref" not in member:
            member.setdefault("description", _in_a_line(words))


def _in_a_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _operation(one: Operation, of_kind: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": list(_parameters(one)),
        "responses": _responses(one, of_kind),
        "security": [{"token": []}, {}] if one.scope else [],
    }
    if one.body is not None:
        content: dict[str, Any] = {JSON: {"schema": of_kind[str(one.body)]}}
        if one.example is not None:
            content[JSON]["examples"] = {"usual": {"value": one.example}}
        if one.octets:
            content[RFC822] = {"schema": {"type": "string"}, "examples": {"usual": {"value": OCTETS}}}
        if one.csv:
            content["text/csv"] = {"schema": {"type": "string"}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    for name in IN_PATH.findall(one.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"The {name}, as another answer has it.",
            "schema": {"type": "string", "minLength": 1},
        }
    for kind in one.query:
        yield from _of_query(kind, " (with a body of type message/rfc822)" if one.octets else "")
    if one.octets:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Of your choice: the same key with the same content is sent once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
            "example": "order-1042",
        }


def _of_query(kind: type, note: str) -> Iterable[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([kind], ref_template=REF)
    said = {
        name: _in_a_line(words)
        for one in reversed(kind.__mro__)
        for name, words in MEMBER.findall(one.__doc__ or "")
    }  # fmt: skip
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        schema = _not_null(components[kind.__name__]["properties"][name])
        words = said.get(field.name) or schema.pop("description", name)
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"{words}{note}",
            "schema": {key: value for key, value in schema.items() if key != "default"},
        }


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not, and never null."""
    options: Sequence[Any] = schema.get("anyOf", ())
    some = [option for option in options if option != {"type": "null"}]
    if not options or len(some) == len(options):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **some[0]} if len(some) == 1 else {**rest, "anyOf": some}


def _responses(one: Operation, of_kind: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        str(status): _response(status, PROBLEM) for status in sorted({*OF_ALL, *one.problems} if one.scope else OF_OPEN)
    }
    for status, kind in one.answers.items():
        content = {one.media_type: {"schema": _schema(kind, of_kind)}}
        if one.csv and one.body is None:
            content["text/csv"] = {"schema": {"type": "string"}}
        before = made.get(str(status), {}).get("content", {})
        made[str(status)] = _response(status, {**before, **content})
    return made


def _response(status: int, content: dict[str, Any]) -> dict[str, Any]:
    made = {"description": HTTPStatus(status).phrase, "content": content}
    return {**made, "headers": RETRY_AFTER} if status in SECONDS_TOLD else made


def _schema(kind: Any, of_kind: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a type, or several
    if kind is None:
        return {"type": "string"}
    if isinstance(kind, tuple):
        return {"type": "array", "items": {"anyOf": [of_kind[str(one)] for one in kind]}}
    schema: dict[str, Any] = of_kind[str(kind)]
    return schema
