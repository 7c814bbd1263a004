"""Notices: whom they go to, and what stands in them, read back by the standard library and by our own intake."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import msgspec
import pytest
from softbounce_gateway.returns.reading.reading import read_report
from softbounce_gateway.returns.reading.report import Kind
from softbounce_scheduler.notices.due import MOST_TOGETHER, Action, due, is_wanted, may_tell
from softbounce_scheduler.notices.hourly import HOUR_MS, MOST_ADDRESSES, Hourly
from softbounce_scheduler.notices.report import Notice, Outcome, write_notice
from softbounce_scheduler.notices.returned import HEAD_OCTETS, Returned, returned

from softbounce.client.send.packing import pack_body
from softbounce.deliver_by import DeliverBy
from softbounce.dsn import Dsn
from softbounce.envelope import Body, Envelope
from softbounce.events import StoredEvent, encode_events
from softbounce.ids import envelope_id, new_message_id
from softbounce.message import prepare
from softbounce.settings import Notices

AT = datetime(2026, 11, 28, 18, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEADER = b"From: app@shop.test\r\nSubject: Your order\r\nMessage-ID: <o1@shop.test>\r\n"
WHOLE = HEADER + b"\r\nThank you.\r\n"
REFUSED = Outcome(
    recipient="gone@b.test",
    log_id="0e",
    original="old@b.test",
    host="mx.b.test",
    code=550,
    enhanced="5.1.1",
    text="no such user here",
    cause="rejected",
    why="The host refused it.",
    tried_at=AT,
)
FAILED = Notice(
    id="notice-0e-bounced",
    action=Action.FAILED,
    to="app@shop.test",
    sent_from="MAILER-DAEMON@mail.shop.test",
    hostname="mail.shop.test",
    at=AT,
    arrived_at=AT,
    outcomes=[REFUSED],
    envid="order+7 a",
    message_id="<o1@shop.test>",
    returned=Returned(WHOLE, "message/rfc822", "Your message is attached."),
)


def envelope(**said: object) -> Envelope:
    """An envelope that came by SMTP."""
    made = Envelope(
        sender="app@shop.test",
        recipient="gone@b.test",
        domain="b.test",
        key="k",
        body=Body(octets=len(WHOLE)),
        message_id_header="<o1@shop.test>",
        way="smtp",
    )
    return msgspec.structs.replace(made, **said)


def parsed(notice: Notice) -> tuple[EmailMessage, list[EmailMessage]]:
    """It, as it would leave, and its parts, by the standard library; which finds no fault in it."""
    octets = prepare(write_notice(notice), max_octets=10**8).octets
    message = cast("EmailMessage", message_from_bytes(octets, policy=default))
    assert not [one.defects for one in message.walk() if one.defects]
    return message, cast("list[EmailMessage]", list(message.iter_parts()))


def fields_of(part: EmailMessage) -> list[dict[str, str]]:
    """The groups of a delivery status."""
    assert part.get_content_type() == "message/delivery-status"
    return [dict(group.items()) for group in cast("list[EmailMessage]", part.get_payload())]


def test_M28_a_failure_is_read_back_by_the_standard_library() -> None:
    """RFC 3464 with all that is known, RFC 6522 around it, and a header that no machine answers (RFC 3834)."""
    message, parts = parsed(FAILED)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "app@shop.test"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mail.shop.test>"
    assert message["Message-ID"] == "<notice-0e-bounced@mail.shop.test>"
    assert message["In-Reply-To"] == message["References"] == "<o1@shop.test>"
    of_message, of_recipient = fields_of(parts[1])
    assert of_message == {
        "Original-Envelope-Id": "order+7 a",
        "Reporting-MTA": "dns; mail.shop.test",
        "Arrival-Date": "Sat, 28 Nov 2026 18:30:00 +0000",
    }
    assert of_recipient == {
        "Original-Recipient": "rfc822; old@b.test",
        "Final-Recipient": "rfc822; gone@b.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.b.test",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user here",
        "Last-Attempt-Date": "Sat, 28 Nov 2026 18:30:00 +0000",
        "Final-Log-ID": "0e",
    }
    assert parts[2].get_content_type() == "message/rfc822"
    assert parts[2].get_content()["Subject"] == "Your order"
    prose = parts[0].get_content()
    assert "mx.b.test said: 550 5.1.1 no such user here" in prose
    assert max(len(line) for line in prose.splitlines()) <= 76


@pytest.mark.parametrize("action", list(Action))
def test_M29_what_we_write_says_that_a_machine_wrote_it(action: Action) -> None:
    """RFC 3834: nobody's vacation notice answers it."""
    message, _ = parsed(replace(FAILED, action=action))
    assert message["Auto-Submitted"] == "auto-replied"


