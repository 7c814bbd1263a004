"""What the commands print in terminals of usual widths, with data as long as it is in life."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import Valkey
from softbounce_gateway.cli import app
from terminals import Terminal
from typer.testing import CliRunner

from softbounce import Client, transitions
from softbounce.classify import classify
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN
from softbounce.stage import Stage
from softbounce.store import claiming, membership, moving, releasing
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move
from softbounce.store.shards import Shards
from softbounce.transitions import Seen

DOMAIN = "post.some-customer.example"
RECIPIENT = f"accounts.payable@{DOMAIN}"
REPLY = Reply(
    code=452,
    enhanced="4.2.2",
    lines=(
        "The mailbox of this recipient is over its quota, so that nothing more is taken for it at this time;",
        "please ask the recipient by another way to make room there, and deliver the message again afterwards",
    ),
)
HOST = "mx1.inbound.some-customer.example"
REASON = "asked us by telephone on Monday not to be written to any more, by whatever way, says the support"


@pytest.fixture
def identity(store_server: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of mail that was deferred, in a store with some of everything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store_server.url)
    store = Shards(store_server.url)
    with Client(store_server.url) as mail:
        receipt = mail.send(
            sender="app@example.com",
            recipients=[RECIPIENT],
            message=b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n",
            stream="newsletter",
        )
    (made,) = receipt.envelopes.values()
    _attempt(store)
    store.close()
    for words in (
        ["suppress", "add", RECIPIENT, "--reason", REASON],
        ["holds", "add", "--domain", DOMAIN, "--reason", REASON],
        ["bounce", "--state", "bounced", "--reason", REASON],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    return made


def _attempt(store: Shards) -> None:
    lane = f"?{DOMAIN}"
    store.run(membership.enlist("worker", ProcessInfo(pid=1, host="here", started_ms=0), shards=1, lease_ms=60_000))
    due = store.run(releasing.due(0))
    store.run(releasing.release(0, {(lane, "newsletter"): [(one, 0) for one, _ in due.headers]}))
    (claimed,) = store.run(claiming.claim("worker", b"12345678", [Batch(0, [(lane, "newsletter", 10)])]))
    (record,) = claimed.records
    record.envelope.site = DOMAIN
    started = due.now_ms
    seen = Seen(
        what=REPLY, stage=Stage.RCPT, started_ms=started, ended_ms=started + 250, host=HOST, address="2001:db8::25:1"
    )
    verdict = classify(REPLY, stage=Stage.RCPT, site=DOMAIN, settings=BUILT_IN)
    change = transitions.conclude(record, seen, verdict, BUILT_IN, started + 250)
    move = Move(record=change.record, token=b"12345678", look_ms=change.look_ms, event=change.event)
    assert store.run(moving.move([move], process="worker", keep_events=1000)) == [1]


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_issue15_tables_lose_nothing_in_a_narrow_terminal(identity: str, width: int) -> None:
    """Ids and addresses stand whole on a line, no text is cut, and no line is longer than the terminal is wide."""
    commands: dict[tuple[str, ...], list[str]] = {
        ("queue", "--list"): [identity, RECIPIENT, *REPLY.text[:55].split()],
        ("queue",): ["newsletter"],
        ("show", identity): [identity, "builtin:mailbox-full", *REPLY.text.split()],
        ("suppress", "list"): [RECIPIENT, *REASON.split()],
        ("holds", "list"): REASON.split(),
        ("actions",): ["bounce", "suppress", RECIPIENT],
        ("lanes",): [DOMAIN, "1 scheduled"],
        ("codes",): ["builtin:unexpected-code"],
        ("classify", f"452 4.2.2 {REPLY.text}"): ["builtin:mailbox-full"],
        ("plan",): ["at once"],
    }
    with ExitStack() as stack:
        running = {
            words: stack.enter_context(
                Terminal([sys.executable, "-m", "softbounce", *words], width=width, height=50, environ={})
            )
            for words in commands
        }
        for words, terminal in running.items():
            assert terminal.end() == 0, terminal.screen()
            lines = terminal.screen()
            text = "\n".join(lines)
            assert "…" not in text, text
            missing = [one for one in commands[words] if one not in text]
            assert not missing, (words, missing, text)
            # sentences are left to the terminal, which joins their lines when one copies
            is_table = words[0] not in ("show", "classify", "plan")
            wide = [line for line in lines if len(line) > width and is_table]
            assert not wide, (words, wide)
