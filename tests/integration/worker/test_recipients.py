"""Which recipient got which outcome, and how many copies went over the wire."""

from __future__ import annotations

import pytest
from delivery import Begin, in_loop, lane_settings
from mx import Mx

from softbounce import Shown
from softbounce.settings import LaneRule


def states(shown: list[Shown]) -> list[str]:
    """One an envelope."""
    return [one.state for one in shown]


def codes(shown: list[Shown]) -> list[list[int | None]]:
    """Those of all attempts, by envelope."""
    return [[attempt.code for attempt in one.attempts] for one in shown]


@in_loop
async def test_M03_each_recipient_has_an_outcome_of_its_own(begin: Begin) -> None:
    """The content goes to those that were accepted; 450 waits, 550 has ended."""
    async with begin() as mail:
        shown = await mail.deliver("accept@a.test", "defer@a.test", "reject@a.test")
        assert states(shown) == ["delivered", "scheduled", "bounced"]
        assert codes(shown) == [[250], [450], [550]]
        assert mail.playground.ledger.taken("accept@a.test") == 1
        assert not mail.playground.ledger.violations


@in_loop
async def test_M08_one_message_for_ten_recipients_is_one_copy(begin: Begin) -> None:
    """Ten recipients of one message at one site are one transaction."""
    recipients = [f"r{number}@a.test" for number in range(10)]
    async with begin() as mail:
        await mail.deliver("first@a.test")  # the site is known now
        shown = await mail.deliver(*recipients)
        assert states(shown) == ["delivered"] * 10
        entries = [entry for entry in mail.playground.ledger.entries if "first@a.test" not in entry.recipients]
        assert [len(entry.recipients) for entry in entries] == [10]


@in_loop
async def test_M07_no_transaction_has_more_than_100_recipients(begin: Begin) -> None:
    """250 recipients of one message are three transactions."""
    recipients = [f"r{number}@a.test" for number in range(250)]
    async with begin() as mail:
        await mail.deliver("first@a.test")
        shown = await mail.deliver(*recipients)
        assert set(states(shown)) == {"delivered"}
        sizes = [len(entry.recipients) for entry in mail.playground.ledger.entries[1:]]
        assert sum(sizes) == 250
        assert max(sizes) <= 100


@pytest.mark.parametrize("code", ["452 4.5.3 Too many recipients", "552 Too many recipients", "452 no"])
@in_loop
async def test_M05_M06_too_many_recipients_go_in_further_transactions(begin: Begin, code: str) -> None:
    """452 or 552 behind accepted recipients charges no attempt: the rest goes at once."""
    host = Mx(most_recipients=(5, code))
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        shown = await mail.deliver(*(f"r{number}@a.test" for number in range(12)))
        assert states(shown) == ["delivered"] * 12
        assert codes(shown) == [[250]] * 12
        assert len(host.bodies) == 1 + 3


@pytest.mark.parametrize(
    ("reply", "state"),
    [("552 5.2.2 The mailbox is full", "scheduled"), ("552 5.3.4 The message is too big", "bounced")],
)
@in_loop
async def test_M06_552_to_the_first_recipient_is_its_own(begin: Begin, reply: str, state: str) -> None:
    """A 552 with no recipient accepted before it means what it says."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"RCPT": reply}))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, [one.code for one in shown.attempts]) == (state, [552])


@in_loop
async def test_a_full_mailbox_behind_an_accepted_one_is_not_too_many(begin: Begin) -> None:
    """452 4.2.2 is charged to its recipient, wherever in the transaction it stands."""
    async with begin() as mail:
        await mail.deliver("first@a.test")
        shown = await mail.deliver("accept@a.test", "full@a.test", "accept2@a.test")
        assert states(shown) == ["delivered", "scheduled", "delivered"]
        assert len(mail.playground.ledger.entries) == 2


@in_loop
async def test_P03_all_refused_and_354_gets_a_lone_dot(begin: Begin) -> None:
    """A 354 behind nothing but refusals is answered by an empty content, and its 250 delivers nothing."""
    host = Mx({"RCPT": "550 5.1.1 no such user"})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test")
        assert states(shown) == ["bounced", "bounced"]
        assert set(host.bodies) == {b""}


@in_loop
async def test_M04_nobody_accepted_and_no_pipelining_means_no_data(begin: Begin) -> None:
    """Without PIPELINING DATA is not said at all when all recipients were refused."""
    async with begin() as mail:
        shown = await mail.deliver("reject1@a.nopipelining.test", "reject2@a.nopipelining.test")
        assert states(shown) == ["bounced", "bounced"]
        assert "DATA" not in await mail.commands()
        assert not mail.playground.ledger.violations


@pytest.mark.parametrize("domain", ["a.test", "a.nopipelining.test"])
@in_loop
async def test_S20_an_abandoned_transaction_ends_with_rset(begin: Begin, domain: str) -> None:
    """After a transaction in which all were refused, RSET comes before the next MAIL on the connection."""
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        assert states(await mail.deliver(f"reject@{domain}")) == ["bounced"]
        assert states(await mail.deliver(f"accept@{domain}")) == ["delivered"]
        verbs = [line[:4] for line in await mail.commands()]
        assert verbs.index("RSET") < verbs.index("MAIL", verbs.index("MAIL") + 1)
        assert verbs.count("EHLO") == 1
        assert not mail.playground.ledger.violations


@pytest.mark.parametrize(
    ("word", "state", "code"),
    [("accept", "delivered", 250), ("dotdefer", "scheduled", 451), ("dotreject", "bounced", 554)],
)
@in_loop
async def test_M09_the_answer_to_the_dot_decides(begin: Begin, word: str, state: str, code: int) -> None:
    """2yz: the host has it; 4yz: it waits; 5yz: it ends. For all recipients of the transaction alike."""
    async with begin() as mail:
        await mail.deliver("first@a.test")
        shown = await mail.deliver(f"{word}@a.test", "accept2@a.test")
        assert states(shown) == [state, state]
        assert codes(shown) == [[code], [code]]


@pytest.mark.parametrize(("recipients", "suppress"), [(1, True), (2, False)])
@pytest.mark.parametrize(("at", "before"), [("dot", "250 ok"), ("DATA", "354 go ahead")])
@in_loop
async def test_a_dead_address_after_the_recipients_needs_a_transaction_of_its_own(
    begin: Begin, at: str, before: str, recipients: int, suppress: bool
) -> None:
    """With several recipients nobody can tell whose address the answer to DATA, or to the dot, calls dead."""
    host = Mx({at: [before, "550 5.1.1 no such user"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        shown = await mail.deliver(*(f"r{number}@a.test" for number in range(recipients)))
        assert [one.bounce is not None and one.bounce.suppress for one in shown] == [suppress] * recipients


@in_loop
async def test_R05_a_refused_sender_is_no_verdict_on_the_next_one(begin: Begin) -> None:
    """550 to the MAIL of one message says nothing about another."""
    async with begin() as mail:
        first = await mail.send("r@a.test", sender="c550at-mail@sender.test")
        second = await mail.send("r@a.test")
        shown = await mail.settled(*first, *second)
        assert states(shown) == ["bounced", "delivered"]
