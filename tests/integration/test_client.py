"""The client against real stores: what it stores, what it refuses, what it does to envelopes."""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from conftest import StartStore

from softbounce import (
    AlreadyEnded,
    AsyncClient,
    Client,
    ConfigError,
    EventsLost,
    InvalidAddress,
    InvalidArgument,
    InvalidMessage,
    KeyReused,
    NotFound,
    Outgoing,
    SchemaMismatch,
    StoreFull,
    StoreUnavailable,
    StoreUncertain,
)
from softbounce.client.send.packing import CHUNK_OCTETS
from softbounce.events import Event, StoredEvent, encode_events
from softbounce.ids import parse_id
from softbounce.settings import AssignRule, Policy, Settings, StreamRule
from softbounce.store import claiming, keys, membership, published, reading, releasing
from softbounce.store.call import Call
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.published import publish_settings
from softbounce.store.shards import Shards

SENDER = "app@example.com"
TOKEN = b"12345678"
NOISE = random.Random(1)  # noqa: S311 - any octets will do


def text_message(text: str = "Hello.") -> EmailMessage:
    """A message as an app makes it."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = "someone@example.net"
    message["Subject"] = "A test"
    message.set_content(text)
    return message


ONE_CLICK = "List-Unsubscribe: <https://example.com/u?a=1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


def outgoing(*recipients: str, text: str = "Hello.", key: str | None = None) -> Outgoing:
    """The arguments of a send."""
    return {"sender": SENDER, "recipients": recipients, "message": text_message(text), "key": key}


@pytest.fixture
def mail(store_url: str) -> Iterator[Client]:
    """A client of an empty store."""
    with Client(store_url) as client:
        yield client


@pytest.fixture
def store(store_url: str) -> Iterator[Shards]:
    """The same store, without a client."""
    shards = Shards(store_url)
    yield shards
    shards.close()


def count(store: Shards, name: str) -> int:
    """How many fields a hash of the store has."""
    (answer,) = store.call([Call.read(0, b"HLEN", keys.key(0, name))])
    return int(answer)


def claim(store: Shards, lane: str = "?example.net") -> None:
    """Do what scheduler and worker do up to the claim."""
    info = ProcessInfo(pid=1, host="here", started_ms=0)
    store.run(membership.enlist("worker", info, shards=1, lease_ms=60_000))
    due = store.run(releasing.due(0))
    store.run(releasing.release(0, {(lane, ""): [(one, 0) for one, _ in due.headers]}))
    store.run(claiming.claim("worker", TOKEN, [Batch(0, [(lane, "", 10)])]))


# -- tenants --------------------------------------------------------------------------------------------------------


def test_issue13_6_a_tenant_is_shown_told_and_selected_by(mail: Client) -> None:
    """What the send said is kept with the envelope and told by its events; else the sender's domain is whose it is."""
    to = ["a@example.net"]
    own = mail.send(sender=SENDER, recipients=to, message=text_message(), key="own", tenant="Acme:42").envelopes[to[0]]
    mail.send(sender="", recipients=to, message=text_message(), key="null")
    mail.send(sender=SENDER, recipients=to, message=text_message(), key="by domain")
    assert mail.show(own).tenant == "Acme:42"
    assert sorted(event.tenant for event in mail.events()) == ["", "Acme:42", "example.com"]
    assert mail.queue(tenant="Acme:*").total == 1
    assert mail.queue(tenant="example.com").total == 1
    assert [shown.id for shown in mail.page(tenant="Acme:42").envelopes] == [own]
    assert mail.act_on_matching("hold", tenant="Acme:42") == {"held": 1}
    assert [event.tenant for event in mail.events()][-1] == "Acme:42"


def test_issue13_6_a_tenant_is_no_part_of_the_content(mail: Client) -> None:
    """A repeat that names another has the same ids, and changes nothing."""
    said = {"sender": SENDER, "recipients": ["a@example.net"], "message": text_message(), "key": "same"}
    first = mail.send(**said, tenant="one")
    assert mail.send(**said, tenant="two").envelopes == first.envelopes
    assert mail.show(first.envelopes["a@example.net"]).tenant == "one"


@pytest.mark.parametrize("tenant", ["a|b", "ä", "a b", "x" * 129, "a\n", 7, None])
def test_issue13_6_a_tenant_s_name_is_checked(mail: Client, tenant: Any) -> None:  # noqa: ANN401 - nonsense among it
    """It names the field and what a name may have; nothing is stored."""
    with pytest.raises(InvalidMessage, match=r"tenant: a tenant's name has up to 128 of the characters"):
        mail.send(sender=SENDER, recipients=["a@example.net"], message=text_message(), tenant=tenant)
    assert mail.queue().total == 0


# -- tags and metadata ----------------------------------------------------------------------------------------------