@pytest.mark.parametrize(
    ("action", "said", "kind", "status"),
    [
        (Action.FAILED, {}, Kind.FAILED, "5.1.1"),
        (Action.FAILED, {"enhanced": ""}, Kind.FAILED, "5.0.0"),
        (Action.FAILED, {"code": 452, "enhanced": "4.2.2", "cause": "promoted"}, Kind.FAILED, "4.2.2"),
        (Action.FAILED, {"code": 450, "enhanced": "", "cause": "promoted"}, Kind.FAILED, "4.4.7"),
        (Action.FAILED, {"code": None, "enhanced": "", "text": "", "cause": "suppressed"}, Kind.FAILED, "5.7.1"),
        (Action.FAILED, {"code": None, "enhanced": "5.1.10", "text": "null MX"}, Kind.FAILED, "5.1.10"),
        (Action.FAILED, {"code": None, "enhanced": "2.0.0\r\nAction: delivered"}, Kind.FAILED, "5.0.0"),
        (Action.DELAYED, {"code": 451, "enhanced": "4.7.1", "until": AT}, Kind.DELAYED, "4.7.1"),
        (Action.DELAYED, {"code": None, "enhanced": "5.7.9", "text": "", "host": ""}, Kind.DELAYED, "4.0.0"),
        (Action.RELAYED, {"code": 250, "enhanced": "2.6.0", "text": "queued"}, Kind.DELIVERED, "2.6.0"),
    ],
)
def test_issue14_8_our_own_intake_reads_it(action: Action, said: dict[str, object], kind: Kind, status: str) -> None:
    """What it says goes round: the kind, the recipient, the status and the host's words."""
    outcome = replace(REFUSED, **said)  # type: ignore[arg-type]
    report = read_report(write_notice(replace(FAILED, action=action, outcomes=[outcome])))
    (read,) = report.outcomes
    assert (report.kind, read.kind, read.status) == (kind, kind, status)
    assert read.addresses == ("old@b.test", "gone@b.test")
    assert read.host == outcome.host
    assert report.reporter == "mail.shop.test"
    assert outcome.text in read.diagnostic.replace("\n", " ")


@pytest.mark.parametrize(
    ("action", "returns", "cause", "at", "status"),
    [
        (Action.DELAYED, False, "", AT, "4.4.7"),
        (Action.DELAYED, True, "", AT - MINUTE, "4.2.2"),
        (Action.FAILED, True, "promoted", AT, "5.4.7"),
        (Action.FAILED, True, "promoted", AT - MINUTE, "4.2.2"),
        (Action.FAILED, True, "rejected", AT, "4.2.2"),
        (Action.FAILED, False, "promoted", AT, "4.2.2"),
        (Action.RELAYED, False, "", AT, "2.0.0"),
    ],
    ids=["N", "R-policy-warns", "R", "R-before", "R-refused", "N-window-over", "passed-on"],
)
def test_M31_a_time_that_is_over_has_its_status(
    action: Action, returns: bool, cause: str, at: datetime, status: str
) -> None:
    """X.4.7 whatever the host said last, which stands beside it; and the time itself (RFC 2852 §4.1.3, §5)."""
    outcome = replace(REFUSED, code=452, enhanced="4.2.2", text="full", cause=cause)
    notice = replace(FAILED, action=action, outcomes=[outcome], at=at, deliver_by=AT, returns=returns)
    of_message, of_recipient = fields_of(parsed(notice)[1][1])
    assert (of_recipient["Status"], of_recipient["Diagnostic-Code"]) == (status, "smtp; 452 4.2.2 full")
    assert of_message["Deliver-By-Date"] == "Sat, 28 Nov 2026 18:30:00 +0000"
    assert "Deliver-By-Date" not in fields_of(parsed(FAILED)[1][1])[0]


