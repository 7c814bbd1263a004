"""The trouble of a sender domain at a lane: what adds up against it, and what is none of its own."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from softbounce_worker.lane.evidence import Evidence, Scope
from softbounce_worker.lane.sender_trouble import ENOUGH, ENOUGH_WHERE_TAKEN, NEAR, SenderTroubles
from softbounce_worker.lane.signs import Sign, Told
from softbounce_worker.lane.trouble import TroubleMachine

from softbounce.settings import LaneRule

RULE = LaneRule(close_first=timedelta(seconds=30), close_cap=timedelta(minutes=5))
AUTH, IP = Told(reason="auth", text="DMARC"), Told(reason="ip_reputation", text="listed")


def identity(number: int, recipient: int = 0) -> bytes:
    """An envelope's id."""
    return number.to_bytes(14) + recipient.to_bytes(2)


def refused(number: int, *, sender: str = "one.test", recipient: int = 0, told: Told = AUTH) -> Sign:
    """One message that was refused for its sender, to one of its recipients."""
    return Sign(
        evidence=Evidence.SENDER,
        identity=identity(number, recipient),
        recipient="r@a.test",
        domain="a.test",
        sender=sender,
        blames_by_words=True,
        told=told,
    )


def taken(*, sender: str = "one.test") -> Sign:
    """One message that was not."""
    return Sign(evidence=Evidence.TAKEN, identity=b"t", recipient="r@a.test", domain="a.test", sender=sender)


def test_five_messages_close_it_and_four_do_not() -> None:
    """The fifth is not charged any more."""
    troubles = SenderTroubles("a.test")
    reactions = [troubles.meet(refused(number), 1000.0, RULE) for number in range(ENOUGH)]
    assert [one.waits for one in reactions] == [Scope.ENVELOPE] * (ENOUGH - 1) + [Scope.SENDER]
    assert [one.closed for one in reactions[:-1]] == [()] * (ENOUGH - 1)
    assert reactions[-1].closed[0].sender == "one.test"


def test_one_message_is_one_to_however_many_it_goes() -> None:
    """What somebody dislikes in it is its own affair, however often it is refused."""
    troubles = SenderTroubles("a.test")
    for recipient in range(100):
        troubles.meet(refused(7, recipient=recipient), 1000.0 + recipient, RULE)
        troubles.meet(refused(7, recipient=0), 1000.0 + recipient, RULE)
    assert not troubles.is_closed("one.test")
    assert len(troubles.known["one.test"].refused) == 1


def test_where_some_was_taken_a_moment_before_it_takes_twenty() -> None:
    """Half of a tenant's mail may be refused for what is in it."""
    troubles = SenderTroubles("a.test")
    troubles.meet(refused(0), 1000.0, RULE)
    troubles.meet(taken(), 1001.0, RULE)
    for number in range(1, ENOUGH_WHERE_TAKEN):
        troubles.meet(refused(number), 1002.0, RULE)
    assert not troubles.is_closed("one.test")
    troubles.meet(refused(ENOUGH_WHERE_TAKEN), 1002.0, RULE)
    assert troubles.is_closed("one.test")


def test_refused_for_our_address_neither_of_two_senders_is_to_blame() -> None:
    """Who had closed for it opens, and none closes any more; until something is taken."""
    troubles = SenderTroubles("a.test")
    for number in range(ENOUGH):
        troubles.meet(refused(number, told=IP), 1000.0, RULE)
    assert troubles.is_closed("one.test")
    reaction = troubles.meet(refused(50, sender="two.test", told=IP), 1001.0, RULE)
    assert reaction.opened_senders == ("one.test",)
    for number in range(60, 80):
        assert troubles.meet(refused(number, told=IP), 1002.0, RULE).waits is Scope.ENVELOPE
        assert troubles.meet(refused(number, sender="two.test", told=IP), 1002.0, RULE).waits is Scope.ENVELOPE
    assert not troubles.is_closed("one.test")
    assert not troubles.is_closed("two.test")
    troubles.meet(taken(sender="three.test"), 1003.0, RULE)
    for number in range(80, 80 + ENOUGH):
        troubles.meet(refused(number, told=IP), 1004.0, RULE)
    assert troubles.is_closed("one.test")


def test_few_come_when_it_is_asked_again() -> None:
    """The others wait until one got through; who failed comes behind the next."""
    troubles = SenderTroubles("a.test")
    for number in range(ENOUGH):
        troubles.meet(refused(number), 1000.0, RULE)
    near = [number for number in range(100) if troubles.is_near("one.test", bytes([number]))]
    assert len(near) == NEAR
    opens = 1000.0 + troubles.left_of("one.test", 1000.0)
    assert troubles.wait_for("one.test", b"a", opens, RULE) == 0
    assert troubles.wait_for("one.test", b"b", opens, RULE) > 0
    troubles.meet(msgspec.structs.replace(refused(0), identity=b"a"), opens + 1, RULE)
    again = opens + 1 + troubles.left_of("one.test", opens + 1)
    assert troubles.wait_for("one.test", b"a", again, RULE) > 0
    assert troubles.wait_for("one.test", b"b", again, RULE) == 0


def test_a_canary_that_was_not_tried_makes_room_for_another() -> None:
    """It is known by its id alone."""
    troubles = SenderTroubles("a.test")
    for number in range(ENOUGH):
        troubles.meet(refused(number), 1000.0, RULE)
    opens = 1000.0 + troubles.left_of("one.test", 1000.0)
    assert troubles.wait_for("one.test", b"a", opens, RULE) == 0
    troubles.came_back(b"b", opens, RULE)
    assert troubles.wait_for("one.test", b"b", opens, RULE) > 0
    troubles.came_back(b"a", opens, RULE)
    assert troubles.wait_for("one.test", b"b", opens, RULE) == 0


def test_a_lane_s_sender_whose_canary_was_not_tried_has_another() -> None:
    """The lane is told of it once, whatever the canary was of."""
    trouble = TroubleMachine("a.test", RULE)
    trouble.carries(["one.test", "two.test"])
    for number in range(ENOUGH):
        trouble.meet(refused(number), 1000.0)
    opens = 1000.0 + trouble.senders.left_of("one.test", 1000.0)
    assert trouble.senders.wait_for("one.test", b"a", opens, RULE) == 0
    assert trouble.senders.wait_for("one.test", b"b", opens, RULE) > 0
    trouble.came_back(b"a", "a.test", opens)
    assert trouble.senders.wait_for("one.test", b"b", opens, RULE) == 0