def test_issue14_6_tags_and_metadata_go_along(mail: Client) -> None:
    """They are shown, each event has them, they are no part of the content, and mail is found by them."""
    said = {"sender": SENDER, "recipients": ["a@example.net"], "message": text_message(), "key": "same"}
    labels = {"tags": ["welcome", "eu"], "metadata": {"order": "1042", "note": "<img onerror=1>"}}
    first = mail.send(**said, **labels).envelopes["a@example.net"]
    assert mail.send(**said, tags=["other"]).envelopes["a@example.net"] == first
    mail.send(**{**said, "key": "plain", "recipients": ["b@example.net"], "sender": "b@example.org"})
    mail.hold(first)
    shown = mail.show(first).to_dict()
    assert (shown["tags"], shown["metadata"]) == (labels["tags"], labels["metadata"])
    told = [(event.kind, event.tags, event.metadata) for event in mail.events() if event.id == first]
    assert told == [(kind, tuple(labels["tags"]), labels["metadata"]) for kind in ("accepted", "held")]
    assert [event.metadata for event in mail.events() if event.id != first] == [{}]
    for fitting in (
        {"tag": "EU"},
        {"tag": "w*"},
        {"metadata": {"order": "10??", "note": "*"}},
        {"recipient": "a@*"},
        {"sender": SENDER},
    ):
        assert [one.id for one in mail.page(**fitting).envelopes] == [first]
        assert mail.queue(**fitting).total == 1
    for nothing in ({"tag": "order"}, {"metadata": {"customer": "*"}}, {"tag": "eu", "metadata": {"order": "9"}}):
        assert mail.queue(**nothing).total == 0
    assert mail.act_on_matching("release", tag="eu") == {"released": 1}


# -- send -----------------------------------------------------------------------------------------------------------


def test_a_send_on_an_empty_store_is_shown_as_it_was_given(mail: Client) -> None:
    """The first client makes the store one of one shard, and the built-in settings count."""
    before = datetime.now(UTC)
    receipt = mail.send(sender=SENDER, recipients=["a@example.net"], message=text_message(), stream="otp", key="1")
    shown = mail.show(receipt.envelopes["a@example.net"]).to_dict()
    assert list(shown) == [
        "id",
        "message_id",
        "state",
        "sender",
        "recipient",
        "stream",
        "site",
        "policy",
        "created_at",
        "next_attempt_at",
        "expires_at",
        "bounce",
        "attempts",
        "held_for",
        "uncertain",
        "tenant",
        "put_off",
        "tags",
        "metadata",
        "resent_as",
        "resent_from",
        "came_back",
        "set_policy",
        "set_window",
        "set_route",
    ]
    assert shown["id"] == receipt.envelopes["a@example.net"]
    assert len(shown["id"]) == 26
    assert shown["message_id"] == receipt.message_id
    assert (shown["state"], shown["sender"], shown["recipient"]) == ("scheduled", SENDER, "a@example.net")
    assert (shown["stream"], shown["site"], shown["policy"]) == ("otp", None, "default")
    assert shown["tenant"] == "example.com"
    assert shown["next_attempt_at"] == shown["created_at"]
    assert shown["created_at"].endswith("Z")
    created = datetime.fromisoformat(shown["created_at"])
    assert abs(created - before) < timedelta(seconds=5)
    assert datetime.fromisoformat(shown["expires_at"]) - created == timedelta(days=5)
    assert shown["bounce"] is None
    assert shown["attempts"] == []


def signed_message(number: int, text: str = "Hello.") -> bytes:
    """A message as a signer makes it, anew each time."""
    signature = f"DKIM-Signature: v=1; d=example.com; s=a; h=from; t={number}; b={'x' * number}\r\n"
    return f"{signature}From: app@example.com\r\nSubject: A test\r\n\r\n{text}\r\n".encode()


@pytest.mark.parametrize("many", [False, True])
def test_issue10_33_signed_anew_with_the_same_key_is_one_message(mail: Client, many: bool) -> None:
    """A repeat is known though its signature is another one, and other content is refused though it is signed."""

    def send(message: bytes) -> str:
        one: Outgoing = {"sender": SENDER, "recipients": ["a@example.net"], "message": message, "key": "order-1"}
        return mail.send_many([one, one])[0].message_id if many else mail.send(**one).message_id

    first = send(signed_message(1))
    assert send(signed_message(2)) == first
    assert send(signed_message(1).partition(b"\r\n")[2]) == first
    with pytest.raises(KeyReused):
        send(signed_message(3, text="Other."))
    assert sum(mail.queue().states.values()) == 1