def test_issue14_8_a_hosts_words_forge_nothing() -> None:
    """Line ends, fields, boundaries and characters beyond ASCII in a reply, an address or an id stay text."""
    hostile = "550 x\r\n\r\nFinal-Recipient: rfc822; else@b.test\r\nAction: delivered\r\n--b\x00\u2028é " + "y" * 2000
    outcome = replace(REFUSED, text=hostile, host="mx\r\nX: y", why=hostile)
    message, parts = parsed(replace(FAILED, outcomes=[outcome], envid="a\r\nBcc: b@c.test"))
    assert message["Bcc"] is None
    of_message, of_recipient = fields_of(parts[1])
    assert of_message["Original-Envelope-Id"] == "a Bcc: b@c.test"
    assert (of_recipient["Action"], of_recipient["Remote-MTA"]) == ("failed", "dns; mx X: y")
    assert of_recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1 550 x Final-Recipient: rfc822;")
    assert parts[1].as_bytes().isascii()
    assert len(parts) == 3


def test_issue14_8_addresses_beyond_ascii_need_nothing_of_the_hosts_on_the_way() -> None:
    """They are written as RFC 6533 has it for a report in ASCII, and read back as they are."""
    outcome = replace(REFUSED, recipient="jörg@b.test", original="")
    octets = write_notice(replace(FAILED, outcomes=[outcome], returned=None))
    assert octets.isascii()
    assert b"Final-Recipient: utf-8;j\\x{F6}rg@b.test" in octets
    (read,) = read_report(octets).outcomes
    assert read.addresses == ("jörg@b.test",)
    prose = cast("EmailMessage", next(cast("EmailMessage", message_from_bytes(octets, policy=default)).iter_parts()))
    assert "<jörg@b.test>:" in prose.get_content()
    prepared = prepare(write_notice(replace(FAILED, to="jörg@shop.test")), max_octets=10**6)
    assert prepared.smtputf8_headers


def test_issue14_8_several_recipients_stand_in_one_notice() -> None:
    """Each with a group of fields of its own."""
    outcomes = [replace(REFUSED, recipient=f"r{number}@b.test", original="") for number in range(MOST_TOGETHER)]
    notice = replace(FAILED, outcomes=outcomes, is_last=True)
    _, parts = parsed(notice)
    assert "100 recipients" in parts[0].get_content()
    assert "last notice to this address within this hour" in " ".join(parts[0].get_content().split())
    assert [one["Final-Recipient"] for one in fields_of(parts[1])[1:]] == [f"rfc822; r{n}@b.test" for n in range(100)]
    assert len(read_report(write_notice(notice)).outcomes) >= 99


# -- what is returned -------------------------------------------------------------------------------------------------


def stored(message: bytes) -> tuple[bytes, Envelope]:
    """A message as it is stored, and its envelope."""
    codec, chunks = pack_body(message)
    return b"".join(chunks), envelope(body=Body(octets=len(message), codec=codec, chunks=len(chunks)))


@pytest.mark.parametrize("body", [b"Thank you.\r\n", b"Thank you. " * 4000 + b"\r\n"])
def test_issue14_8_a_message_comes_back_whole_or_its_header(body: bytes) -> None:
    """However it is stored."""
    message = HEADER + b"\r\n" + body
    octets, of = stored(message)
    assert returned(octets, of, is_whole=True) == (message, "message/rfc822", "Your message is attached.")
    part = returned(octets, of, is_whole=False)
    assert part is not None
    assert part[:2] == (HEADER, "text/rfc822-headers")


