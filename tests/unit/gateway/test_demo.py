"""The demo's own judge: a demo that cannot fail shows nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_gateway.demo.check import Account, disagreements, outcome_of, rows
from softbounce_gateway.demo.plan import BEHAVIOURS, CONFIG, planned
from softbounce_playground import Entry, Refusal

from softbounce import Shown, ShownAttempt, ShownBounce

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = CREATED + timedelta(seconds=10)
BY_NAME = {behaviour.name: behaviour for behaviour in BEHAVIOURS}
WHO = "someone@amber.test"


def attempt(*, uncertain: bool = False) -> ShownAttempt:
    """One attempt, answered 250 or not at all."""
    return ShownAttempt(
        number=1,
        started_at=CREATED,
        ended_at=CREATED,
        host="mx1.amber.test",
        address="127.77.0.1",
        stage="rcpt",
        code=None if uncertain else 250,
        enhanced=None,
        text="",
        verdict=None if uncertain else "delivered",
        reason=None,
        fault=None,
        rule=None,
        charged=True,
        uncertain=uncertain,
        next_attempt_at=None,
    )


def account(
    name: str,
    *,
    cause: str | None = None,
    state: str | None = None,
    code: int | None = None,
    ended_after: float | None = 10.0,
    uncertain: int = 0,
) -> Account:
    """An envelope of a behaviour that must be promoted when it is full, delivered when it is anything else."""
    bounce = cause and ShownBounce(
        cause=cause, code=code, enhanced=None, text="words", reason=None, suppress=False, own_attempts=1
    )
    return Account(
        behaviour=BY_NAME[name],
        recipient=WHO,
        outcome="bounced:promoted" if name == "mailbox full" else "delivered",
        shown=Shown(
            id="i",
            message_id="m",
            state=state or ("bounced" if cause else "delivered"),
            sender="a@b.example",
            recipient=WHO,
            stream="",
            site=None,
            policy="default",
            created_at=CREATED,
            next_attempt_at=None,
            expires_at=EXPIRES,
            bounce=bounce or None,
            attempts=(*[attempt(uncertain=True)] * uncertain, attempt()),
        ),
        ended_at=None if ended_after is None else CREATED + timedelta(seconds=ended_after),
    )


def taken(*, answer: int | None = 250, recipient: str = WHO) -> Entry:
    """A transaction that left a copy."""
    return Entry(
        at="",
        host="",
        address="",
        peer="",
        ehlo="",
        sender="",
        recipients=(recipient,),
        data_begun=True,
        complete=True,
        kept=True,
        answer=answer,
    )


def refused(code: int) -> Entry:
    """A transaction whose recipient was refused."""
    return Entry(at="", host="", address="", peer="", ehlo="", sender="", refused=(Refusal(WHO, code),))


AGREE = {
    "delivered once": (account("accept"), [taken()]),
    "delivered after a lost answer": (account("cut at the dot", uncertain=1), [taken(answer=None), taken()]),
    "promoted in time": (account("mailbox full", cause="promoted", code=452), [refused(452)]),
    "promoted by the final attempt": (account("mailbox full", cause="promoted", code=452, ended_after=9.5), []),
}
DISAGREE = {
    "not taken": (account("accept"), [], "hosts answered 250 for it 0 times"),
    "taken twice": (account("accept"), [taken(), taken()], "hosts answered 250 for it 2 times"),
    "an unexplained copy": (account("accept"), [taken(), taken(answer=None)], "2 copies, and only 0 can be explained"),
    "bounced and taken": (account("mailbox full", cause="promoted", code=452), [taken()], "but a host took it"),
    "another outcome": (account("accept", cause="rejected"), [], "should be delivered and is bounced:rejected"),
    "not final": (account("accept", state="scheduled"), [], "is still scheduled"),
    "another code": (account("mailbox full", cause="promoted", code=450), [], "the code 452 and has 450"),
    "not the last word": (
        account("mailbox full", cause="promoted", code=452),
        [refused(452), refused(451)],
        "the host's last word was 451",
    ),
    "too early": (account("mailbox full", cause="promoted", code=452, ended_after=4), [], "6.0 s before its window"),
    "too late": (account("mailbox full", cause="promoted", code=452, ended_after=16), [], "6.0 s after its window"),
    "no event": (account("mailbox full", cause="promoted", code=452, ended_after=None), [], "does not know it"),
    "nobody's": (account("accept"), [taken(), taken(recipient="x@y.test")], "x@y.test was taken, but nobody sent"),
}


@pytest.mark.parametrize(("one", "entries"), AGREE.values(), ids=AGREE)
def test_accounts_that_agree(one: Account, entries: list[Entry]) -> None:
    """What fits the plan and the ledger is not complained of."""
    assert disagreements([one], entries) == []


@pytest.mark.parametrize(("one", "entries", "words"), DISAGREE.values(), ids=DISAGREE)
def test_accounts_that_disagree(one: Account, entries: list[Entry], words: str) -> None:
    """Each contradiction is found, and said in a sentence that names the recipient."""
    found = disagreements([one], entries)
    assert any(words in sentence for sentence in found), found


def test_rows_count_by_behaviour() -> None:
    """The table adds up envelopes, attempts, copies and outcomes of each behaviour."""
    (row,) = rows([account("cut at the dot", uncertain=1)] * 2, [taken(answer=None), taken()])
    assert (row.envelopes, row.attempts, row.copies) == (2, 4, 4)
    assert row.outcomes == Counter(delivered=2)


def test_outcome_of_an_envelope_under_way() -> None:
    """An envelope that has not ended has its state as outcome."""
    assert outcome_of(account("accept", state="ready").shown) == "ready"


def test_the_plan_covers_every_kind_of_end() -> None:
    """At least 500 envelopes over 20 domains, each address once, with every outcome among them."""
    plan = list(planned())
    recipients = [recipient for one in plan for recipient in one.recipients]
    assert len(recipients) >= 500
    assert len(set(recipients)) == len(recipients)
    assert len({recipient.rpartition("@")[2] for recipient in recipients}) >= 20
    assert {one.outcome for one in plan} == {
        "delivered",
        "bounced:rejected",
        "bounced:unroutable",
        "bounced:promoted",
    }
    assert any(len(one.recipients) > 1 for one in plan)


def test_the_demo_has_a_valid_configuration(tmp_path: Path) -> None:
    """The demo's file is read without a complaint."""
    file = tmp_path / "softbounce.toml"
    file.write_text(CONFIG)
    assert load(file, environ={}).settings().policies["default"].window == timedelta(seconds=10)