@pytest.mark.parametrize("many", [False, True])
def test_issue10_33_a_key_of_an_older_version_is_known(mail: Client, store: Shards, many: bool) -> None:
    """A repeat of what an older version took is known by the digest which that one stored, in its shape."""
    message = EmailMessage()
    message["From"], message["To"] = "Jörg Müller <app@example.com>", "a@example.net"
    message["Subject"] = "Grüße an alle, die diesen Betreff lesen, der länger als eine Zeile ist"
    message["List-Unsubscribe"] = f"<https://news.example/unsubscribe?token={'a1-_' * 30}>"
    message.set_content("Grüße\n")
    one: Outgoing = {"sender": SENDER, "recipients": ["a@example.net"], "message": message, "key": "order-1"}
    first = mail.send(**one)
    name = keys.key(0, "k")
    (stored,) = store.call([Call.read(0, b"HGET", name, "order-1")])
    older = stored[:14] + bytes.fromhex("b9d32537cbdf6163021b7762d1c15fa0") + stored[30:32]
    store.call([Call.read(0, b"HSET", name, "order-1", older)])
    again = mail.send_many([one])[0] if many else mail.send(**one)
    assert (again.message_id, again.envelopes, again.known) == (first.message_id, first.envelopes, True)
    message.replace_header("Subject", "Another one")
    with pytest.raises(KeyReused):
        mail.send(**one)


def test_the_same_key_and_content_return_the_same_ids(mail: Client, store: Shards) -> None:
    """An app that rebuilds its mail, and lists its recipients otherwise, repeats: nothing is stored twice."""
    first = mail.send(**outgoing("a@example.net", "b@example.net", key="order-1"))
    again = mail.send(**outgoing("b@EXAMPLE.net", "a@example.net", key="order-1"))
    assert (first.known, again.known) == (False, True)
    assert again.message_id == first.message_id
    assert again.envelopes["b@EXAMPLE.net"] == first.envelopes["b@example.net"]
    assert count(store, "e") == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"sender": "other@example.com"}, id="sender"),
        pytest.param({"recipients": ["b@example.net"]}, id="recipients"),
        pytest.param({"stream": "news"}, id="stream"),
        pytest.param({"message": text_message("Other.")}, id="message"),
    ],
)
def test_a_key_with_other_content_is_refused(mail: Client, store: Shards, other: Outgoing) -> None:
    """The key names the content: sender, recipients, stream, message."""
    given = outgoing("a@example.net", key="order-1")
    mail.send(**given)
    with pytest.raises(KeyReused) as caught:
        mail.send(**(given | other))
    assert caught.value.key == "order-1"
    assert count(store, "e") == 1


def test_duplicates_get_one_id_and_the_callers_spelling(mail: Client, store: Shards) -> None:
    """Domain case aside; the local part's case is the host's own business."""
    spellings = ["a@example.net", "a@EXAMPLE.NET", "<a@example.net>", "A@example.net"]
    receipt = mail.send(**outgoing(*spellings))
    assert list(receipt.envelopes) == spellings
    assert len(set(receipt.envelopes.values())) == 2
    assert count(store, "e") == 2


