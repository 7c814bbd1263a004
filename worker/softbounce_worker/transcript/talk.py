"""Makes of what was noted on a connection the transcript of one recipient's attempt. Pure.

It has how the session was had, then the transaction. Of the other recipients of the message only how many they were is
said. Times are milliseconds since the first of the site's addresses was dialled for this session.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from softbounce.reply import Reply
from softbounce.stage import Stage
from softbounce.transcript import Line, Transcript, pack_transcript
from softbounce_worker.smtp import Answer, Command, Event, Rcpt
from softbounce_worker.transcript.recorder import (
    Connected,
    Dials,
    Heard,
    Masked,
    Notes,
    Said,
    Secured,
    Timed,
    Wrote,
)

__all__ = ["packed", "transcript_of"]

OURS, THEIRS, BESIDE = ">", "<", "*"
CONTENT = "content"
MESSAGE = "(the message: "


def packed(notes: Notes | None, recipient: str, *, delivered: bool, before: Sequence[str] = ()) -> bytes:
    """The transcript as it is stored; nothing, where none is kept.

    :param before: what came of other sessions in the same attempt, a line each.
    """
    if notes is None or notes.keeps == "none" or (delivered and notes.keeps != "all"):
        return b""
    return pack_transcript(transcript_of(notes, recipient, before))


def transcript_of(notes: Notes, recipient: str, before: Sequence[str] = ()) -> Transcript:
    """What *notes* tell of a recipient's attempt."""
    writer = Writer(recipient, (*notes.opening, *notes.own))
    for words in before:
        writer.say(BESIDE, words)
    for timed in notes.opening:
        writer.write(timed)
    if notes.number > 1:
        writer.stage_ms.clear()  # others waited for that
        writer.say(BESIDE, f"(the session carried {notes.number - 1} before this)")
    for timed in tuple(notes.own):
        writer.write(timed)
    writer.end()
    return Transcript.of(writer.lines, writer.stage_ms)


class Writer:
    """Writes the lines, and adds up what each stage took: from when it was asked, or from the answer before it."""

    def __init__(self, recipient: str, entries: Sequence[Timed]) -> None:
        self.lines: list[Line] = []
        self.stage_ms: Counter[str] = Counter()
        self._recipient = recipient
        self._began = self._now = self._waits_since = entries[0][0] if entries else 0.0
        self._unanswered: deque[Command | Masked] = deque()
        self._others = 0
        self._written = 0

    def write(self, timed: Timed) -> None:
        """The next entry."""
        self._now, entry = timed
        match entry:
            case Dials(host, address):
                self._waits_since = self._now
                self._unanswered.clear()
                self.say(BESIDE, f"dials {host} [{address}]")
            case Connected():
                self._took(Stage.CONNECT)
                self.say(BESIDE, "connected")
            case Said(commands, lines):
                self._waits_since = self._now
                for command, line in zip(commands, lines, strict=True):
                    self._say_command(command, line)
            case Wrote(octets):
                self._took(CONTENT)
                self._written += octets
                if self.lines and self.lines[-1].text.startswith(MESSAGE):  # its end comes behind the marker
                    self.lines.pop()
                self.say(OURS, f"{MESSAGE}{self._written} octets)")
            case Secured(tls):
                self._took(Stage.STARTTLS)
                self.say(BESIDE, f"{tls.version} {tls.cipher}")
            case Heard(events):
                for event in events:
                    self._say_event(event)

    def end(self) -> None:
        """All was written."""
        if self._others:
            self.say(BESIDE, f"(RCPT for {self._others} more and its replies are left out)")

    def say(self, by: str, text: str) -> None:
        """One line."""
        self.lines.append(Line(round((self._now - self._began) * 1000), by, text))

    def _say_command(self, command: Command | Masked, line: bytes) -> None:
        self._unanswered.append(command)
        if isinstance(command, Masked):
            self.say(OURS, f"{command.name.upper()} (not shown)")
        elif self._is_others(command):
            self._others += 1
        else:
            self.say(OURS, line.decode("utf-8", "replace").rstrip("\r\n"))

    def _say_event(self, event: Event) -> None:
        self._took(event.stage)
        if not isinstance(event, Answer):
            self.say(BESIDE, event.trouble.text)
            return
        command = self._unanswered.popleft() if event.command is not None and self._unanswered else event.command
        if isinstance(command, Masked) or not self._is_others(command):
            for text in _lines_of(event.reply):
                self.say(THEIRS, text)

    def _is_others(self, command: Command | None) -> bool:
        return isinstance(command, Rcpt) and command.recipient != self._recipient

    def _took(self, stage: str) -> None:
        self.stage_ms[stage] += max(0, round(self._now * 1000) - round(self._waits_since * 1000))
        self._waits_since = self._now


def _lines_of(reply: Reply) -> Sequence[str]:
    """A reply as it came, but what was escaped."""
    texts = reply.lines or ("",)
    enhanced = f"{reply.enhanced} " if reply.enhanced else ""
    last = len(texts) - 1
    return [f"{reply.code:03}{' ' if at == last else '-'}{enhanced}{text}".rstrip() for at, text in enumerate(texts)]
