"""What the app sends: letter *number* of a seed is always the same, so that an app that was killed can repeat it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from softbounce.client.outgoing import Outgoing

__all__ = ["Letter", "letter"]

DOMAINS = 12
SLOWEST_DOT_MS = 300
KINDS = {
    "dotslow": 790,  # taken, the dot answered after 0 to 300 ms
    "accept": 60,
    "greylist1": 60,
    "busy1": 20,
    "dropdata1": 5,
    "dropdot1": 15,
    "reject": 30,
    "dotreject": 10,
    "brief": 10,  # deferred until a short window closes
}
ONE_IN_SEVERAL = 12
"""One letter in so many has three recipients."""
ONE_IN_ONCE = 25
"""One letter in so many goes by the policy that sends no uncertain letter a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message for one recipient or three.

    :ivar key: its idempotency key.
    :ivar message_id: of its field Message-ID.
    """

    key: str
    sender: str
    recipients: tuple[str, ...]
    stream: str
    message_id: str
    message: bytes

    def outgoing(self) -> Outgoing:
        """The arguments of ``send``."""
        return {
            "sender": self.sender,
            "recipients": self.recipients,
            "message": self.message,
            "stream": self.stream,
            "key": self.key,
        }


def letter(seed: int, number: int) -> Letter:
    """Letter *number*, from 0."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - it has to be repeatable
    several = random.randrange(ONE_IN_SEVERAL) == 0
    domain = f"d{random.randrange(DOMAINS)}.test"
    kinds = random.choices(list(KINDS), tuple(KINDS.values()), k=3 if several else 1)
    stream = "brief" if kinds[0] == "brief" else "once" if random.randrange(ONE_IN_ONCE) == 0 else ""
    message_id = f"<{seed}.{number}@torture.test>"
    lines = [
        f"From: app@app{number % 3}.test",
        "To: someone@torture.test",
        f"Subject: letter {number}",
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        f"Message-ID: {message_id}",
        "",
        *(f"Line {line} of letter {number}." for line in range(random.randrange(1, 30))),
        "",
    ]
    return Letter(
        key=f"torture-{seed}-{number}",
        sender=f"app@app{number % 3}.test",
        recipients=tuple(f"{_word(kind, random)}+{number}.{position}@{domain}" for position, kind in _numbered(kinds)),
        stream=stream,
        message_id=message_id,
        message="\r\n".join(lines).encode(),
    )


def _word(kind: str, random: Random) -> str:
    if kind == "dotslow":
        return f"dotslow{random.randrange(SLOWEST_DOT_MS + 1)}"
    return "defer" if kind == "brief" else kind


def _numbered(kinds: list[str]) -> Iterator[tuple[int, str]]:
    """Only a letter that is brief as a whole has recipients that are deferred for ever."""
    for position, kind in enumerate(kinds):
        yield position, "accept" if kind == "brief" != kinds[0] else kind
