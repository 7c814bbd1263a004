"""``SOFTBOUNCE__SECTION__KEY`` variables as the nested tables that the file would have.

Variables whose names begin with ``SOFTBOUNCE__`` are ours alone: one that leads nowhere is a fault, as an unknown key
in the file is. Values are only given their type here; the models check them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from softbounce_config.complaints import nearest, written
from softbounce_config.shape import PREFIX, ROOT, SEPARATOR, KeyPath, Place, Shape, keys_of, place_at, variable

__all__ = ["Environment", "read_environment"]

BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(slots=True)
class Environment:
    """What the variables say.

    :ivar values: the value of each key that has a variable.
    :ivar origins: the variable of each key.
    :ivar faults: one line for each variable that is none of ours.
    """

    values: dict[KeyPath, object] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_environment(environ: Mapping[str, str], policies: Collection[str]) -> Environment:
    """Read the variables.

    :param policies: the names of the file's policies, whose case a variable cannot tell; a new name is lower case.
    """
    read = Environment()
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        try:
            path, place = _find(name, policies)
            read.values[path] = _value(place, environ[name])
        except ValueError as error:
            read.faults.append(f"environment: {name} = {written(environ[name], name)}: {error}")
        else:
            read.origins[path] = f"environment: {name}"
    return read


def _find(name: str, policies: Collection[str]) -> tuple[KeyPath, Place]:
    path: KeyPath = ()
    for word in name.removeprefix(PREFIX).lower().split(SEPARATOR):
        parent = place_at(path)
        if parent is None or parent.section is None or parent.shape is Shape.LISTED:
            raise ValueError(f"nothing is below {variable(path)}")
        if parent.shape is Shape.NAMED:
            path += (next((known for known in policies if known.lower() == word), word),)
            continue
        if word not in parent.section.model_fields:
            shown = {key: variable((*path, key)) for key in parent.section.model_fields}
            raise ValueError(f"unknown variable{nearest(word, shown)}")
        path += (word,)
    place = place_at(path) or ROOT
    if place.section is not None and place.shape is not Shape.LISTED:
        below = keys_of(place.section) if place.shape is Shape.SECTION else {"name": place}
        raise ValueError(f"is a table; its keys are variables, such as {variable((*path, next(iter(below))))}")
    return path, place


def _value(place: Place, text: str) -> object:
    if place.shape is Shape.LISTED:
        return _json_list(text)
    notation = place.notation
    if notation.is_list:
        if text.lstrip().startswith("["):
            return _json_list(text)
        return [word.strip() for word in text.split(",") if word.strip()]
    kind = place.field.annotation if place.field else str
    if kind is bool or kind == bool | None:
        if text.strip().lower() not in BOOLEANS:
            raise ValueError("should be true or false")
        return BOOLEANS[text.strip().lower()]
    if notation.kind in {"whole number", "number"}:
        return _number(text)
    return text


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _json_list(text: str) -> list[Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"should be a list in JSON: {error}") from error
    if isinstance(values, list):
        return values
    raise ValueError("should be a list in JSON, in [ and ]")