def test_large_bodies_are_stored_in_chunks(mail: Client, store: Shards) -> None:
    """No string of the store is longer than 256 KiB, so that no single reply stalls it."""
    octets = b"From: a@example.com\r\n\r\n" + base64.encodebytes(NOISE.randbytes(1_000_000))
    receipt = mail.send(sender=SENDER, recipients=["a@example.net"], message=octets)
    (record,) = store.run(reading.fetch([parse_id(receipt.envelopes["a@example.net"])]))
    assert record is not None
    (stored,) = store.run(claiming.bodies([record]))
    assert stored is not None
    assert record.envelope.body.chunks == -(-len(stored) // CHUNK_OCTETS) > 1


def test_at_and_window_bind_one_send(mail: Client) -> None:
    """`at` says when to begin, `window` how long to go on from there."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    receipt = mail.send(**outgoing("a@example.net"), at=at, window=timedelta(minutes=15))
    shown = mail.show(receipt.envelopes["a@example.net"])
    assert shown.next_attempt_at == at
    assert shown.expires_at == at + timedelta(minutes=15)


def test_at_in_the_past_is_now(mail: Client) -> None:
    """Nobody has to compare clocks."""
    receipt = mail.send(**outgoing("a@example.net"), at=datetime(2020, 1, 1, tzinfo=UTC))
    shown = mail.show(receipt.envelopes["a@example.net"])
    assert shown.next_attempt_at == shown.created_at


def test_the_published_policy_binds(mail: Client, store: Shards) -> None:
    """A client has no config file: it uses what was published."""
    settings = Settings(
        version=1,
        policies={"default": Policy(name="default"), "otp": Policy(name="otp", window=timedelta(minutes=15))},
        assign=(AssignRule(policy="otp", stream="otp"),),
    )
    assert store.run(publish_settings(settings, over=0))
    receipt = mail.send(**outgoing("a@example.net"), stream="otp")
    shown = mail.show(receipt.envelopes["a@example.net"])
    assert shown.policy == "otp"
    assert shown.expires_at - shown.created_at == timedelta(minutes=15)


def test_M33_bulk_mail_without_a_way_out_is_taken_and_warned_of(mail: Client, store: Shards) -> None:
    """By the receipt and by its event; not with one, and not in other streams."""
    settings = Settings(version=1, stream=(StreamRule(name="news*", bulk=True),))
    assert store.run(publish_settings(settings, over=0))
    found = []
    for header, stream in (("", "newsletter"), ("", "otp"), (ONE_CLICK, "newsletter")):
        letter = f"{header}Subject: news\r\n\r\nNews.\r\n".encode()
        taken = mail.send(sender="app@example.com", recipients=["a@example.net"], message=letter, stream=stream)
        (event,) = (one for one in mail.events() if one.message_id == taken.message_id)
        found.append((taken.warnings, event.kind, event.why))
    warning = (
        "Bulk mail without one-click unsubscribe (RFC 8058): it has no List-Unsubscribe with an https address. "
        "Large providers refuse or hide such mail."
    )
    assert found == [((warning,), "accepted", warning), ((), "accepted", ""), ((), "accepted", "")]


@pytest.mark.parametrize(
    ("wrong", "field", "kind"),
    [
        pytest.param({"sender": "a@b@c"}, "sender", InvalidAddress, id="M17-sender"),
        pytest.param({"recipients": ["x" * 65 + "@example.net"]}, "recipients[0]", InvalidAddress, id="M17-local-65"),
        pytest.param({"recipients": ["a@example.net", "a b@c"]}, "recipients[1]", InvalidAddress, id="second"),
        pytest.param({"recipients": ["a@x\r\nRCPT TO:<b@y>"]}, "recipients[0]", InvalidAddress, id="A01-crlf"),
        pytest.param({"recipients": ["@a:b@example.net"]}, "recipients[0]", InvalidAddress, id="A06-source-route"),
        pytest.param({"recipients": []}, "recipients", InvalidMessage, id="none"),
        pytest.param({"recipients": "a@example.net"}, "recipients", InvalidMessage, id="a-string"),
        pytest.param({"recipients": [f"u{n}@x.org" for n in range(1001)]}, "recipients", InvalidMessage, id="A13-1001"),
        pytest.param({"message": b""}, "message", InvalidMessage, id="empty"),
        pytest.param({"message": b"A: b\r\n\r\nx" + b"y" * 30_000_000}, "message", InvalidMessage, id="A13-size"),
        pytest.param({"stream": "a|b"}, "stream", InvalidMessage, id="A30-stream"),
        pytest.param({"stream": "a" * 65}, "stream", InvalidMessage, id="stream-65"),
        pytest.param({"key": ""}, "key", InvalidMessage, id="key-empty"),
        pytest.param({"key": "k" * 257}, "key", InvalidMessage, id="key-257"),
        pytest.param({"key": "\ud800"}, "key", InvalidMessage, id="key-surrogate"),
        pytest.param({"at": datetime(2030, 1, 1)}, "at", InvalidMessage, id="at-naive"),  # noqa: DTZ001
        pytest.param({"at": datetime(9000, 1, 1, tzinfo=UTC)}, "at", InvalidMessage, id="at-far"),
        pytest.param({"window": timedelta(0)}, "window", InvalidMessage, id="window-0"),
        pytest.param({"window": timedelta(days=4000)}, "window", InvalidMessage, id="window-long"),
    ],
)
def test_bad_input_names_its_field_and_stores_nothing(
    mail: Client, store: Shards, wrong: Outgoing, field: str, kind: type[InvalidMessage]
) -> None:
    """What is wrong is said before anything reaches the store."""
    with pytest.raises(kind) as caught:
        mail.send(**(outgoing("a@example.net") | wrong))
    assert caught.value.field == field
    assert caught.value.reason
    assert count(store, "e") == 0


def test_the_null_sender_is_taken(mail: Client) -> None:
    """Notifications have no sender to bounce to (RFC 5321 §4.5.5)."""
    receipt = mail.send(sender="", recipients=["a@example.net"], message=text_message())
    assert mail.show(receipt.envelopes["a@example.net"]).sender == ""


# -- send_many ------------------------------------------------------------------------------------------------------


def test_send_many_returns_receipts_in_order(mail: Client) -> None:
    """Over several batches too."""
    receipts = mail.send_many([outgoing(f"u{number}@example.net", key=f"k{number}") for number in range(250)])
    assert [receipt.key for receipt in receipts] == [f"k{number}" for number in range(250)]
    assert mail.show(receipts[249].envelopes["u249@example.net"]).recipient == "u249@example.net"
    assert mail.queue().total == 250


def test_send_many_checks_all_first(mail: Client, store: Shards) -> None:
    """One wrong message, and nothing is stored; the error says which."""
    messages = [outgoing("a@example.net"), outgoing("b@example.net"), outgoing("b at example.net")]
    with pytest.raises(InvalidAddress, match="message 2") as caught:
        mail.send_many(messages)
    assert caught.value.index == 2
    assert count(store, "e") == 0


@pytest.mark.parametrize("before", [True, False], ids=["used-before", "within-the-call"])
def test_send_many_refuses_a_reused_key_and_stores_nothing(mail: Client, store: Shards, before: bool) -> None:
    """A key that was used for other content is a mistake like any other: found before the first is stored."""
    messages = [outgoing("a@example.net", key="k"), outgoing("b@example.net"), outgoing("c@example.net", key="k")]
    if before:
        mail.send(**messages.pop(0))
    with pytest.raises(KeyReused) as caught:
        mail.send_many(messages)
    assert caught.value.index == len(messages) - 1
    assert count(store, "e") == before


def test_send_many_repeats_what_is_known(mail: Client) -> None:
    """The same call again stores nothing and returns the same receipts."""
    messages = [outgoing(f"u{number}@example.net", key=f"k{number}") for number in range(5)]
    first = mail.send_many(messages)
    again = mail.send_many(messages)
    assert [receipt.envelopes for receipt in again] == [receipt.envelopes for receipt in first]
    assert all(receipt.known for receipt in again)


def test_a_missing_argument_of_send_many_is_named(mail: Client) -> None:
    """Dicts are easily misspelt."""
    with pytest.raises(InvalidMessage, match="message 0: recipient: is no argument"):
        mail.send_many([{"sender": SENDER, "recipient": "a@x", "message": b"x"}])  # type: ignore[list-item]
    with pytest.raises(InvalidMessage, match="message 0: recipients: is missing"):
        mail.send_many([{"sender": SENDER, "message": b"x"}])  # type: ignore[typeddict-item]


# -- the store in trouble -------------------------------------------------------------------------------------------


def test_a_full_store_says_that_nothing_was_taken(start_store: StartStore) -> None:
    """New mail is refused first; what is there can still be seen and drained."""
    server = start_store()
    with Client(server.url) as mail, server.client() as plain:
        receipt = mail.send(**outgoing("a@example.net"))
        plain.config_set("maxmemory", 1)
        with pytest.raises(StoreFull):
            mail.send(**outgoing("b@example.net"))
        with pytest.raises(StoreFull):
            mail.send_many([outgoing("b@example.net")])
        assert mail.cancel(receipt.envelopes["a@example.net"]) == "cancelled"


def test_send_many_into_a_store_that_fills_up_says_what_was_taken(start_store: StartStore) -> None:
    """Receipts of what is stored, keys for what is not: the caller can go on from there."""
    server = start_store()
    with Client(server.url) as mail, server.client() as plain:
        mail.send(**outgoing("a@example.net"))
        plain.config_set("maxmemory", plain.info("memory")["used_memory"] + 600_000)
        lines = base64.encodebytes(NOISE.randbytes(40_000)).decode()
        with pytest.raises(StoreUncertain) as caught:
            mail.send_many([outgoing(f"u{number}@example.net", text=f"{number}\n{lines}") for number in range(100)])
        assert 0 < len(caught.value.receipts) < 100
        assert len(caught.value.receipts) + len(caught.value.keys) == 100
        assert isinstance(caught.value.__cause__, StoreFull)


def test_a_store_that_is_not_there_takes_nothing(start_store: StartStore) -> None:
    """And says so within the time it was given."""
    server = start_store()
    server.stop()
    with Client(server.url, timeout=0.2) as mail, pytest.raises(StoreUnavailable, match="cannot be reached"):
        mail.send(**outgoing("a@example.net"))


def test_a_newer_schema_is_refused(mail: Client, store_url: str, store: Shards) -> None:
    """An old client must not write into a store that it does not understand."""
    (answer,) = store.call([published.schema(0, shards=1)])
    assert answer == [keys.SCHEMA_VERSION, 1]
    store.call([Call.read(0, b"HSET", keys.key(0, "schema"), b"version", keys.SCHEMA_VERSION + 1)])
    with pytest.raises(SchemaMismatch, match="newer"):
        mail.send(**outgoing("a@example.net"))
    with Client(store_url) as other, pytest.raises(SchemaMismatch):
        other.queue()


def test_F28_a_client_that_runs_on_while_the_schema_grows_stores_nothing(mail: Client, store: Shards) -> None:
    """It is refused in the script itself, and the error says whose store it is by now."""
    mail.send(**outgoing("a@example.net"))
    store.call([Call.read(0, b"HSET", keys.key(0, "schema"), b"version", keys.SCHEMA_VERSION + 1)])
    with pytest.raises(SchemaMismatch, match=r"schema 2, written by newer software; this softbounce knows 1"):
        mail.send(**outgoing("b@example.net"))
    (stored,) = store.call([Call.read(0, b"HLEN", keys.key(0, "e"))])
    assert stored == 1


def test_a_store_that_was_emptied_is_begun_anew(mail: Client, store: Shards) -> None:
    """A client that knew the old one finds its way."""
    mail.send(**outgoing("a@example.net"))
    store.call([Call.read(0, b"FLUSHALL")])
    receipt = mail.send(**outgoing("b@example.net"))
    assert mail.show(receipt.envelopes["b@example.net"]).state == "scheduled"


def test_a_url_that_is_none_is_said_at_once() -> None:
    """Without a password in the words."""
    with pytest.raises(ConfigError) as caught:
        Client("http://user:secret@host/")
    assert "secret" not in str(caught.value)


# -- acts -----------------------------------------------------------------------------------------------------------


def test_cancel_of_a_waiting_envelope(mail: Client) -> None:
    """It ends at once; asked again, the answer is the same."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    assert mail.cancel(identity) == "cancelled"
    assert mail.cancel(identity) == "cancelled"
    assert mail.show(identity).state == "cancelled"


def test_acts_on_an_envelope_that_is_being_attempted(mail: Client, store: Shards) -> None:
    """Cancel and hold are asked of its worker; retry and release change nothing."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    claim(store)
    assert mail.show(identity).state == "attempting"
    assert mail.retry(identity) == "attempting"
    assert mail.release(identity) == "not_held"
    assert mail.hold(identity) == "holding"
    assert mail.release(identity) == "released"
    assert mail.release(identity) == "not_held"
    assert "To be held" not in mail.explain(identity)
    assert mail.hold(identity) == "holding"
    assert mail.cancel(identity) == "cancelling"
    assert mail.cancel(identity) == "cancelling"
    assert "To be cancelled" in mail.explain(identity)


def test_hold_release_and_retry(mail: Client) -> None:
    """A hold keeps it, retry does not lift it, release does."""
    at = datetime.now(UTC) + timedelta(hours=1)
    (identity,) = mail.send(**outgoing("a@example.net"), at=at).envelopes.values()
    assert mail.hold(identity) == "held"
    assert mail.hold(identity) == "held"
    assert mail.retry(identity) == "held"
    assert mail.show(identity).state == "held"
    assert mail.release(identity) == "released"
    planned = mail.show(identity).next_attempt_at
    assert planned is not None
    assert abs(planned - at) < timedelta(seconds=1)
    assert mail.retry(identity) == "scheduled"
    planned = mail.show(identity).next_attempt_at
    assert planned is not None
    assert planned < at


@pytest.mark.parametrize("act", ["retry", "hold", "release"])
def test_acts_on_an_envelope_that_ended(mail: Client, act: str) -> None:
    """Its body is gone, so it is said that there is nothing left to do."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    mail.cancel(identity)
    with pytest.raises(AlreadyEnded, match="cancelled"):
        getattr(mail, act)(identity)


@pytest.mark.parametrize("identity", ["nonsense", "0" * 26, "", "zzzzzzzzzzzzzzzzzzzzzzzzz0"])
@pytest.mark.parametrize("act", ["show", "explain", "cancel", "retry", "hold", "release"])
def test_an_unknown_id_is_not_found(mail: Client, act: str, identity: str) -> None:
    """Whatever is asked."""
    with pytest.raises(NotFound):
        getattr(mail, act)(identity)


def test_acts_on_all_that_fit(mail: Client, store: Shards) -> None:
    """In the states where the act means something; those that are being attempted are asked."""
    mail.send_many([outgoing(f"u{number}@example.net") for number in range(700)])
    mail.send(**outgoing("other@example.org"), stream="otp")
    (identity,) = mail.send(**outgoing("ended@example.net")).envelopes.values()
    mail.cancel(identity)
    claim(store)
    assert mail.queue().states["attempting"] == 10
    assert mail.act_on_matching("cancel", domain="*.net", dry_run=True) == {"matched": 700}
    answers = mail.act_on_matching("cancel", domain="*.net")
    assert answers == {"cancelled": 690, "cancelling": 10}
    assert mail.queue(state="cancelled").total == 691
    assert mail.act_on_matching("hold", stream="otp") == {"held": 1}
    assert mail.act_on_matching("retry") == {}
    assert mail.act_on_matching("release") == {"released": 1}
    with pytest.raises(InvalidArgument, match="cancel, retry, hold, release"):
        mail.act_on_matching("delete")


# -- events ---------------------------------------------------------------------------------------------------------


def test_events_are_read_on_from_any_of_them(mail: Client) -> None:
    """Each event's cursor leads to exactly those behind it, within a batch too."""
    mail.send(**outgoing("a@example.net", "b@example.net", "c@example.net"))
    (identity,) = mail.send(**outgoing("d@example.net")).envelopes.values()
    mail.cancel(identity)
    events = list(mail.events())
    assert [event.kind for event in events] == ["accepted"] * 4 + ["cancelled"]
    for position, event in enumerate(events):
        assert list(mail.events(after=event.cursor)) == events[position + 1 :]


def test_events_of_an_empty_store(mail: Client) -> None:
    """There are none, and that is no error."""
    assert list(mail.events()) == []


def test_more_events_than_a_page(mail: Client) -> None:
    """All come, in order, once."""
    mail.send_many([outgoing(f"u{number}@example.net") for number in range(450)])
    events = list(mail.events())
    assert [event.recipient for event in events] == [f"u{number}@example.net" for number in range(450)]
    assert len({event.cursor for event in events}) == 450


def test_a_reader_left_behind_is_told(mail: Client, store: Shards) -> None:
    """Events that were trimmed unread are lost, and that is said; trimmed ones that were read are not missed."""
    for number in range(4):
        mail.send(**outgoing(f"u{number}@example.net"))
    events = list(mail.events())
    store.call([Call.read(0, b"XTRIM", keys.key(0, "events"), b"MAXLEN", 2)])
    with pytest.raises(EventsLost) as caught:
        list(mail.events(after=events[0].cursor))
    assert list(mail.events(after=caught.value.resume_after)) == events[2:]
    assert list(mail.events(after=events[1].cursor)) == events[2:]
    store.call([Call.read(0, b"XTRIM", keys.key(0, "events"), b"MAXLEN", 0)])
    assert list(mail.events(after=events[3].cursor)) == []
    mail.send(**outgoing("u4@example.net"))
    assert [event.recipient for event in mail.events(after=events[3].cursor)] == ["u4@example.net"]


def test_a_cursor_of_a_store_that_was_emptied_is_lost(mail: Client, store: Shards) -> None:
    """Its events are gone; the new ones can be read from the beginning."""
    for number in range(3):
        mail.send(**outgoing(f"u{number}@example.net"))
    cursor = list(mail.events())[-1].cursor
    store.call([Call.read(0, b"FLUSHALL")])
    mail.send(**outgoing("new@example.net"))
    with pytest.raises(EventsLost) as caught:
        list(mail.events(after=cursor))
    assert [event.recipient for event in mail.events(after=caught.value.resume_after)] == ["new@example.net"]


class Log:
    """The event log of a store, written entry by entry, each of an event for a recipient."""

    def __init__(self, store: Shards, begins_ms: int) -> None:
        self._store = store
        self._begins_ms = begins_ms
        self._name = keys.key(0, "events")
        self.kept = b""

    def write(self, at: int, *recipients: str) -> None:
        """An entry, so many seconds after the beginning."""
        events = [StoredEvent(kind="accepted", id=bytes(16), recipient=one) for one in recipients]
        fields = (b"b", encode_events(events), b"n", b"1")
        self.call(b"XADD", f"{self._begins_ms + at * 1000}-0", *fields)

    def call(self, command: bytes, *arguments: bytes | str | int) -> Any:  # noqa: ANN401 - answers have many types
        """Ask the store."""
        (answer,) = self._store.call([Call.read(0, command, self._name, *arguments)])
        assert not isinstance(answer, Exception), answer
        return answer

    def keep(self) -> None:
        """What is in it now, both servers have."""
        self.kept = self.call(b"DUMP")

    def switch(self) -> None:
        """Another server answers, which has that and nothing else."""
        self.call(b"RESTORE", 0, self.kept, b"REPLACE")


@pytest.fixture
def log(mail: Client, store: Shards) -> Log:
    """A log of two hours."""
    mail.send(**outgoing("first@example.net"))
    (answer,) = store.call([Call.read(0, b"TIME")])
    store.call([Call.read(0, b"DEL", keys.key(0, "events"))])
    return Log(store, int(answer[0]) * 1000 - 7_200_000)


def read_by(events: Iterator[Event]) -> list[str]:
    """For whom they were."""
    return [event.recipient for event in events]


@pytest.mark.parametrize(
    ("on_old", "on_new"),
    [
        ([7100], [7095]),
        ([7100, 7101], [7095, 7102]),
        ([7100], [7095, 7100]),
        ([7100], [7150]),
        ([7100], []),
        ([7100, 7110, 7120], [7105, 7110, 7121]),
    ],
    ids=["before", "around", "one id for two", "behind", "nothing", "as many"],
)
def test_issue10_what_a_new_primary_has_before_a_cursor_is_read(
    mail: Client, log: Log, on_old: list[int], on_new: list[int]
) -> None:
    """While a primary is replaced both servers take writes. Whoever read the old one misses nothing of the new one.

    A minute of what both have is read twice, whether he followed the log all the time or comes back with his cursor.
    """
    for number in range(710):
        log.write(number * 10, f"both{number}@a.test", "more@a.test")
    log.keep()
    for at in on_old:
        log.write(at, f"old{at}@a.test", "more@a.test")
    events = mail.events(follow=True)
    *_, last = (next(events) for _ in range(2 * (710 + len(on_old))))
    assert last.cursor
    log.switch()
    for at in on_new:
        log.write(at, f"new{at}@a.test")
    log.write(7180, "last@a.test")
    again = range(math.ceil((on_old[-1] - 60) / 10), 710)
    new = [name for number in again for name in (f"both{number}@a.test", "more@a.test")]
    new += [*(f"new{at}@a.test" for at in on_new), "last@a.test"]
    assert [*read_by(itertools.takewhile(lambda event: event.recipient != "last@a.test", events)), "last@a.test"] == new
    assert read_by(mail.events(after=last.cursor)) == new
    *_, last = mail.events(after=last.cursor)
    assert read_by(mail.events(after=last.cursor)) == []
    log.write(7190, "later@a.test")
    log.call(b"XTRIM", b"MAXLEN", 1)
    assert read_by(mail.events(after=last.cursor)) == ["later@a.test"], "its number is the right one"


def test_issue10_of_a_short_log_all_is_read_again(mail: Client, log: Log) -> None:
    """There is no place a minute before."""
    log.write(7000, "both@a.test")
    log.keep()
    log.write(7010, "old@a.test")
    *_, last = mail.events()
    log.switch()
    log.write(7005, "new@a.test")
    assert read_by(mail.events(after=last.cursor)) == ["both@a.test", "new@a.test"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "kgGRlM8AAAGiDIa2ygAB", "A" * 100_000])
