"""Whatever is written in a file or an environment, it is read or refused in words, and what is shown reads the same."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softbounce_config import (
    format_duration,
    format_rate,
    format_size,
    load,
    parse_duration,
    parse_rate,
    parse_size,
)
from softbounce_config.config import Config
from softbounce_config.shape import Place, Shape, keys_of, variable

from softbounce.errors import ConfigError


@given(st.integers(0, 3660 * 24 * 60 * 60 * 1000))
def test_written_duration_reads_the_same(duration_ms: int) -> None:
    """``parse(format(duration))`` is the identity, to the millisecond."""
    duration = timedelta(milliseconds=duration_ms)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 2**50))
def test_written_size_reads_the_same(octets: int) -> None:
    """``parse(format(size))`` is the identity."""
    assert parse_size(format_size(octets)) == octets


@given(st.integers(1, 10**6), st.sampled_from("smhd"))
def test_written_rate_reads_the_same(count: int, unit: str) -> None:
    """``parse(format(rate))`` is the identity, to the precision of a float."""
    rate = parse_rate(f"{count}/{unit}")
    assert parse_rate(format_rate(rate)) == pytest.approx(rate)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Text is a value or a ValueError, never anything else."""
    for parse in (parse_duration, parse_size, parse_rate):
        with suppress(ValueError):
            parse(text)


def faults(environ: dict[str, str], tables: dict[str, object]) -> list[str]:
    """What is wrong with them; nothing when they can be used."""
    try:
        load(None, environ=environ, overrides=tables)
    except ConfigError as error:
        return str(error).split("\n")
    return []


def variables(place: Place, path: tuple[str, ...]) -> list[str]:
    """All variables below *place*."""
    if place.section is None or place.shape is Shape.LISTED:
        return [variable(path)]
    below = (*path, "otp") if place.shape is Shape.NAMED else path
    return [each for name, key in keys_of(place.section).items() for each in variables(key, (*below, name))]


VARIABLES = variables(Place(shape=Shape.SECTION, section=Config), ())


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=30) | st.sampled_from(["[]", "[{}]", "1", "0"])))
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    """An environment gives a configuration or one printable line for each fault."""
    assert all(line.isprintable() and line.startswith("environment: ") for line in faults(environ, {}))


SCALARS = st.one_of(
    st.booleans(), st.integers(-10, 10**6), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)
KEYS = sorted(
    {name for section in ("smtp", "store", "dns") for name in keys_of(keys_of(Config)[section].section or Config)}
)
TABLES = st.dictionaries(
    st.sampled_from(sorted(Config.model_fields)),
    st.one_of(
        SCALARS,
        st.dictionaries(st.sampled_from(KEYS), SCALARS, max_size=4),
        st.lists(st.dictionaries(st.sampled_from(["policy", "name", "code", "site"]), SCALARS, max_size=3), max_size=2),
        st.dictionaries(
            st.text(max_size=5), st.dictionaries(st.sampled_from(["window", "delays"]), SCALARS), max_size=2
        ),
    ),
)


@settings(max_examples=300)
@given(TABLES)
def test_any_tables_are_read_or_refused(tables: dict[str, object]) -> None:
    """Tables of any shape give a configuration or one printable line for each fault."""
    assert all(line.isprintable() for line in faults({}, tables))
