"""What ended badly is sent again: once, linked both ways, while its message is kept; and what is bounced by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from mailbag import PROCESS, TOKEN, Mailbag, open_bag

from softbounce import Client, InvalidArgument, MessageGone, NotFound
from softbounce.envelope import Flag, State
from softbounce.ids import next_id, parse_id
from softbounce.store import claiming
from softbounce.store.kept_bodies import free_bodies

MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"


@pytest.fixture
def bag(store_url: str) -> Iterator[Mailbag]:
    """A store whose bodies are kept, and whose books are audited afterwards."""
    with open_bag(store_url) as bag:
        bag.store.run(free_bodies(0, bag.settings))
        yield bag
        bag.audit()


def send(mail: Client, *recipients: str, **more: object) -> list[str]:
    """Send; the envelopes' ids in the order of the recipients."""
    receipt = mail.send(sender="app@example.com", recipients=recipients, message=MESSAGE, **more)  # type: ignore[arg-type]
    return [receipt.envelopes[one] for one in recipients]


def test_issue14_what_bounced_is_sent_again_with_all_that_it_had(mail: Client, bag: Mailbag) -> None:
    """The same octets, stream, tenant, tags, metadata, options and window; attempts and age begin anew."""
    (old,) = send(
        mail,
        "ann@example.net",
        stream="otp",
        tenant="shop-7",
        tags=["order"],
        metadata={"order": "1042"},
        window=timedelta(minutes=15),
        dsn={"notify": ["success"], "envid": "x"},
    )
    assert mail.bounce(old, reason="asked to stop", by="ann") == "bounced"
    resent = mail.resend(old, by="ann")
    assert resent.answer == "resent"
    was, now = mail.show(old), mail.show(str(resent.envelope_id))
    assert (was.resent_as, now.resent_from) == (now.id, was.id)
    for name in ("message_id", "sender", "recipient", "stream", "tenant", "tags", "metadata", "policy"):
        assert getattr(was, name) == getattr(now, name)
    assert (was.state, now.state, now.attempts) == ("bounced", "scheduled", ())
    assert now.expires_at - now.created_at == timedelta(minutes=15)
    first, second = bag.records([parse_id(old), parse_id(now.id)])
    assert first.envelope.dsn == second.envelope.dsn is not None
    stored = bag.store.run(claiming.bodies([first, second]))
    assert stored[0] == stored[1] is not None
    told = [(event.kind, event.id, event.cause) for event in mail.events()]
    assert [one for one in told if one[1] == old] == [
        ("accepted", old, None),
        ("bounced", old, "operator"),
        ("resent", old, None),
    ]
    assert [one for one in told if one[1] != old] == [("accepted", now.id, None)]


def test_issue14_a_resend_twice_makes_one_and_the_new_one_may_be_sent_again(mail: Client) -> None:
    """Each envelope once; after 64 times no more."""
    (identity,) = send(mail, "a@example.net")
    seen = [identity]
    while True:
        mail.cancel(seen[-1])
        resent = mail.resend(seen[-1])
        if resent.answer == "too_often":
            break
        assert resent.envelope_id is not None
        again = mail.resend(seen[-1])
        assert (again.answer, again.envelope_id) == ("already_resent", resent.envelope_id)
        seen.append(resent.envelope_id)
    assert len(set(seen)) == 66
    assert mail.queue().states == dict.fromkeys(mail.queue().states, 0) | {"cancelled": 66}


def test_issue14_a_resend_whose_link_was_lost_makes_no_second(mail: Client, bag: Mailbag) -> None:
    """Its id is told by the old one's: a hand, or an older version, that took the link off makes no other."""
    (old,) = send(mail, "a@example.net")
    mail.cancel(old)
    new = mail.resend(old).envelope_id
    record = bag.record(parse_id(old))
    record.envelope.resent_as = b""
    octets = record.pack()
    bag.raw.hset(bag.key("e"), record.id, octets)
    bag.raw.hset(bag.key("totals"), "done_octets", len(octets))
    assert mail.resend(old).envelope_id == new
    assert mail.queue().total == 2
    assert [event.kind for event in mail.events()].count("resent") == 1


def test_issue14_the_last_recipients_have_numbers_too(mail: Client) -> None:
    """Of a message to a thousand each is sent again as one of its own."""
    ids = send(mail, *(f"r{number}@example.net" for number in range(1000)))
    assert mail.act_on_matching("cancel", state="scheduled") == {"cancelled": 1000}
    assert mail.act_on_matching("resend", dry_run=True, state="cancelled") == {"matched": 1000}
    assert mail.act_on_matching("resend", state="cancelled") == {"resent": 1000}
    assert mail.act_on_matching("resend", state="cancelled") == {}
    assert mail.queue().states["scheduled"] == 1000
    assert {mail.show(one).recipient for one in ids[:3]} == {
        mail.show(str(mail.show(one).resent_as)).recipient for one in ids[:3]
    }
    assert next_id(b"x" * 14 + (65_000).to_bytes(2)) is None