def test_a_cursor_that_is_none_is_refused(mail: Client, cursor: str) -> None:
    """Cursors are opaque: only those of events count."""
    with pytest.raises(InvalidArgument):
        list(mail.events(after=cursor))


def test_following_waits_for_more(mail: Client) -> None:
    """The end of the log is not the end of the reading."""
    mail.send(**outgoing("a@example.net"))
    following = mail.events(follow=True)
    assert next(following).recipient == "a@example.net"
    mail.send(**outgoing("b@example.net"))
    assert next(following).recipient == "b@example.net"


# -- the queue ------------------------------------------------------------------------------------------------------


def test_the_queue_is_counted_and_paged_by_what_is_asked(mail: Client) -> None:
    """By state, domain and stream; names are globs."""
    mail.send(**outgoing("a@example.net", "b@example.org"), stream="otp")
    (identity,) = mail.send(**outgoing("c@example.net")).envelopes.values()
    mail.cancel(identity)
    assert mail.queue().states["scheduled"] == 2
    assert mail.queue(state="cancelled").total == 1
    assert mail.queue(domain="*.net").total == 2
    assert mail.queue(domain="EXAMPLE.net", stream="otp").total == 1
    assert mail.queue(site="google.com").total == 0
    page = mail.page(stream="o*")
    assert {shown.recipient for shown in page.envelopes} == {"a@example.net", "b@example.org"}
    assert page.next is None


