"""The effective configuration in the notation of the file, for people and programs to read, without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from softbounce.store.masking import redact_in
from softbounce_config.config import Config
from softbounce_config.fields import Section
from softbounce_config.shape import Place, Shape, read_keys

__all__ = ["plain_section", "to_plain", "to_toml", "toml_value"]


def to_plain(config: Config) -> dict[str, Any]:
    """Every effective value: durations as ``"5m"``, sizes as ``"25MiB"``, passwords in URLs as ``***``.

    Conditions that were not given are left out, and what has no effect. It holds only what JSON and TOML can: text,
    numbers, booleans, lists and tables.
    """
    return plain_section(config)


def plain_section(section: Section) -> dict[str, Any]:
    """One table of :func:`to_plain`."""
    shown = {
        name: _plain(place, value)
        for name, place in read_keys(type(section)).items()
        if (value := getattr(section, name)) is not None
    }
    # A table of which nothing was given is left out with its keys: a gate that allows nobody is no missing one.
    return {name: value for name, value in shown.items() if value != {}}


def _plain(place: Place, value: Any) -> Any:  # noqa: ANN401  # any value of any key
    match place.shape:
        case Shape.SECTION:
            return plain_section(value)
        case Shape.NAMED:
            return {name: plain_section(section) for name, section in value.items()}
        case Shape.LISTED:
            return [plain_section(section) for section in value]
        case Shape.VALUE:
            written = place.notation.write(value)
            return redact_in(written) if isinstance(written, str) else written


def to_toml(plain: dict[str, Any]) -> str:
    """The tables of :func:`to_plain` as a TOML file."""
    return "\n".join(_toml_lines(plain, ())).strip("\n") + "\n"


def _toml_lines(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    values = {key: value for key, value in table.items() if key not in inner}
    if values and path:
        yield f"\n[{'.'.join(_toml_key(step) for step in path)}]"
    for key, value in values.items():
        yield f"{_toml_key(key)} = {toml_value(value)}"
    for key, value in inner.items():
        if isinstance(value, dict):
            yield from _toml_lines(value, (*path, key))
            continue
        for entry in value:
            yield f"\n[[{'.'.join(_toml_key(step) for step in (*path, key))}]]"
            yield from (f"{_toml_key(name)} = {toml_value(each)}" for name, each in entry.items())


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _toml_key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key)


def toml_value(value: object) -> str:
    """One value in the notation of TOML."""
    # JSON's text, numbers, booleans and lists are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(value).replace("\x7f", "\\u007f")
