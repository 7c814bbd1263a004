"""Secrets in what is noted: commands with one are not shown, and what a host repeats of them is struck out."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field

import pytest
from softbounce_worker.smtp import Answer, Broken, Mail
from softbounce_worker.transcript.recorder import Recorder
from softbounce_worker.transcript.talk import transcript_of

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage

USER, PASSWORD = "relay-user", "hunter2 and more"
PLAIN = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
BEARER = b64encode(b"user=me\x01auth=Bearer ya29.secret\x01\x01").decode()


@dataclass(frozen=True)
class Auth:
    """A command as it may come to be: no transcript knows it."""

    secret: str = field(repr=False)


def recorder_with(line: str) -> Recorder:
    """One that such a command was said by."""
    recorder = Recorder()
    recorder.said([Auth(line)], [f"{line}\r\n".encode()])  # type: ignore[list-item]
    return recorder


def shown(recorder: Recorder, *replies: Reply) -> str:
    """The transcript, with these replies behind."""
    for reply in replies:
        event = recorder.secrets.clean(Answer(command=Mail("a@b.test"), stage=Stage.AUTH, reply=reply))
        recorder.heard([event])
    return "\n".join(line.text for line in transcript_of(recorder.begins(), "r@a.test").lines)


@pytest.mark.parametrize(
    ("line", "repeated"),
    [
        (f"AUTH PLAIN {PLAIN}", f"you said AUTH PLAIN {PLAIN}"),
        (f"AUTH PLAIN {PLAIN}", f"no such password: {PASSWORD}"),
        (b64encode(PASSWORD.encode()).decode(), f"no such password: {PASSWORD}"),
        (b64encode(PASSWORD.encode()).decode(), f"what is {b64encode(PASSWORD.encode()).decode()}?"),
        (b64encode(f"{USER} 0123456789abcdef".encode()).decode(), "digest 0123456789abcdef is wrong"),
        (f"AUTH XOAUTH2 {BEARER}", "ya29.secret expired"),
        (f"AUTH XOAUTH2 {BEARER}", f"what is {BEARER}?"),
    ],
)
def test_issue12_A17_a_secret_is_in_no_transcript(line: str, repeated: str) -> None:
    """Neither the line that has it, nor what a host repeats of it, plain or decoded, in whole or in parts."""
    text = shown(recorder_with(line), Reply(code=535, enhanced="5.7.8", lines=(repeated, "see https://relay.test/535")))
    for secret in (PASSWORD, PLAIN, b64encode(PASSWORD.encode()).decode(), "0123456789abcdef", "ya29.secret", BEARER):
        assert secret not in text
    assert "AUTH (not shown)" in text
    assert "***" in text
    assert "see https://relay.test/535" in text


def test_issue12_what_answers_no_command_is_cleaned_too() -> None:
    """A host that says a thing twice has its second word cleaned as its first."""
    recorder = recorder_with(f"AUTH PLAIN {PLAIN}")
    trouble = Trouble(kind=TroubleKind.PROTOCOL_ERROR, text="reply 500 to no command")
    surplus = Reply(code=500, lines=(f"bad {PLAIN}",))
    event = recorder.secrets.clean(Broken(trouble=trouble, stage=Stage.AUTH, surplus=surplus))
    assert isinstance(event, Broken)
    assert event.surplus == Reply(code=500, lines=("bad ***",))


def test_issue12_content_is_never_a_transcripts() -> None:
    """Of a command that carries a message the name is shown; its words are no secrets to clean replies of."""
    recorder = recorder_with("Subject: accepted\r\n" * 2000)
    assert not recorder.secrets
    assert "accepted" in shown(recorder, Reply(code=250, lines=("accepted",)))
    assert "Subject" not in shown(recorder)
