"""Each default stands once: in the struct that decides, where there is one, else in the file's field."""

from __future__ import annotations

import ast
from inspect import Parameter, signature

import pytest
from config_keys import DECLARED_IN, PARTS, ROOT, Key, Source, defaults_of, keys, plain, source

KEYS = list(keys())
DECLARED = {file: (ROOT / file).read_text(encoding="utf-8") for file in DECLARED_IN}


def decided(key: Key) -> tuple[type, str] | None:
    """The struct, and its field, that has a default for a key, where there is one."""
    struct, name = source().struct_of(key)
    if struct is None or name not in signature(struct).parameters:
        return None
    return None if signature(struct).parameters[name].default is Parameter.empty else (struct, name)


def says(key: Key) -> bool:
    """Whether the default is more than nothing at all: 0, no, an empty list, not given."""
    return bool(key.place.field and key.place.field.default)


def is_taken(expression: ast.expr, name: str) -> bool:
    """Whether a field's default is ``STRUCT.name``, or that of another unit: ``_seconds(STRUCT.name)``."""
    if isinstance(expression, ast.Call) and len(expression.args) == 1:
        expression = expression.args[0]
    return isinstance(expression, ast.Attribute) and expression.attr == name


def repeated(declared: dict[str, str]) -> list[str]:
    """Keys whose field does not take its default from the struct that decides."""
    written = {place: value for text in declared.values() for place, value in defaults_of(text).items()}
    found = []
    for key in KEYS:
        struct = decided(key)
        expression = written.get((key.section.__name__, key.name))
        if struct and expression is not None and not is_taken(expression, struct[1]):
            is_unset = isinstance(expression, ast.Constant) and expression.value is None
            found += [] if is_unset else [str(key)]
    return found


def test_the_file_takes_its_defaults_from_the_structs_that_decide() -> None:
    """A field of the file repeats no default: it names the struct's. A condition that is not given is None in both."""
    assert repeated(DECLARED) == []
    assert len([key for key in KEYS if decided(key)]) > 40


@pytest.mark.parametrize("key", [key for key in KEYS if decided(key)], ids=str)
def test_the_default_of_the_file_is_that_of_the_struct(key: Key) -> None:
    """Who starts without a file decides as who starts with an empty one."""
    struct, name = decided(key) or (object, "")
    value = signature(struct).parameters[name].default
    assert key.place.field
    derived = key.table in PARTS and key.place.field.default is None  # from the other keys of its table
    if not derived and type(value).__module__ != "msgspec._core":  # a default that is made anew each time
        assert plain(key.place.field.default) == plain(value)


def test_no_default_is_written_twice() -> None:
    """Under whichever name a value is passed on, its default stands as a literal in one place of all packages."""
    twice = {str(key): files for key in KEYS if says(key) and len(files := source().writings(key)) > 1}
    assert twice == {}


@pytest.mark.parametrize(
    ("file", "taken", "written", "key"),
    [
        (DECLARED_IN[1], "default=POLICY.window", "default=timedelta(days=5)", "policy.window"),
        (DECLARED_IN[1], "default=LANE.connections,", "default=20,", "lane.connections"),
        (DECLARED_IN[0], "default=BUILT_IN.keep_events_max", "default=200_000", "store.keep_events_max"),
        (DECLARED_IN[0], "default=_seconds(TIMEOUTS.quit)", "default=timedelta(seconds=5)", "timeouts.quit"),
        (DECLARED_IN[0], "default=ROUTE.timeout", "default=ROUTE.nxdomain_storm", "dns.timeout"),
    ],
)
def test_a_field_that_repeats_a_default_is_found(file: str, taken: str, written: str, key: str) -> None:
    """The first test of these would fail."""
    assert DECLARED[file].count(taken) == 1
    assert repeated({**DECLARED, file: DECLARED[file].replace(taken, written)}) == [key]


def test_a_struct_that_repeats_a_default_is_found() -> None:
    """The last test of these would fail, also where the value goes by another name."""
    texts = {
        DECLARED_IN[0]: "class WorkerSection(Section):\n    bodies: Size = Field(default=256 * 1024 * 1024, ge=1)\n",
        "told.py": "def tell(config):\n    return Told(body_octets=config.worker.bodies)\n",
        "engine.py": "class Engine:\n    body_octets: int = 256 << 20\n",
    }
    (bodies,) = [key for key in KEYS if str(key) == "worker.bodies"]
    assert Source.of(texts).writings(bodies) == [DECLARED_IN[0], "engine.py"]
