"""What is wrong with a configuration, as one line for each fault: where it stands, the value, why, what was meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from softbounce.store.masking import MASK, is_secret, redact, redact_in
from softbounce_config.config import Config
from softbounce_config.shape import KeyPath, Shape, dotted, keys_of, place_at

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["NO_VALUE", "Complaint", "complaints_of", "nearest", "origin_of", "render", "written"]


class NoValue:
    """Stands for the value of a key that is not there."""


NO_VALUE: Final = NoValue()
LONGEST_SHOWN = 80
KEY_NAMES = frozenset({"key", "key_env", "password_env", "private_key", "secret", "secret_env"})

REASONS = {
    "missing": "is missing",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "finite_number": "should be a number",
    "bool_type": "should be true or false",
    "string_type": "should be text, in quotes",
    "model_type": "is a table, not a value",
    "dict_type": "is a table, not a value",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong."""

    path: KeyPath
    value: object
    reason: str


def render(complaints: Iterable[Complaint], origins: Mapping[KeyPath, str], fallback: str) -> list[str]:
    """One line for each complaint, in the order of the paths as they stand in the configuration.

    :param origins: where the values under a path come from; the longest fitting path counts.
    :param fallback: where all others come from: the file.
    """
    return [_line(complaint, origin_of(complaint.path, origins) or fallback) for complaint in complaints]


def _line(complaint: Complaint, origin: str) -> str:
    value = "" if _is_table(complaint.value) else f" = {_shown(complaint)}"
    return f"{origin}: {_printable(dotted(complaint.path))}{value}: {_escaped(complaint.reason)}"


def _escaped(reason: str) -> str:
    """A reason as it can be printed: it may quote other names of the file, and those may be anything."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in reason)


def _is_table(value: object) -> bool:
    """Whether it is no value, or tables, whose keys nobody knows: any may hold a secret."""
    return isinstance(value, NoValue | dict) or (isinstance(value, list) and any(map(_is_table, value)))


def _shown(complaint: Complaint) -> str:
    name = str(complaint.path[-1]) if complaint.path else ""
    return written(complaint.value, name, is_known=place_at(complaint.path) is not None)


def origin_of(path: KeyPath, origins: Mapping[KeyPath, str]) -> str | None:
    """Where the value under a path comes from, when not from the file."""
    for length in range(len(path), 0, -1):
        found = origins.get(path[:length])
        if found is not None:
            return found
    return None


def written(value: object, name: str, *, is_known: bool = False) -> str:
    """A value as the file has it, on one line, cut when long, and without secrets.

    Those are the passwords of URLs, of what is none yet as well. Of a key that we do not know any text may be such a
    URL, and by its name it may be a secret as a whole.
    """
    if (is_secret(name) and not is_known) or _may_be_key(value, name):
        return MASK
    if isinstance(value, str) and (not is_known or name.endswith("url")):
        value = redact(value)
    text = redact_in(json.dumps(value, default=str))
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def _may_be_key(value: object, name: str) -> bool:
    """Whether somebody wrote a private key where the name of its file or variable belongs."""
    return name in KEY_NAMES or (isinstance(value, str) and "PRIVATE KEY" in value)


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


def nearest(word: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """The end of a sentence about an unknown *word*: the known one that was probably meant, or all of them.

    :param known: the words, or for each word how to show it.
    """
    names = known if isinstance(known, Mapping) else {each: each for each in known}
    words = {each.lower(): shown for each, shown in names.items()}
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {words[close[0]]}?"
    return f"; known: {', '.join(words.values())}" if words else ""


def complaints_of(error: ValidationError) -> list[Complaint]:
    """What pydantic found, in our words."""
    return [_complaint(details) for details in error.errors(include_url=False)]


def _complaint(details: ErrorDetails) -> Complaint:
    path = tuple(details["loc"])
    value = NO_VALUE if details["type"] == "missing" else details["input"]
    return Complaint(path, value, _reason(details, path))


def _reason(details: ErrorDetails, path: KeyPath) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return _unknown(path)
        case "value_error":
            return str(context["error"])
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}"
        case "literal_error":
            return f"should be {context['expected']}"
        case "tuple_type":
            return f"is a list of tables: write [[{path[-1]}]] above each, with double brackets"
        case kind:
            return REASONS.get(kind, details["msg"])


def _unknown(path: KeyPath) -> str:
    key = str(path[-1])
    parent = place_at(path[:-1])
    known = list(parent.section.model_fields) if parent and parent.section else []
    homes = [
        f"[{name}]"
        for name, place in keys_of(Config).items()
        if place.shape is Shape.SECTION and place.section and key in place.section.model_fields
    ]
    kind = "section" if len(path) == 1 else "key"
    if homes and not get_close_matches(key.lower(), known, n=1, cutoff=0.6):
        return f"unknown {kind}; {key} belongs in {' or '.join(homes)}"
    return f"unknown {kind}{nearest(key, known)}"
