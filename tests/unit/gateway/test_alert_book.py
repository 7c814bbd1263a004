"""What is told of trouble, and when: once, again when it is over, and not while nobody can tell."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from softbounce_gateway.alerts.book import could_not_tell, due, look_at, told
from softbounce_gateway.alerts.subjects import Subject, plain_text

from softbounce.store.alerts import MOST_STANDING, AlertBook

MINUTE = 60_000
SITE = Subject("site_closed /ui/sites/a", "site_closed", "warn", "site", "The site a is closed", "It said no.")
NETWORK = Subject("network", "network", "bad", "network", "No host can be reached", "Shut.")


def walk(book: AlertBook, looks: list[list[Subject]], *, begin: int = 0, most: int = 20) -> tuple[AlertBook, list[str]]:
    """A look a minute; what is due is told, as ``minute state what``."""
    said = []
    for minute, seen in enumerate(looks, begin):
        book = look_at(book, seen, minute * MINUTE + 1, is_cut=False)
        letters = due(book, minute * MINUTE + 1, table="ops", after=timedelta(minutes=2), most_an_hour=most)
        for letter in letters:
            said.append(f"{minute} {letter.state} {letter.about.kind}")
            book = told(book, letter, minute * MINUTE + 1)
    return book, said


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        pytest.param([[SITE]] * 10, ["2 began site_closed"], id="once, however long it stands"),
        pytest.param([[SITE]] * 2 + [[]] * 20, [], id="what does not stand for long is not told"),
        pytest.param([[SITE]] * 3 + [[]] * 10, ["2 began site_closed", "7 over site_closed"], id="and when it is over"),
        pytest.param(
            [[SITE]] * 3 + [[], [SITE]] * 10 + [[]] * 6,
            ["2 began site_closed", "27 over site_closed"],
            id="flapping is one trouble",
        ),
        pytest.param(
            [[SITE]] * 3 + [[NETWORK]] * 10,
            ["2 began site_closed", "5 began network"],
            id="what is hidden by something wider is not over",
        ),
        pytest.param(
            ([[SITE]] * 3 + [[]] * 7) * 2,
            ["2 began site_closed", "7 over site_closed", "12 began site_closed", "17 over site_closed"],
            id="a second time is news",
        ),
    ],
)
def test_issue15_5_what_is_told_and_when(looks: list[list[Subject]], said: list[str]) -> None:
    """Each trouble once, and its end once."""
    assert walk(AlertBook(), looks)[1] == said


def test_issue15_5_over_a_number_an_hour_letters_wait_and_none_is_lost() -> None:
    """Recoveries count like what began; an hour later the rest is told."""
    many = [SITE._replace(key=f"site {number}") for number in range(5)]
    book, said = walk(AlertBook(), [many] * 30, most=2)
    assert said == ["2 began site_closed"] * 2
    book, said = walk(book, [[]] * 200, begin=30, most=2)
    assert said == ["62 over site_closed"] * 2, "what was never told is not told to be over"
    assert book.standing == ()


def test_issue15_5_a_look_that_was_cut_short_ends_nothing() -> None:
    """What it did not say may stand all the same."""
    book, said = walk(AlertBook(), [[SITE]] * 3)
    assert said
    for minute in range(3, 20):
        book = look_at(book, [], minute * MINUTE, is_cut=True)
        assert not due(book, minute * MINUTE, table="ops", after=timedelta(minutes=2), most_an_hour=20)


def test_issue15_5_what_cannot_be_told_is_tried_less_and_less() -> None:
    """By the same id each time; at the least once an hour."""
    book = look_at(AlertBook(), [SITE], 1, is_cut=False)
    tried, ids = [], set()
    for half in range(1, 1_000):
        now_ms = half * 30_000
        book = look_at(book, [SITE], now_ms, is_cut=False)
        for letter in due(book, now_ms, table="ops", after=timedelta(minutes=1), most_an_hour=20):
            tried.append(half)
            ids.add(letter.id)
            book = could_not_tell(book, letter, now_ms)
    waits = [after - before for before, after in pairwise(tried)]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert set(waits[7:]) == {120}
    assert len(ids) == 1


def test_issue15_5_a_flood_of_troubles_has_a_bound() -> None:
    """So many stand in a book, and those that were there stay."""
    book = look_at(AlertBook(), [SITE], 1, is_cut=False)
    book = look_at(book, [SITE, *(SITE._replace(key=f"{number}") for number in range(5_000))], 2, is_cut=False)
    assert len(book.standing) == MOST_STANDING
    assert book.standing[0].key == SITE.key


def test_issue15_5_what_a_host_said_is_one_bounded_line() -> None:
    """It ends no header, and moves no cursor."""
    assert plain_text("a\r\nBcc: b\x1b[2J\u2028c") == "a  Bcc: b [2J c"
    assert len(plain_text("x" * 100_000)) == 500