def test_pages_lead_through_all_envelopes(mail: Client) -> None:
    """Each is on one of them, and no page has more than was asked for, however many a step of the walk comes upon."""
    mail.send_many([outgoing(f"u{number}@example.net") for number in range(1500)])
    held = [one.id for one in mail.page(limit=40).envelopes]
    for one in held:
        mail.hold(one)
    for limit, filters, number in ((7, {"recipient": "u1?0@*"}, 10), (100, {}, 1500), (7, {"state": "held"}, 40)):
        seen: list[str] = []
        after = None
        while True:
            page = mail.page(limit=limit, after=after, **filters)
            assert len(page.envelopes) <= limit
            seen += [shown.recipient for shown in page.envelopes]
            after = page.next
            if after is None:
                break
        assert len(seen) == len(set(seen)) == number


def test_a_state_or_a_page_that_is_none_is_refused(mail: Client) -> None:
    """The words for states are a closed set."""
    with pytest.raises(InvalidArgument, match="scheduled"):
        mail.queue(state="queued")
    with pytest.raises(InvalidArgument):
        mail.page(after="1.x")
    for wrong in ("", "1", "0.0.xyz", "0.0.abc", "0.0.00 ", "9" * 40, "0.0." + "00" * 65):
        with pytest.raises(InvalidArgument):
            mail.page(after=wrong)