def test_issue14_what_is_under_way_or_delivered_is_not_sent_again(mail: Client, bag: Mailbag) -> None:
    """Unless that is forced, where the message is there; and nothing that nobody knows."""
    one, two = send(mail, "a@example.net", "b@example.net")
    assert mail.resend(one).answer == "not_ended"
    mail.cancel(one)
    bag.put(bag.record(parse_id(two)), State.DELIVERED)
    assert mail.resend(two).answer == "delivered"
    assert mail.act_on_matching("resend", dry_run=True, recipient="b@*") == {}
    assert mail.resend(two, force=True).answer == "resent"
    (alone,) = send(mail, "c@example.net")
    bag.put(bag.record(parse_id(alone)), State.DELIVERED)
    with pytest.raises(MessageGone, match="that of a delivered one goes at once"):
        mail.resend(alone, force=True)
    with pytest.raises(NotFound):
        mail.resend("0" * 26)


def test_issue14_a_resend_says_why_the_message_is_gone(mail: Client, bag: Mailbag) -> None:
    """What, when, since when, and what to do; among many it is counted."""
    one, two = send(mail, "a@example.net", "b@example.net")
    mail.act_on_matching("cancel", state="scheduled")
    bag.store.run(free_bodies(0, bag.settings, [parse_id(one)[:14]], gives_way=True))
    with pytest.raises(MessageGone, match=r"was cancelled at .* no longer stored.* keep_bodies.*[Ss]end it anew"):
        mail.resend(one)
    assert mail.act_on_matching("resend", state="cancelled") == {"message_gone": 2}
    assert mail.show(two).resent_as is None


def test_issue14_no_resend_to_a_suppressed_address_unless_it_is_forced(mail: Client) -> None:
    """Forced it goes where an address was concluded to be dead; what a person said holds."""
    (one,) = send(mail, "a@example.net")
    mail.cancel(one)
    mail.suppress("a@example.net")
    assert mail.resend(one).answer == "suppressed"
    assert mail.act_on_matching("resend", state="cancelled") == {"suppressed": 1}
    assert mail.resend(one, force=True).answer == "suppressed"
    assert mail.unsuppress("a@example.net")
    assert mail.resend(one).answer == "resent"


def test_issue14_a_bounce_by_hand_tells_who_and_why(mail: Client, bag: Mailbag) -> None:
    """It keeps the last reply; twice is once; an attempt under way is asked; what ended otherwise stays."""
    one, two, three = send(mail, "a@example.net", "b@example.net", "c@example.net")
    assert [mail.bounce(one, reason="the list was stolen", by="ann@ops") for _ in range(2)] == ["bounced"] * 2
    bounce = mail.show(one).bounce
    assert bounce is not None
    assert (bounce.cause, bounce.suppress) == ("operator", False)
    (event,) = [event for event in mail.events() if event.kind == "bounced"]
    assert (event.cause, event.why) == ("operator", "ann@ops ended it: the list was stolen")
    assert "ann@ops ended it: the list was stolen" in mail.explain(one)
    mail.cancel(two)
    assert mail.bounce(two) == "too_late"
    bag.release()
    bag.claim()
    assert mail.bounce(three, reason="stolen", by="ann") == "bouncing"
    record = bag.record(parse_id(three))
    asked = (record.flags & Flag.CANCEL_ASKED, record.envelope.bounce_asked)
    assert asked == (Flag.CANCEL_ASKED, "ann ended it: stolen")
    assert (record.token, record.state) == (TOKEN, State.ATTEMPTING)
    assert "ann ended it: stolen" in mail.explain(three)
    assert bag.store.run(claiming.mark(PROCESS, [(record.id, TOKEN)])) == [2]
    for wrong in ({"reason": "x" * 201}, {"by": "a\nb"}, {"reason": "\x1b[31m"}):
        with pytest.raises(InvalidArgument):
            mail.bounce(one, **wrong)


def test_issue14_a_resend_counts_for_the_quotas_of_its_message(mail: Client, bag: Mailbag) -> None:
    """Where unfinished envelopes of it are counted, one more is, and it is counted off when it ends."""
    one, two = send(mail, "a@example.net", "b@example.net")
    message, room = parse_id(one)[:14], b"r" * 16
    bag.raw.hset(bag.key("counted"), message, (2).to_bytes(2) + bytes(8) + room)
    bag.raw.hset(bag.key("waiting"), room, 2)
    waits = lambda: int(bag.raw.hget(bag.key("waiting"), room) or 0)  # noqa: E731 - short
    mail.cancel(one)
    assert waits() == 1
    again = mail.resend(one).envelope_id
    assert waits() == 2
    mail.cancel(str(again))
    mail.cancel(two)
    assert (waits(), bag.raw.hlen(bag.key("counted"))) == (0, 0)
