from __future__ import annotations

import pytest
from softbounce_playground import Entry, Refusal, audit, expected, summary

CASES = [
    ("accept-1", "a.test", "delivered"),
    ("anyone", "a.test", "delivered"),
    ("greylist9", "a.test", "delivered"),
    ("busy", "a.test", "delivered"),
    ("dropdot", "a.test", "delivered"),
    ("dropdata2", "a.test", "delivered"),
    ("slow10", "a.test", "delivered"),
    ("tarpit", "a.test", "delivered"),
    ("defer", "a.test", "bounced:promoted"),
    ("systemdown", "a.test", "bounced:promoted"),
    ("full", "a.test", "bounced:promoted"),
    ("dropdata", "a.test", "bounced:promoted"),
    ("dotdefer", "a.test", "bounced:promoted"),
    ("c499at-data", "a.test", "bounced:promoted"),
    ("c250at-data", "a.test", "bounced:promoted"),
    ("hangat-rcpt", "a.test", "bounced:promoted"),
    ("reject", "a.test", "bounced:rejected"),
    ("dotreject", "a.test", "bounced:rejected"),
    ("c552at-rcpt", "a.test", "bounced:rejected"),
    ("accept", "nxdomain.test", "bounced:unroutable"),
    ("accept", "nullmx.a.test", "bounced:unroutable"),
    ("accept", "loop.test", "bounced:unroutable"),
    ("accept", "private.test", "bounced:unroutable"),
    ("accept", "servfail.test", "bounced:promoted"),
    ("accept", "timeout.test", "bounced:promoted"),
    ("accept", "alldead.test", "bounced:promoted"),
    ("reject", "greet554.test", "bounced:promoted"),
    ("accept", "drop.test", "bounced:promoted"),
    ("accept", "c550at-mail.test", "bounced:rejected"),
    ("accept", "c354at-data.test", "delivered"),
    ("accept", "c250at-mail.c550at-rcpt.test", "bounced:rejected"),
    ("accept", "c451at-ehlo.test", "bounced:promoted"),
    ("accept", "dropat-ehlo.test", "delivered"),
    ("accept", "NOEHLO.test", "delivered"),
    ("accept", "deadmx.test", "delivered"),
    ("reject", "cname.test", "bounced:rejected"),
]


@pytest.mark.parametrize(("local_part", "domain", "outcome"), CASES, ids=[f"{case[0]}@{case[1]}" for case in CASES])
def test_the_address_tells_what_should_become_of_it(local_part: str, domain: str, outcome: str) -> None:
    """Trouble with the domain comes first, then with its hosts, then what the recipient asks for."""
    assert expected(local_part, domain) == outcome


def entry(*recipients: str, answer: int | None = 250, refused: tuple[str, ...] = ()) -> Entry:
    """A transaction of these recipients whose body arrived whole."""
    return Entry(
        at="", host="", address="", peer="", ehlo="", sender="", recipients=recipients, complete=bool(recipients),
        kept=bool(recipients), answer=answer, refused=tuple(Refusal(recipient, 450) for recipient in refused),
    )  # fmt: skip


def test_a_summary_counts_by_kind_of_recipient() -> None:
    """Each recipient counts once, each of its tries and copies too."""
    tallies = summary(
        [
            entry("accept-1@a.test", "accept-2@a.test", refused=("greylist@a.test",)),
            entry("greylist@a.test"),
            entry("dropdot@a.test", answer=None),
            entry("dropdot@a.test"),
        ]
    )
    assert {kind: (t.recipients, t.transactions, t.refused, t.taken, t.copies) for kind, t in tallies.items()} == {
        "accept": (2, 2, 0, 2, 2),
        "greylist": (1, 2, 1, 1, 1),
        "dropdot": (1, 2, 0, 1, 2),
    }


def test_an_audit_of_the_truth_finds_nothing() -> None:
    """Outcomes that fit the tables and the ledger raise no complaint, a doubled dropdot included."""
    entries = [entry("accept@a.test"), entry("dropdot@a.test", answer=None), entry("dropdot@a.test")]
    outcomes = {"accept@a.test": "delivered", "dropdot@a.test": "delivered", "reject@a.test": "bounced:rejected"}
    assert audit(outcomes, entries) == []


def test_an_audit_finds_every_lie() -> None:
    """Each contradiction between the outcome, the tables and the ledger is a sentence of its own."""
    entries = [entry("accept-2@a.test"), entry("accept-2@a.test"), entry("reject@a.test"), entry("ghost@a.test")]
    outcomes = {"accept-1@a.test": "delivered", "accept-2@a.test": "delivered", "reject@a.test": "bounced:promoted"}
    found = audit(outcomes, entries)
    assert [sentence.split()[0] for sentence in found] == [
        "accept-1@a.test",
        "accept-2@a.test",
        "reject@a.test",
        "reject@a.test",
        "ghost@a.test",
    ]
