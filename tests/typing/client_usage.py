"""The client as an app uses it: checked by type checkers, never run."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import assert_type

from softbounce import (
    AsyncClient,
    CancelAnswer,
    Client,
    Event,
    EventsLost,
    InvalidMessage,
    KeyReused,
    NotFound,
    Outgoing,
    QueueCounts,
    Receipt,
    Shown,
    ShownHold,
    StoreUncertain,
)

message = EmailMessage()


def send_one() -> str:
    """One message, and the id of one of its envelopes."""
    with Client("redis://localhost:6379/0", timeout=5.0) as mail:
        receipt = mail.send(
            sender="app@example.com",
            recipients=["a@example.net"],
            message=message,
            stream="otp",
            tenant="acme",
            key="order-1042",
            at=datetime.now(UTC),
            window=timedelta(minutes=15),
            dsn={"notify": ["failure", "delay"], "ret": "headers", "envid": "1042"},
        )
        assert_type(receipt, Receipt)
        assert_type(receipt.envelopes, dict[str, str])
        assert_type(receipt.known, bool)
        return receipt.envelopes["a@example.net"]


def send_many() -> list[Receipt]:
    """Many messages, and what every error carries."""
    with Client("unix:///srv/mail/var/store.sock") as mail:
        batch: list[Outgoing] = [
            {"sender": "", "recipients": ("a@example.net",), "message": b"Subject: x\r\n\r\nx\r\n"}
        ]
        try:
            receipts = mail.send_many(batch)
        except StoreUncertain as error:
            assert_type(error.receipts, dict[int, Receipt])
            assert_type(error.keys, dict[int, str])
            return list(error.receipts.values())
        except KeyReused as error:
            assert_type(error.index, int | None)
            raise
        except InvalidMessage as error:
            assert_type((error.field, error.reason), tuple[str, str])
            raise
        mail.send_many([{"sender": "a@example.com", "recipients": ["b@example.net"], "message": message}])
        return receipts


def look(envelope_id: str) -> None:
    """What is known of an envelope."""
    with Client("redis://localhost:6379/0") as mail:
        try:
            shown = mail.show(envelope_id)
        except NotFound:
            return
        assert_type(shown, Shown)
        assert_type(shown.next_attempt_at, datetime | None)
        for attempt in shown.attempts:
            assert_type(attempt.code, int | None)
        if shown.bounce is not None and shown.bounce.suppress:
            assert_type(shown.bounce.cause, str)
        assert_type(mail.cancel(envelope_id), CancelAnswer)
        assert_type(mail.explain(envelope_id), str)
        assert_type(mail.queue(stream="otp", tenant="acme"), QueueCounts)
        assert_type(mail.add_hold("site", "google.com", until=timedelta(hours=2)), ShownHold)
        assert_type(mail.queue(older=timedelta(hours=2), younger="1d", reply="try again"), QueueCounts)


def after_a_restore() -> None:
    """What is held, page by page, and then let go."""
    with Client("redis://localhost:6379/0") as mail:
        assert_type(mail.queue(held_for="restored"), QueueCounts)
        page = mail.page(held_for="may_duplicate", limit=20)
        assert_type([one.recipient for one in page.envelopes], list[str])
        if page.next is not None:
            page = mail.page(held_for="may_duplicate", after=page.next)
        assert_type(mail.act_on_matching("release", held_for="restored", dry_run=True), dict[str, int])


def follow(cursor: str | None) -> str | None:
    """Events, for ever."""
    with Client("redis://localhost:6379/0") as mail:
        try:
            for event in mail.events(after=cursor, follow=True):
                assert_type(event, Event)
                cursor = event.cursor
        except EventsLost as lost:
            return lost.resume_after
    return cursor


async def on_asyncio() -> Receipt:
    """The same on asyncio."""
    async with AsyncClient("redis://localhost:6379/0") as mail:
        receipt = await mail.send(sender="app@example.com", recipients={"a@example.net"}, message=message)
        assert_type(await mail.show(receipt.envelopes["a@example.net"]), Shown)
        async for event in mail.events():
            assert_type(event, Event)
        return receipt
