"""What is told of trouble, and when: once, again when it is over, and not while nobody can tell."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from itertools import pairwise

import pytest
from msgspec.structs import replace
from softbounce_config.alerts import AlertSection
from softbounce_gateway.alerts.book import MOST_GOODBYES, about_to_tell, all_over, could_not_tell, due, look_at, told
from softbounce_gateway.alerts.subjects import Subject, Wanted, plain_text, subjects
from softbounce_gateway.alerts.telling import Message, written
from softbounce_gateway.alerts.words import message_of, summary_of

from softbounce.client.now.view import Finding, Now
from softbounce.duration import from_epoch_ms
from softbounce.store.alerts import MOST_STANDING, AlertBook
from softbounce.store.health import Checkup, KeptFinding

MINUTE = 60_000
SITE = Subject("site_closed /ui/sites/a", "site_closed", "warn", "site", "The site a is closed", "It said no.")
NETWORK = Subject("network", "network", "bad", "network", "No host can be reached", "Shut.")


def walk(book: AlertBook, looks: list[list[Subject]], *, begin: int = 0, most: int = 20) -> tuple[AlertBook, list[str]]:
    """A look a minute; what is due is told, as ``minute state what``."""
    said = []
    for minute, seen in enumerate(looks, begin):
        book = look_at(book, seen, minute * MINUTE + 1, is_cut=False, hides=NETWORK in seen)
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
        pytest.param([[SITE]] * 3 + [[]] * 10, ["2 began site_closed", "8 over site_closed"], id="and when it is over"),
        pytest.param(
            [[SITE]] * 3 + [[], [SITE]] * 10 + [[]] * 6,
            ["2 began site_closed", "28 over site_closed"],
            id="flapping is one trouble",
        ),
        pytest.param(
            [[SITE]] * 3 + [[NETWORK]] * 10,
            ["2 began site_closed", "5 began network"],
            id="what is hidden by something wider is not over",
        ),
        pytest.param([[SITE]] + [[NETWORK]] * 10, ["3 began network"], id="nor does it begin while nobody can tell"),
        pytest.param(
            [[SITE]] + [[NETWORK]] * 2 + [[SITE]] * 3,
            ["3 began site_closed"],
            id="what stands behind it is told after it",
        ),
        pytest.param(
            ([[SITE]] * 3 + [[]] * 70) * 2,
            ["2 began site_closed", "8 over site_closed", "75 began site_closed", "81 over site_closed"],
            id="a second time is news",
        ),
        pytest.param(
            ([[SITE]] * 15 + [[]] * 15) * 8,
            [
                "2 began site_closed",
                "20 over site_closed",
                "62 began site_closed",
                "80 over site_closed",
                "122 began site_closed",
                "140 over site_closed",
                "182 began site_closed",
                "200 over site_closed",
            ],
            id="what comes and goes at each look of the doctor is told once an hour",
        ),
    ],
)
def test_issue15_5_what_is_told_and_when(looks: list[list[Subject]], said: list[str]) -> None:
    """Each trouble once, and its end once."""
    assert walk(AlertBook(), looks)[1] == said


def test_issue15_5_how_often_it_came_and_went_is_said_in_the_summary() -> None:
    """And in the next letter; whoever is told hears no more of it than once an hour."""
    book, _ = walk(AlertBook(), ([[SITE]] * 15 + [[]] * 15) * 4)
    now = Now(at=from_epoch_ms(120 * MINUTE), flows="yes", sentence="Yes.")
    summary = summary_of(book, now, table="ops", day="1970-01-01", hostname="h")
    assert "- The site a is closed (4 times)" in summary.text
    assert summary.data["came_and_went"] == [{"what": "The site a is closed", "times": 4}]
    book = look_at(book, [SITE], 125 * MINUTE, is_cut=False)
    book = look_at(book, [SITE], 130 * MINUTE, is_cut=False)
    (letter,) = due(book, 130 * MINUTE, table="ops", after=timedelta(minutes=2), most_an_hour=20)
    assert "5 times by now" in message_of(letter, "h").text


def test_issue15_5_the_summary_reminds_of_what_somebody_holds() -> None:
    """Nobody is told of it otherwise, and who wanted it may have forgotten it; of other findings there are alerts."""
    held = Finding(
        kind="held_standing", scope="us", level="note", what="7 held by a hold that stands", since=from_epoch_ms(0)
    )
    bad = Finding(kind="site_closed", scope="site", level="bad", what="a.test is closed")
    now = Now(at=from_epoch_ms(120 * MINUTE), flows="yes", sentence="Yes.", findings=[bad, held])
    summary = summary_of(AlertBook(), now, table="ops", day="1970-01-01", hostname="h")
    assert "until somebody ends it:\n- 7 held by a hold that stands (since 1970-01-01T00:00:00.000Z)" in summary.text
    assert summary.data["wanted"] == ["7 held by a hold that stands"]
    assert "a.test is closed" not in summary.text


def test_issue15_5_nothing_is_over_because_nobody_looked() -> None:
    """Where who looks was away for an hour, the first look that misses it is the beginning of the five minutes."""
    book, _ = walk(AlertBook(), [[SITE]] * 3)
    assert walk(book, [[]] * 6, begin=70)[1] == ["75 over site_closed"]


def test_issue15_5_a_clock_that_is_set_back_makes_nobody_wait_for_its_old_time() -> None:
    """What stands is told ``after`` the look that saw it by the new time, what is gone five minutes after that."""
    day = 24 * 60
    book, said = walk(AlertBook(), [[SITE]], begin=day)
    assert said == []
    book, said = walk(book, [[SITE]] * 3 + [[]], begin=10)
    assert said == ["12 began site_closed"]
    book, said = walk(book, [[]] * 12, begin=1)
    assert said == ["6 over site_closed"]
    assert book.told == (6 * MINUTE + 1,)


def test_issue15_5_what_a_table_wants_is_by_level_kind_and_age() -> None:
    """Of what stands, too: what is less bad now may be wanted no more."""
    was = look_at(AlertBook(), [SITE], 1, is_cut=False).standing[0]
    old = replace(was, kind="old_mail", level="bad")
    for wanted, has_site, has_old in (
        (Wanted("warn", (), timedelta(hours=1)), True, True),
        (Wanted("bad", (), timedelta(0)), False, False),
        (Wanted("warn", ("health", "site*"), timedelta(0)), True, False),
        (Wanted("warn", ("health",), timedelta(hours=1)), False, True),
    ):
        assert (wanted.has(was), wanted.has(old)) == (has_site, has_old)


def test_issue15_5_it_is_the_same_trouble_whatever_is_said_of_it() -> None:
    """Which command helps, and which page shows it, changes with its reason; two webhooks are two troubles."""

    def key(kind: str, what: str, about: str, *command: str) -> str:
        found = Finding(kind=kind, scope="us", level="bad", what=what, about=about, command=command, place=f"/{what}")
        now = Now(at=from_epoch_ms(0), flows="no", sentence="", findings=[found])
        (one,) = subjects(now, {}, Wanted("warn", (), timedelta(0)))
        return one.key

    assert key("slow", "a", "a.test", "x") == key("slow", "b", "a.test", "y")
    assert key("webhook", "a", "one") != key("webhook", "a", "two")
    assert key("slow", "a", "a.test") != key("site_closed", "a", "a.test")


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
            book = could_not_tell(book, letter, now_ms, "no")
    waits = [after - before for before, after in pairwise(tried)]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert set(waits[7:]) == {120}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("maybe", "said"),
    [pytest.param(True, ["8 over site_closed"], id="maybe"), pytest.param(False, [], id="surely not")],
)
def test_issue15_5_who_may_have_heard_of_it_hears_that_it_is_over(maybe: bool, said: list[str]) -> None:
    """A receiver that was cut off before it answered may have an open incident; one that refused has none."""
    book = look_at(look_at(AlertBook(), [SITE], 1, is_cut=False), [SITE], 2 * MINUTE + 1, is_cut=False)
    (letter,) = due(book, 2 * MINUTE + 1, table="ops", after=timedelta(minutes=2), most_an_hour=20)
    assert about_to_tell(book, letter).standing[0].maybe
    book = could_not_tell(about_to_tell(book, letter), letter, 2 * MINUTE + 1, "no", maybe=maybe)
    book, heard = walk(book, [[]] * 70, begin=3)
    assert (heard, book.standing) == (said, ())


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


def test_issue15_5_whatever_a_host_said_the_mail_of_it_can_be_read() -> None:
    """Other alphabets, signs that turn the line round, ends of lines, half a sign: one encoded subject, and a text."""
    said = plain_text("550 \u202e\u0645\u0631\u062d\u0628\u0627\r\nBcc: x@y.test \U0001f4a9 \udce9" + "\u00e9" * 600)
    table = AlertSection(name="ops", to="ops@example.net")
    octets = written(table, "mail.example.com", Message("a-1", "began", said, f"{said}\n", {})).as_bytes()
    message = message_from_bytes(octets, policy=default)
    assert octets.partition(b"\n\n")[0].isascii()
    assert message["subject"] == said[:150]
    assert message["bcc"] is None
    assert message.get_content() == f"{said}\n"


def test_issue15_5_of_a_table_that_is_no_more_what_was_heard_is_over() -> None:
    """What may have been heard is too; it is tried eight times, and what nobody heard is forgotten."""
    book = look_at(AlertBook(), [SITE, NETWORK], 1, is_cut=False)
    assert all_over(book, 2).standing == ()
    site, network = book.standing
    book = replace(book, standing=(replace(site, told_ms=1), replace(network, maybe=1)))
    letters = due(all_over(book, 2), 2, table="ops", after=timedelta(minutes=2), most_an_hour=20)
    assert [(one.state, one.about.kind) for one in letters] == [("over", "site_closed"), ("over", "network")]
    assert "nobody looks for it any more" in message_of(letters[0], "h", is_goodbye=True).text
    tired = replace(book, standing=(replace(site, told_ms=1, failures=MOST_GOODBYES),))
    assert all_over(tired, 2).standing == ()


def test_issue15_5_that_a_table_cannot_tell_is_for_the_others_to_tell() -> None:
    """It would be about its own way."""
    failing = KeptFinding(check="alerts", what="night", state="fail", known="fail", found="no", since_ms=1)
    now = Now(at=from_epoch_ms(1), flows="yes", sentence="")
    told_by = {
        name: [
            one.what
            for one in subjects(now, {"m": Checkup(findings=(failing,))}, Wanted("bad", (), timedelta(0), own=name))
        ]
        for name in ("night", "desk")
    }
    assert told_by == {"night": [], "desk": ["m: alerts, night: fail"]}