def test_issue14_8_of_ten_megabytes_only_the_beginning_is_unpacked() -> None:
    """The first of its chunks is enough for the header, and no more is made of it than a header may have."""
    message = HEADER + b"\r\n" + (b"0123456789" * 7 + b"\r\n") * 145_000
    codec, chunks = pack_body(message)
    of = envelope(body=Body(octets=len(message), codec=codec, chunks=len(chunks)))
    part = returned(chunks[0], of, is_whole=False)
    assert part is not None
    assert part[:2] == (HEADER, "text/rfc822-headers")
    long = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 500) for number in range(400)) + b"\r\nbody\r\n"
    part = returned(*stored(long), is_whole=False)
    assert part is not None
    assert HEAD_OCTETS - 600 < len(part.octets) <= HEAD_OCTETS
    assert part.octets.endswith(b"y\r\n")


@pytest.mark.parametrize(
    ("octets", "codec"), [(None, 0), (b"\x28\xb5\x2f\xfdrubbish", 1), (b"", 1)], ids=["gone", "broken", "empty"]
)
def test_issue14_8_of_a_message_that_is_gone_its_id_comes_back(octets: bytes | None, codec: int) -> None:
    """And nothing, where even that is not known, or could forge a field."""
    of = envelope(body=Body(octets=100, codec=codec))
    part = returned(octets, of, is_whole=True)
    assert part is not None
    assert part.octets == b"Message-ID: <o1@shop.test>\r\n"
    for wrong in ("", "<a@b>\r\nX: y", "<a b@c>", "o1@shop.test"):
        assert returned(octets, envelope(body=of.body, message_id_header=wrong), is_whole=False) is None


def test_issue14_8_what_is_beyond_ascii_comes_back_as_such() -> None:
    """A header in UTF-8 as RFC 6533 has it; a body beyond ASCII within an ordinary message. Nothing breaks it."""
    utf8 = "Subject: Grüße\r\n\r\nHallo.\r\n".encode()
    for is_whole, kind in ((True, "message/global"), (False, "message/global-headers")):
        part = returned(*stored(utf8), is_whole=is_whole)
        assert part is not None
        assert part.type == kind
        octets = prepare(write_notice(replace(FAILED, returned=part)), max_octets=10**6).octets
        assert part.octets in octets
        assert read_report(octets).kind is Kind.FAILED
    eight_bit = returned(*stored(HEADER + "\r\nGrüße\r\n".encode()), is_whole=True)
    assert eight_bit is not None
    assert eight_bit.type == "message/rfc822"


# -- who is told of what ----------------------------------------------------------------------------------------------


def event(
    kind: str, way: str = "smtp", number: int = 0, message: bytes = new_message_id(0), **said: str
) -> StoredEvent:
    """An event of a recipient of a message."""
    return StoredEvent(kind=kind, id=envelope_id(message, number), way=way, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "about", "wanted"),
    [
        (event("bounced"), "submission", [Action.FAILED]),
        (event("bounced", "lmtp"), "submission", [Action.FAILED]),
        (event("returned"), "submission", [Action.FAILED]),
        (event("warned"), "submission", [Action.DELAYED]),
        (event("delivered"), "submission", []),
        (event("delivered", asked="SUCCESS"), "submission", [Action.RELAYED]),
        (event("delivered_late", asked="SUCCESS"), "submission", [Action.RELAYED]),
        (event("cancelled"), "submission", []),
        (event("suppressed"), "submission", []),
        (event("bounced", "http"), "submission", []),
        (event("bounced", "python"), "submission", []),
        (event("bounced", "outbox"), "submission", []),
        (event("bounced", ""), "submission", []),
        (event("bounced", "http"), "all", [Action.FAILED]),
        (event("bounced", "notice"), "all", []),
        (event("bounced"), "none", []),
    ],
)
def test_issue14_8_what_is_told_of_which_mail(told: StoredEvent, about: str, wanted: list[Action]) -> None:
    """Of what came by SMTP or LMTP by default, of all where that is wanted, of a notice never."""
    notices = Notices(about=about)  # type: ignore[arg-type]
    assert [one.action for one in due([told], 0, notices)] == wanted
    assert may_tell(encode_events([told])) or not wanted


