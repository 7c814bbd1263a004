"""What a client and the command line show of envelopes that were attempted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from softbounce_gateway.cli import app
from typer.testing import CliRunner

from softbounce import Client, SchemaMismatch, transitions
from softbounce.classify import classify
from softbounce.envelope import Record
from softbounce.ids import parse_id
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN
from softbounce.stage import Stage
from softbounce.store import claiming, keys, membership, moving, releasing
from softbounce.store.call import Call
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move
from softbounce.store.shards import Shards
from softbounce.transcript import Line, Transcript, pack_transcript
from softbounce.transitions import Seen

TOKEN = b"12345678"
LANE = "?example.net"
MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"
ATTEMPT = [
    "number",
    "started_at",
    "ended_at",
    "host",
    "address",
    "stage",
    "code",
    "enhanced",
    "text",
    "verdict",
    "reason",
    "fault",
    "rule",
    "charged",
    "uncertain",
    "next_attempt_at",
    "tls",
    "transcript",
]
SAID = (Line(0, "*", "dials mx1.example.net [192.0.2.1]"), Line(41, ">", "RCPT TO:<bob@example.net>"))
GREYLISTED = Reply(code=450, enhanced="4.7.1", lines=("Greylisted, try again",))
UNKNOWN_USER = Reply(code=550, enhanced="5.1.1", lines=("User unknown",))
TAKEN = Reply(code=250, enhanced="2.0.0", lines=("Taken",))


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


def attempted(mail: Client, store: Shards, reply: Reply, stage: Stage = Stage.RCPT) -> str:
    """Send a message and do what scheduler and worker do until the attempt's outcome is stored."""
    receipt = mail.send(sender="app@example.com", recipients=["bob@example.net"], message=MESSAGE)
    (identity,) = receipt.envelopes.values()
    info = ProcessInfo(pid=1, host="here", started_ms=0)
    store.run(membership.enlist("worker", info, shards=1, lease_ms=60_000))
    due = store.run(releasing.due(0))
    store.run(releasing.release(0, {(LANE, ""): [(one, 0) for one, _ in due.headers]}))
    (claimed,) = store.run(claiming.claim("worker", TOKEN, [Batch(0, [(LANE, "", 10)])]))
    record: Record = claimed.records[0]
    record.envelope.site = "example.net"
    seen = Seen(
        what=reply,
        stage=stage,
        started_ms=due.now_ms,
        ended_ms=due.now_ms + 250,
        host="mx1.example.net",
        address="192.0.2.1",
        transcript=pack_transcript(Transcript(lines=SAID, stage_ms={"connect": 40, "rcpt": 2})),
    )
    verdict = classify(reply, stage=stage, site="example.net", settings=BUILT_IN)
    change = transitions.conclude(record, seen, verdict, BUILT_IN, due.now_ms + 250)
    one = Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event)
    assert store.run(moving.move([one], process="worker", keep_events=1000)) == [1]
    return identity


def test_a_deferred_envelope_shows_its_attempt(mail: Client, store: Shards) -> None:
    """With the reply, how it was read, and what was decided."""
    identity = attempted(mail, store, GREYLISTED)
    shown = mail.show(identity).to_dict()
    (attempt,) = shown["attempts"]
    assert list(attempt) == ATTEMPT
    assert (shown["state"], shown["site"], shown["bounce"]) == ("scheduled", "example.net", None)
    facts = {name: attempt[name] for name in ("number", "host", "address", "stage", "code", "enhanced", "text")}
    assert facts == {
        "number": 1,
        "host": "mx1.example.net",
        "address": "192.0.2.1",
        "stage": "rcpt",
        "code": 450,
        "enhanced": "4.7.1",
        "text": "Greylisted, try again",
    }
    judged = (attempt["verdict"], attempt["reason"], attempt["rule"], attempt["charged"], attempt["uncertain"])
    assert judged == ("soft", "greylist", "builtin:greylist", True, False)
    assert attempt["next_attempt_at"] == shown["next_attempt_at"]
    assert "Attempt 2 in" in mail.explain(identity)


