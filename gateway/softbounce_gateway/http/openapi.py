"""The OpenAPI 3.1 document, made of the table of operations and of the structs that they read and write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec

from softbounce_gateway.http.house import Operation
from softbounce_gateway.http.problems import ProblemDetails

__all__ = ["document"]

REF = "#/components/schemas/{name}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": REF.format(name="ProblemDetails")}}}
OF_ALL = (400, 401, 403, 500, 503)
IN_PATH = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=1)
def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The document."""
    said = [kind for one in operations for kind in (one.body, *one.answers.values()) if kind is not None]
    kinds = [kind for one in said for kind in (one if isinstance(one, tuple) else (one,))]
    schemas, components = msgspec.json.schema_components([ProblemDetails, *kinds], ref_template=REF)
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


def _operation(one: Operation, of_kind: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": list(_parameters(one)),
        "responses": _responses(one, of_kind),
        "security": [{"token": []}, {}] if one.scope else [],
    }
    if one.body is not None:
        content = {"application/json": {"schema": of_kind[str(one.body)]}}
        if one.octets:
            content["message/rfc822"] = {"schema": {"type": "string"}}
        if one.csv:
            content["text/csv"] = {"schema": {"type": "string"}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    for name in IN_PATH.findall(one.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for kind in one.query:
        (_,), components = msgspec.json.schema_components([kind], ref_template=REF)
        for name, schema in components[kind.__name__]["properties"].items():
            of_octets = " (with a body of type message/rfc822)" if one.octets else ""
            yield {
                "name": name,
                "in": "query",
                "required": False,
                "description": f"{schema.get('description', name)}{of_octets}",
                "schema": _not_null({key: value for key, value in schema.items() if key != "default"}),
            }
    if one.octets:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
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
        str(status): {"description": _phrase(status), "content": PROBLEM}
        for status in sorted({*OF_ALL, *one.problems} if one.scope else {400, 500})
    }
    for status, kind in one.answers.items():
        schema = _schema(kind, of_kind)
        content = {one.media_type: {"schema": schema}}
        if one.csv and one.body is None:
            content["text/csv"] = {"schema": {"type": "string"}}
        made[str(status)] = {"description": _phrase(status), "content": content}
    return made


def _schema(kind: Any, of_kind: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a type, or several
    if kind is None:
        return {"type": "string"}
    if isinstance(kind, tuple):
        return {"type": "array", "items": {"anyOf": [of_kind[str(one)] for one in kind]}}
    schema: dict[str, Any] = of_kind[str(kind)]
    return schema


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