@pytest.mark.parametrize(
    ("notify", "delay", "wanted"),
    [
        ("", True, {Action.FAILED, Action.DELAYED}),
        ("", False, {Action.FAILED}),
        ("NEVER", True, set()),
        ("SUCCESS", True, {Action.RELAYED}),
        ("FAILURE", True, {Action.FAILED}),
        ("DELAY", False, {Action.DELAYED}),
        ("SUCCESS,FAILURE,DELAY", False, {Action.FAILED, Action.DELAYED, Action.RELAYED}),
    ],
)
def test_issue14_8_notify_is_obeyed(notify: str, delay: bool, wanted: set[Action]) -> None:
    """What the sender asked for, and where he did not, failures and what the configuration says (RFC 3461 §4.1)."""
    notices = Notices(delay=delay, about="all")
    of = envelope(dsn=Dsn(notify=notify, envid="7"))
    assert {action for action in Action if is_wanted(of, action, notices)} == wanted
    for never in (envelope(sender=""), envelope(way="notice")):
        assert not any(is_wanted(never, action, notices) for action in Action)


@pytest.mark.parametrize(("notify", "is_told"), [("", True), ("DELAY", True), ("FAILURE", False), ("NEVER", False)])
def test_issue14_3_who_said_when_he_wants_to_hear_that_it_is_late_hears_of_it(notify: str, is_told: bool) -> None:
    """RFC 2852: whatever the configuration says of delays, unless NOTIFY asks for none."""
    of = envelope(dsn=Dsn(notify=notify), warn_ms=60_000)
    assert is_wanted(of, Action.DELAYED, Notices(delay=False)) is is_told


@pytest.mark.parametrize("notify", ["", "FAILURE", "DELAY", "SUCCESS", "NEVER"])
def test_M31_who_said_by_when_hears_that_it_was_passed_on(notify: str) -> None:
    """Where that is told, unless he wants to hear nothing (RFC 2852 §4.1.4.2)."""
    of = envelope(dsn=Dsn(notify=notify), deliver_by=DeliverBy(within_ms=60_000))
    assert is_wanted(of, Action.RELAYED, Notices()) is (notify != "NEVER")


def test_issue14_8_what_one_entry_tells_of_a_message_is_told_together() -> None:
    """Each kind for itself, up to a hundred recipients, under a key that is the same whenever the entry is read."""
    one, other = new_message_id(0), new_message_id(0)
    events = [event("bounced", number=number, message=one) for number in range(150)]
    events += [event("warned", message=one), event("bounced", message=other)]
    found = due(events, 5, Notices())
    assert [len(group.events) for group in found] == [100, 50, 1, 1]
    assert found == due(events, 5, Notices())
    assert len({group.key for group in found}) == 4
    assert found[0].key.endswith("-bounced")


def test_issue14_8_an_address_gets_so_many_in_an_hour() -> None:
    """The last one is known as such; the next hour begins anew; one that was not written does not count."""
    hourly = Hourly()
    assert [hourly.take("a@b.test", 0, 3) for _ in range(5)] == [2, 1, 0, -1, -1]
    assert hourly.left_out("a@b.test") == 2
    assert hourly.take("c@b.test", 0, 3) == 2
    assert hourly.take("a@b.test", HOUR_MS, 3) == 2
    hourly.give_back("a@b.test")
    assert hourly.take("a@b.test", HOUR_MS, 3) == 2
    for number in range(MOST_ADDRESSES):
        hourly.take(f"{number}@b.test", HOUR_MS, 3)
    assert len(hourly._counts) == MOST_ADDRESSES
    assert hourly.left_out("a@b.test") == 0