def test_a_bounced_envelope_shows_why(mail: Client, store: Shards) -> None:
    """Cause, last reply, whether the address is dead."""
    shown = mail.show(attempted(mail, store, UNKNOWN_USER)).to_dict()
    assert shown["state"] == "bounced"
    assert shown["next_attempt_at"] is None
    assert shown["bounce"] == {
        "cause": "rejected",
        "code": 550,
        "enhanced": "5.1.1",
        "text": "User unknown",
        "reason": "bad_mailbox",
        "suppress": True,
        "own_attempts": 1,
    }


def test_a_delivered_envelope(mail: Client, store: Shards) -> None:
    """It is no bounce, and too late to cancel."""
    identity = attempted(mail, store, TAKEN, Stage.END_OF_DATA)
    shown = mail.show(identity)
    assert (shown.state, shown.bounce, shown.attempts[0].verdict) == ("delivered", None, "delivered")
    assert mail.cancel(identity) == "too_late"
    assert [event.kind for event in mail.events()] == ["accepted", "delivered"]


@pytest.mark.parametrize("reply", [GREYLISTED, UNKNOWN_USER], ids=["deferred", "bounced"])
def test_the_command_line_shows_them(
    mail: Client, store: Shards, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    """As tables, lines and JSON."""
    identity = attempted(mail, store, reply)
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store.url)
    outputs = [
        CliRunner().invoke(app, list(arguments))
        for arguments in (("show", identity), ("explain", identity), ("queue", "--list"), ("events",))
    ]
    assert all(output.exit_code == 0 for output in outputs)
    assert all(reply.text in output.stdout for output in outputs)
    shown = json.loads(CliRunner().invoke(app, ["show", identity, "--json"]).stdout)
    assert shown == mail.show(identity).to_dict()


def test_issue12_show_prints_transcripts_where_they_are_asked_for(
    mail: Client, store: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line behind what each stage took; JSON has them always, lists never."""
    identity = attempted(mail, store, GREYLISTED)
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store.url)
    asked = CliRunner().invoke(app, ["show", identity, "--transcript"])
    assert asked.stdout.splitlines()[-3:] == [
        "Attempt 1: connect 40 ms, rcpt 2 ms",
        "       0 * dials mx1.example.net [192.0.2.1]",
        "      41 > RCPT TO:<bob@example.net>",
    ]
    assert "RCPT TO" not in CliRunner().invoke(app, ["show", identity]).stdout
    (attempt,) = json.loads(CliRunner().invoke(app, ["show", identity, "--json"]).stdout)["attempts"]
    assert attempt["transcript"] == {
        "lines": [{"ms": line.ms, "by": line.by, "text": line.text} for line in SAID],
        "stage_ms": {"connect": 40, "rcpt": 2},
    }
    listed = json.loads(CliRunner().invoke(app, ["queue", "--list", "--json"]).stdout.splitlines()[0])
    assert listed["envelopes"][0]["attempts"][0]["transcript"] is None


def test_issue12_show_says_that_no_transcript_is_kept(
    mail: Client, store: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of mail that was never tried, and where they were not asked to be kept: in one sentence, with the setting."""
    receipt = mail.send(sender="app@example.com", recipients=["bob@example.net"], message=MESSAGE)
    (identity,) = receipt.envelopes.values()
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store.url)
    asked = CliRunner().invoke(app, ["show", identity, "--transcript"])
    assert (asked.exit_code, "[smtp] transcripts" in asked.stdout) == (0, True)


def test_what_another_version_wrote_is_refused_by_name(mail: Client, store: Shards) -> None:
    """A record or settings that cannot be read are no traceback."""
    (identity,) = mail.send(sender="", recipients=["a@example.net"], message=MESSAGE).envelopes.values()
    store.call([Call.read(0, b"HSET", keys.key(0, "e"), parse_id(identity), b"\xff" * 60)])
    with pytest.raises(SchemaMismatch, match=identity):
        mail.show(identity)
    store.call([Call.read(0, b"SET", keys.key(0, "settings"), b"\0\0\0\1nonsense")])
    with Client(store.url) as other, pytest.raises(SchemaMismatch, match="settings"):
        other.show(identity)
    store.call([Call.read(0, b"XADD", keys.key(0, "events"), b"*", b"b", b"nonsense")])
    with pytest.raises(SchemaMismatch, match="event log"):
        list(mail.events())