# -- asyncio --------------------------------------------------------------------------------------------------------


def test_the_asyncio_client_does_the_same(store_url: str) -> None:
    """One flow behind both."""

    async def use() -> None:
        async with AsyncClient(store_url) as mail:
            receipts = await asyncio.gather(
                *(mail.send(**outgoing(f"u{n}@example.net", key=f"{n}")) for n in range(20))
            )
            again = await mail.send_many([outgoing(f"u{n}@example.net", key=f"{n}") for n in range(20)])
            assert [one.message_id for one in again] == [one.message_id for one in receipts]
            identity = receipts[0].envelopes["u0@example.net"]
            assert (await mail.show(identity)).state == "scheduled"
            assert await mail.hold(identity) == "held"
            assert await mail.retry(identity) == "held"
            assert await mail.release(identity) == "released"
            assert await mail.cancel(identity) == "cancelled"
            assert "Cancelled" in await mail.explain(identity)
            assert (await mail.queue()).total == 20
            assert await mail.act_on_matching("hold", state="scheduled") == {"held": 19}
            assert await mail.act_on_matching("release", dry_run=True) == {"matched": 19}
            assert len((await mail.page()).envelopes) == 20
            events = [event async for event in mail.events()]
            assert [event.kind for event in events[-3:]] == ["held"] * 3
            with pytest.raises(InvalidAddress):
                await mail.send(**outgoing("nobody"))
            with pytest.raises(NotFound):
                await mail.show("0" * 26)

    asyncio.run(use())
