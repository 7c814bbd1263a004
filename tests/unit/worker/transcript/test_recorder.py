"""What is noted on a connection: bounded, and neither a secret nor a message among it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import msgspec
import pytest
from softbounce_worker.smtp import Answer, Chunk, Command, Content, Mail, Rcpt
from softbounce_worker.transcript import Notes, Recorder, packed
from softbounce_worker.transcript.recorder import MOST_ENTRIES
from softbounce_worker.transcript.talk import transcript_of

from softbounce.reply import Reply
from softbounce.stage import Stage

PLAIN = b64encode(b"\0user\0hunter2").decode()


@dataclass(frozen=True)
class Auth:
    """A command as it may come to be: no transcript knows it."""

    secret: str = field(repr=False)


def said(*pairs: tuple[object, bytes]) -> Notes:
    """The notes of these commands and their lines."""
    recorder = Recorder()
    notes = recorder.begins()
    recorder.said([cast("Command", command) for command, _ in pairs], [line for _, line in pairs])
    return notes


def lines(notes: Notes) -> list[str]:
    """The transcript."""
    return [line.text for line in transcript_of(notes, "r@a.test").lines]


@pytest.mark.parametrize(
    "pair",
    [(Auth(PLAIN), f"AUTH PLAIN {PLAIN}\r\n".encode()), (Content(b"Hello.\r\n.\r\n"), b"Hello.\r\n.\r\n")],
    ids=["AUTH", "a message"],
)
def test_issue12_A17_a_line_with_a_secret_is_in_no_transcript(pair: tuple[object, bytes]) -> None:
    """Of a command that is not known to have none, and of one that has the message, the name is all that is kept."""
    notes = said((Mail("a@b.test"), b"MAIL FROM:<a@b.test>\r\n"), pair, (Rcpt("r@a.test"), b"RCPT TO:<r@a.test>\r\n"))
    assert lines(notes) == [
        "MAIL FROM:<a@b.test>",
        f"{type(pair[0]).__name__.upper()} (not shown)",
        "RCPT TO:<r@a.test>",
    ]
    assert pair[1] not in repr(notes).encode()
    assert PLAIN not in repr(notes)


def test_issue12_notes_of_a_session_are_bounded() -> None:
    """In number, whatever a host says; the latest are there."""
    recorder = Recorder()
    notes = recorder.begins()
    for number in range(5 * MOST_ENTRIES):
        reply = Reply(code=250, lines=(f"{number} {'x' * 1000}",) * 64)
        recorder.heard([Answer(command=None, stage=Stage.RCPT, reply=reply)])
    assert len(notes.own) <= MOST_ENTRIES
    assert lines(notes)[-1].startswith(f"250 {5 * MOST_ENTRIES - 1} x")
    assert len(repr(notes.own[-1])) < 40 * 300


def test_issue12_the_answer_to_a_message_keeps_nothing_of_it() -> None:
    """Its room is free again by then: an idle session would hold a large message that nobody counts."""
    recorder = Recorder()
    notes = recorder.begins()
    for command in (Content(b"Hello.\r\n.\r\n"), Chunk(b"Hello.\r\n")):
        recorder.heard([Answer(command=command, stage=Stage.END_OF_DATA, reply=Reply(code=250, lines=("taken",)))])
    assert lines(notes) == ["250 taken", "250 taken"]
    assert not any(isinstance(one, Content | Chunk | bytes) for one in _reachable(notes))


def _reachable(root: object) -> list[object]:
    """All that something keeps alive."""
    found, todo = list[object](), [root]
    while todo:
        one = todo.pop()
        found.append(one)
        if isinstance(one, msgspec.Struct):
            todo += msgspec.structs.astuple(one)
        elif isinstance(one, tuple | list):
            todo += cast("Sequence[object]", one)
    return found


def test_issue12_nothing_is_noted_where_nothing_is_kept() -> None:
    """Nor is a transcript made of it."""
    recorder = Recorder("none")
    notes = recorder.begins()
    recorder.said([Mail("a@b.test")], [b"MAIL FROM:<a@b.test>\r\n"])
    assert not notes.own
    assert packed(notes, "r@a.test", delivered=False) == b""
    assert packed(None, "r@a.test", delivered=False) == b""
