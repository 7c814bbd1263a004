"""A key that nothing reads is not in the reference; where the public contract has it, who sets it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from config_keys import Key, Source, fields_of, keys, source
from softbounce_config import check_file, load, reference, to_plain, unread_keys
from softbounce_config.fields import Later
from softbounce_config.sections import GatewaySection, SmtpSection
from softbounce_config.shape import keys_of, variable

KEYS = list(keys())
FILE = """\
[gateway]
http = "127.0.0.1:8026"
[smtp]
timeouts.connect = "1s"
[[lane]]
connections = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A config file with keys for what is to come."""
    path = tmp_path / "softbounce.toml"
    path.write_text(FILE)
    return path


def test_every_key_is_read_or_marked_as_for_later() -> None:
    """What the reference offers has an effect: outside its declaration there is code that reads it."""
    assert [str(key) for key in KEYS if not key.place.later and not source().is_read(key)] == []


def test_no_key_that_is_read_is_marked_as_for_later() -> None:
    """The mark goes with the first that reads the key: what has an effect is in the reference."""
    assert [str(key) for key in KEYS if key.place.later and source().is_read(key)] == []


def test_what_is_handed_over_is_a_field_there() -> None:
    """A key whose value is handed over in a struct is a field of that, so that the search finds who reads it."""
    for key in KEYS:
        struct, name = source().struct_of(key)
        if struct and not key.place.later:
            assert name in fields_of(struct), key


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("def tell(config):\n    return DialSettings(port=config.smtp.port)\n", False),  # handed over, and no more
        (
            (
                "def tell(config):\n    return DialSettings(port=config.smtp.port)\n"
                "def dial(limits):\n    go(limits.port)\n"
            ),
            True,
        ),
        ("def dial(config):\n    go(config.smtp.port)\n", True),
        ("def dial(seed, smtp):\n    go(seed.port)\n    smtp.port = 3\n", False),
        ("", False),
    ],
)
def test_a_key_that_nothing_reads_is_found(text: str, *, is_read: bool) -> None:
    """The first test of these would fail: handing a value over is no reading of it."""
    key = Key("smtp", "port", SmtpSection, keys_of(SmtpSection)["port"])
    assert Source.of({"worker/any.py": text}).is_read(key) is is_read


@pytest.fixture
def marked() -> Iterator[None]:
    """A key as one is that nothing reads yet."""
    marks = GatewaySection.model_fields["http"].metadata
    marks.append(Later("the HTTP interface"))
    yield
    marks.pop()


@pytest.mark.usefixtures("marked")
def test_neither_the_reference_nor_what_is_in_effect_has_them() -> None:
    """Both say what counts."""
    assert variable(("gateway", "http")) not in reference()
    assert "http" not in to_plain(load(None, environ={}))["gateway"]


@pytest.mark.usefixtures("marked")
def test_a_file_that_names_them_is_taken_and_told_so(file: Path) -> None:
    """They are in the public contract: a file written for what is to come works today, and no line of it is silent."""
    assert check_file(file, {}) == []
    assert unread_keys(file, {}) == [
        f"{file}: gateway.http: has no effect yet: it is for the HTTP interface, which is to come",
    ]


@pytest.mark.usefixtures("marked")
def test_a_variable_that_names_one_is_told_so(file: Path) -> None:
    """By its own name, also where the file has the key as well."""
    name = "SOFTBOUNCE__GATEWAY__HTTP"
    assert unread_keys(file, {name: ""})[0].startswith(f"environment: {name}: gateway.http: has no effect yet")


def test_their_values_are_checked_all_the_same(file: Path) -> None:
    """What is wrong in them is wrong today, and not on the day of an upgrade."""
    file.write_text("[gateway]\nhttp = 'x'\nsmtp = ''\n")
    bad, unknown = check_file(file, {})
    assert bad.startswith(f'{file}: gateway.http = "x": should be host:port')
    assert unknown.startswith(f'{file}: gateway.smtp = "": unknown key')


def test_nothing_is_told_where_nothing_is_set() -> None:
    """Defaults are nobody's mistake."""
    assert unread_keys(None, {}) == []
    assert unread_keys(Path(__file__).parents[3] / "examples" / "softbounce.toml", {}) == []
