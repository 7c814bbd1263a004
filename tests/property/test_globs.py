"""Rows of globs are found as if each were compared, and in as much time as some fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from glob import escape

from hypothesis import example, given, settings
from hypothesis import strategies as st
from signing import ED25519, rule
from softbounce_worker.dkim.rules import SigningRules

from softbounce.globs import Globs, matches, one_name
from softbounce.settings import AssignRule, Settings, StreamRule

WORDS = st.text("aA@.*?[]!-x", max_size=7)
GLOBS = st.one_of(st.none(), st.sampled_from(["*", "*@a.x", "*.x", "a.x", "*@", "*.", ""]), WORDS)
ROWS = st.lists(st.tuples(GLOBS, GLOBS), max_size=12)
NAMES = st.one_of(st.none(), st.sampled_from(["x@a.x", "A.X", "@a.x", ".x", ""]), WORDS)


def fits(glob: str | None, name: str | None) -> bool:
    """As the standard library says."""
    if glob in {None, "*"}:
        return True
    return name is not None and glob is not None and fnmatchcase(name.lower(), glob.lower())


@settings(max_examples=1500)
@given(ROWS, NAMES, NAMES)
@example([("*@a.x", None)] * 2 + [(None, "a")], "x@A.x", "A")
def test_they_are_found_as_if_each_were_compared(
    rows: list[tuple[str | None, str | None]], one: str | None, other: str | None
) -> None:
    """All that fit, in their order."""
    wanted = [at for at, (left, right) in enumerate(rows) if fits(left, one) and fits(right, other)]
    globs = Globs(rows)
    assert list(globs.fitting(one, other)) == wanted
    assert globs.first(one, other) == (wanted[0] if wanted else None)


@given(WORDS)
def test_a_name_in_brackets_is_that_name(name: str) -> None:
    """What ``glob.escape`` writes fits that name and is read as it, where no glob is wanted; a bare star is no name."""
    assert matches(escape(name), name) or not name
    assert one_name(escape(name)) == name
    assert one_name(f"{escape(name)}*") is None


def seconds(ask: Callable[[int], object]) -> float:
    """The least of some rounds: what is asked about one envelope of ten customers in turn, two hundred times."""
    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for number in range(200):
            ask(number % 10)
        rounds.append(time.perf_counter() - began)
    return min(rounds)


def test_a_table_for_each_of_ten_thousand_customers_costs_no_more_than_for_ten() -> None:
    """An envelope of one of them is decided upon as fast: the standard library has room for 256 patterns at a time."""

    def tables(number: int) -> Settings:
        return Settings(
            assign=tuple(AssignRule(sender=f"*@customer{one}.example", policy="default") for one in range(number)),
            stream=tuple(StreamRule(name=f"s{one}") for one in range(number)),
        )

    def deciding(number: int) -> Callable[[int], object]:
        told = tables(number)

        def ask(customer: int) -> None:
            sender = f"app@customer{customer}.example"
            told.policy_for(stream="mail", domain="d.test", site="x.test", sender=sender)
            told.weight_of(f"s{customer}")

        ask(0)  # what is worked out once
        return ask

    assert seconds(deciding(10_000)) < 4 * seconds(deciding(10))


def test_a_key_for_each_of_ten_thousand_customers_costs_no_more_than_for_ten() -> None:
    """Whose message it is, is found as fast."""

    def signing(number: int) -> Callable[[int], object]:
        rules = SigningRules(rule(ED25519, "s", f"customer{one}.example") for one in range(number))
        (found,) = rules.identities("customer7.example")
        assert found.domain == "customer7.example"
        return lambda customer: rules.for_author(f"customer{customer}.example")

    assert seconds(signing(10_000)) < 4 * seconds(signing(10))
