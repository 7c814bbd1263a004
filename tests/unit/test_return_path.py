"""Signed return paths: who can make one, how long it stands, and what it tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from softbounce.ids import envelope_id, new_message_id
from softbounce.return_path import LIFETIME, ReturnKeys, date_of_path, make_return_path, read_return_path
from softbounce.settings import ReturnsRule, Settings

OLD, NEW, OTHER = bytes(32), bytes(range(32)), b"x" * 32
KEYS = ReturnKeys(current=NEW, before=OLD)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
IDENTITY = envelope_id(new_message_id(3), 7)


def made(key: bytes = NEW, at: datetime = NOW) -> str:
    """One of this key and time."""
    return make_return_path(IDENTITY, "Someone@example.net", key, at)


@pytest.mark.parametrize("key", [NEW, OLD])
def test_issue14_a_path_tells_its_envelope_and_proves_its_recipient(key: bytes) -> None:
    """By either key, in capitals too; it fits in a local part."""
    local = made(key)
    assert len(local) == 53
    for written in (local, local.upper(), local.replace("0", "o").replace("1", "l")):
        path = read_return_path(written, KEYS, NOW)
        assert path is not None
        assert (path.id, path.is_stale) == (IDENTITY, False)
        assert path.is_for("someone@example.net")
        assert not path.is_for("other@example.net")


def test_issue14_a_path_that_nobody_signed_is_none() -> None:
    """Another key's, one letter changed anywhere, cut short, made longer, and what was never one."""
    local = made()
    assert read_return_path(made(OTHER), KEYS, NOW) is None
    assert read_return_path(made(OLD), ReturnKeys(current=NEW), NOW) is None
    for at in range(len(local)):
        for letter in "0z":
            changed = local[:at] + letter + local[at + 1 :]
            assert changed == local or read_return_path(changed, KEYS, NOW) is None, at
    for other in (local[:-1], local + "0", local[1:], "b" + "u" * 52, "", "bü", f" {local}", f"{local}\n"):
        assert read_return_path(other, KEYS, NOW) is None


def test_issue14_a_path_ends_after_its_lifetime() -> None:
    """On its thirtieth day it stands; on the next not. One of tomorrow is a clock's, one of later nobody's."""
    for days, is_stale in ((0, False), (30, False), (31, True), (400, True), (-1, False), (-2, True)):
        path = read_return_path(made(at=NOW - timedelta(days=days)), KEYS, NOW)
        assert path is not None
        assert path.is_stale is is_stale, days
    assert timedelta(days=30) == LIFETIME


def test_issue14_a_retry_leaves_from_the_same_path_as_the_try_before() -> None:
    """Also across midnight: a host that greylists would see another sender, and begin anew."""
    begun = datetime(2026, 11, 28, 23, 58, tzinfo=UTC)

    def path_at(later: timedelta) -> str:
        return made(at=date_of_path(begun, begun + later))

    paths = [path_at(timedelta(minutes=minutes)) for minutes in (-1, 0, 6, 24 * 60, 5 * 24 * 60, 7 * 24 * 60 - 1)]
    assert set(paths) == {made(at=begun)}
    for weeks in (1, 2, 9):  # held for as long: who gets it then still has weeks to complain
        assert path_at(timedelta(weeks=weeks)) == path_at(timedelta(weeks=weeks, days=6)) != paths[0]
        path = read_return_path(path_at(timedelta(weeks=weeks, days=6)), KEYS, begun + timedelta(weeks=weeks, days=29))
        assert path is not None
        assert not path.is_stale


def test_a_key_is_in_no_repr() -> None:
    """Nor is it in what is printed of a path that was read."""
    path = read_return_path(made(), KEYS, NOW)
    assert repr(NEW)[2:20] not in repr(KEYS)
    assert repr(NEW)[2:20] not in repr(path)


@pytest.mark.parametrize(
    ("sender", "stream", "domain"),
    [
        ("a@shop.example", "news", "bounce.shop.example"),
        ("a@shop.example", "own", ""),
        ("a@other.example", "news", "bounce.example"),
        ("", "news", ""),
    ],
)
def test_issue14_the_first_rule_that_fits_names_the_return_domain(sender: str, stream: str, domain: str) -> None:
    """One without a domain leaves the sender's own address; the null sender stays one."""
    settings = Settings(
        returns=(
            ReturnsRule(stream="own"),
            ReturnsRule(domain="bounce.shop.example", sender="*@shop.example"),
            ReturnsRule(domain="bounce.example"),
        )
    )
    assert settings.return_domain_of(sender=sender, stream=stream) == domain
