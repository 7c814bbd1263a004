"""The shape of the configuration: which keys there are, what each holds, and where a path through them leads.

Read from the models, so that the environment, the errors, ``config show`` and the reference cannot disagree with them.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from softbounce_config.config import Config
from softbounce_config.fields import Later, Notation, Section

__all__ = ["KeyPath", "Place", "Shape", "dotted", "keys_of", "place_at", "read_keys", "variable"]

PREFIX = "SOFTBOUNCE__"
SEPARATOR = "__"

KeyPath = tuple[str | int, ...]


class Shape(Enum):
    """What a key holds."""

    VALUE = auto()
    SECTION = auto()  # [smtp]
    NAMED = auto()  # [policy.NAME]
    LISTED = auto()  # [[assign]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A key of the configuration.

    :ivar section: the table's model; for NAMED and LISTED that of each entry, ``None`` for a value.
    :ivar field: the field; ``None`` for the whole configuration and for one entry of NAMED or LISTED.
    """

    shape: Shape
    section: type[Section] | None = None
    field: FieldInfo | None = None

    @property
    def notation(self) -> Notation:
        """How the value is written; the whole table of a section has none of its own."""
        return _notation(self.field.annotation, self.field.metadata) if self.field else Notation("table")

    @property
    def later(self) -> Later | None:
        """What the value is for, where nothing reads it yet."""
        marks = self.field.metadata if self.field else ()
        return next((mark for mark in marks if isinstance(mark, Later)), None)

    @property
    def is_read(self) -> bool:
        """Whether something reads the value, or one in the table."""
        return self.later is None if self.section is None else bool(read_keys(self.section))


ROOT = Place(shape=Shape.SECTION, section=Config)


def keys_of(section: type[Section]) -> dict[str, Place]:
    """The keys of a table, in the order of the reference."""
    return {name: _place(field) for name, field in section.model_fields.items()}


def read_keys(section: type[Section]) -> dict[str, Place]:
    """Those of them that something reads."""
    return {name: place for name, place in keys_of(section).items() if place.is_read}


def place_at(path: KeyPath) -> Place | None:
    """The place that *path* leads to, or ``None`` where there is none."""
    place = ROOT
    for step in path:
        if place.section is None:
            return None
        if place.shape is Shape.SECTION:
            field = place.section.model_fields.get(str(step))
            if field is None:
                return None
            place = _place(field)
        else:
            place = Place(shape=Shape.SECTION, section=place.section)
    return place


def dotted(path: KeyPath) -> str:
    """The path as errors show it: ``policy.otp.window``, ``assign[2].policy`` (counted from 0)."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def variable(path: KeyPath) -> str:
    """The environment variable of a key."""
    return PREFIX + SEPARATOR.join(str(step).upper() for step in path)


def _place(field: FieldInfo) -> Place:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return Place(shape=Shape.SECTION, section=annotation, field=field)
    for inner in get_args(annotation):
        if isinstance(inner, type) and issubclass(inner, Section):
            shape = Shape.NAMED if get_origin(annotation) is dict else Shape.LISTED
            return Place(shape=shape, section=inner, field=field)
    return Place(shape=Shape.VALUE, field=field)


PLAIN_NOTATIONS = {
    bool: Notation("true or false", bool),
    int: Notation("whole number", int),
    float: Notation("number", float),
    str: Notation("text", str),
}


def _notation(annotation: Any, metadata: list[Any]) -> Notation:  # noqa: ANN401  # an annotation can be anything
    for mark in metadata:
        if isinstance(mark, Notation):
            return mark
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        return _notation(inner, marks)
    if origin is Literal:
        return Notation(" or ".join(f"`{word}`" for word in get_args(annotation)))
    if origin in {Union, types.UnionType}:  # T | None: an unset condition
        return _notation(get_args(annotation)[0], [])
    return PLAIN_NOTATIONS[annotation]
