"""``[[quota]]`` and ``[[quiet]]``: what they become, and what of them makes no sense."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from softbounce_config import check_file, load
from softbounce_config.units import format_messages, format_octets, parse_messages, parse_octets

from softbounce.settings import Allowance, QuietRule, QuotaRule

FILE = """\
[identity]
hostname = "mail.example.com"
[[quota]]
name = "shop"
stream = "news*"
sender = "*@shop.example"
tenant = "t-*"
per = "tenant"
messages = "1000/h"
octets = "1GiB/d"
waiting = 100000
over = "refuse"
[[quiet]]
stream = "newsletter"
tenant = "t-1"
from = "22:00"
to = "07:00"
zone = "Europe/Berlin"
days = ["fri", "sat"]
[[quiet]]
from = "00:00"
to = "24:00"
zone = "UTC"
days = ["sun"]
"""


def complaints(folder: Path, text: str) -> list[str]:
    """What is wrong with a file of these tables."""
    path = folder / "softbounce.toml"
    path.write_text(f'[identity]\nhostname = "mail.example.com"\n{text}')
    return [line.split("softbounce.toml: ", 1)[-1] for line in check_file(path, {})]


def test_they_are_published_as_the_file_has_them(tmp_path: Path) -> None:
    """With numbers, minutes and days."""
    path = tmp_path / "softbounce.toml"
    path.write_text(FILE)
    settings = load(path, environ={}).settings()
    assert settings.quota == (
        QuotaRule(
            name="shop",
            stream="news*",
            sender="*@shop.example",
            tenant="t-*",
            per="tenant",
            messages=Allowance(number=1000, period=timedelta(hours=1)),
            octets=Allowance(number=1024**3, period=timedelta(days=1)),
            waiting=100_000,
            over="refuse",
        ),
    )
    berlin, sunday = settings.quiet
    assert berlin == QuietRule(
        from_minute=1320, to_minute=420, zone="Europe/Berlin", days=("fri", "sat"), stream="newsletter", tenant="t-1"
    )
    assert (sunday.from_minute, sunday.to_minute, sunday.days) == (0, 1440, ("sun",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[quota]]\nname = "a"', "quota[0]: limits nothing: give at least one of messages, octets, waiting"),
        ('[[quota]]\nname = "a"\nmessages = "0/h"', 'quota[0].messages = "0/h": should be a whole number from 1 on'),
        ('[[quota]]\nname = "a"\nmessages = 100', "quota[0].messages = 100: should be a rate in quotes"),
        ('[[quota]]\nname = "a"\nmessages = "1.5/h"', 'quota[0].messages = "1.5/h": should be a whole number'),
        ('[[quota]]\nname = "a"\noctets = "1GiB"', 'quota[0].octets = "1GiB": should be a size for each unit of time'),
        ('[[quota]]\nname = "a"\noctets = "0B/d"', 'quota[0].octets = "0B/d": must be more than 0'),
        ('[[quota]]\nname = "a"\noctets = 5', "quota[0].octets = 5: should be a size for each unit of time, in quotes"),
        ('[[quota]]\nname = "a"\nper = "x"\nwaiting = 1', "quota[0].per = \"x\": should be 'stream', 'sender'"),
        ('[[quota]]\nname = "a"\nwaiting = 1\nover = "wait"', 'quota[0].over = "wait": has no meaning without'),
        (
            '[[quota]]\nname = "a"\nwaiting = 1\n[[quota]]\nname = "a"\nwaiting = 1',
            'quota[1].name = "a": quota[0] has this name already',
        ),
        (
            '[store]\nshards = 4\n[[quota]]\nname = "a"\nwaiting = 3',
            "quota[0].waiting = 3: is less than one for each of the 4 shards",
        ),
        ('[[quiet]]\nfrom = "7:00"\nto = "08:00"\nzone = "UTC"', 'quiet[0].from = "7:00": should be a time of the day'),
        ('[[quiet]]\nfrom = "07:00"\nto = "24:01"\nzone = "UTC"', 'quiet[0].to = "24:01": should be a time of the day'),
        (
            '[[quiet]]\nfrom = "07:00"\nto = "08:00"\nzone = "Europe/Berlln"',
            'quiet[0].zone = "Europe/Berlln": is no time zone that is known here',
        ),
        ('[[quiet]]\nfrom = "07:00"\nto = "08:00"\nzone = "../x"', 'quiet[0].zone = "../x": is no time zone'),
        (
            '[[quiet]]\nfrom = "07:00"\nto = "08:00"\nzone = "UTC"\ndays = ["so"]',
            "quiet[0].days = [\"so\"]: 'so' is no",
        ),
        ('[[quiet]]\nfrom = "07:00"\nto = "08:00"\nzone = "UTC"\ndays = []', "quiet[0].days = []: should be a list"),
        ('[[quiet]]\nfrom = "07:00"\nto = "07:00"\nzone = "UTC"', 'quiet[0].to = "07:00": is the same as from'),
        ('[[quiet]]\nfrom = "00:00"\nto = "24:00"\nzone = "UTC"', "quiet[0]: leaves no time at all: this mail would"),
        (
            (
                '[[quiet]]\nfrom = "00:00"\nto = "12:00"\nzone = "UTC"\n'
                '[[quiet]]\nfrom = "12:00"\nto = "24:00"\nzone = "UTC"'
            ),
            "quiet[1]: leaves no time at all, with those before it: this mail would never go",
        ),
        ('[[quiet]]\nto = "07:00"\nzone = "UTC"', "quiet[0].from: is missing"),
        ('[[quiet]]\nform = "07:00"\nfrom = "07:00"\nto = "08:00"\nzone = "UTC"', "quiet[0].form"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    """And why, in one line."""
    found = complaints(tmp_path, text)
    assert [line for line in found if line.startswith(expected)], found
    assert len(found) == 1


def test_days_and_nights_of_different_mail_are_no_contradiction(tmp_path: Path) -> None:
    """Only rules for the same mail are looked at together."""
    text = (
        '[[quiet]]\nstream = "a"\nfrom = "00:00"\nto = "12:00"\nzone = "UTC"\n'
        '[[quiet]]\nstream = "b"\nfrom = "12:00"\nto = "24:00"\nzone = "UTC"'
    )
    assert complaints(tmp_path, text) == []


@pytest.mark.parametrize("text", ["1/s", "600/m", "1000/h", "5000/d"])
def test_a_number_in_a_time_is_written_as_it_was_read(text: str) -> None:
    """In its own unit: all of it may come at once."""
    assert format_messages(parse_messages(text)) == text


@pytest.mark.parametrize("text", ["1GiB/d", "512KiB/s", "1B/h"])
def test_octets_in_a_time_are_written_as_they_were_read(text: str) -> None:
    """In their own units."""
    assert format_octets(parse_octets(text)) == text
