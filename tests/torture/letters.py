"""What the app sends: letter *number* of a seed is always the same, so that an app that was killed can repeat it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from softbounce.client.send.arguments import Outgoing
from torture.neighbours import domain_of
from torture.odd_names import ODD
from torture.strangers import NOBODY

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
ONE_IN_ODD = 8
"""One letter in so many goes to strangers; of those so many are of 8-bit text, large, or to nobody."""
ONE_IN_CROWDED = 8
"""One letter in so many of the others goes to hosts that many share."""
ONE_IN_EIGHT_BIT, ONE_IN_LARGE, ONE_IN_NOBODY = 3, 12, 6
LARGE_OCTETS = range(95_000, 260_000)


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
    if random.randrange(ONE_IN_ODD) == 0:
        return _odd_letter(seed, number, random)
    if random.randrange(ONE_IN_CROWDED) == 0:
        recipients = tuple(f"somebody+{number}.{place}@{domain_of(random)}" for place in range(random.choice((1, 3))))
        return _letter(seed, number, recipients, "", [f"A line of letter {number}."])
    several = random.randrange(ONE_IN_SEVERAL) == 0
    domain = f"d{random.randrange(DOMAINS)}.test"
    kinds = random.choices(list(KINDS), tuple(KINDS.values()), k=3 if several else 1)
    stream = "brief" if kinds[0] == "brief" else "once" if random.randrange(ONE_IN_ONCE) == 0 else ""
    recipients = tuple(f"{_word(kind, random)}+{number}.{position}@{domain}" for position, kind in _numbered(kinds))
    lines = [f"Line {line} of letter {number}." for line in range(random.randrange(1, 30))]
    return _letter(seed, number, recipients, stream, lines)


def _odd_letter(seed: int, number: int, random: Random) -> Letter:
    """A letter to strangers: to hosts of a domain's own, or to several domains of hosts that many share."""
    several = random.randrange(2) == 0
    shared = random.randrange(2) == 0
    recipients = []
    for position in range(3 if several else 1):
        domain = f"s{random.randrange(4)}.{ODD}" if shared else f"d{number % 5}.{ODD}"
        word = NOBODY if random.randrange(ONE_IN_NOBODY) == 0 else "somebody"
        recipients.append(f"{word}+{number}.{position}@{domain}")
    lines = [f"Line {line} of letter {number}." for line in range(random.randrange(1, 30))]
    if random.randrange(ONE_IN_EIGHT_BIT) == 0:
        lines.append("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.")
    if random.randrange(ONE_IN_LARGE) == 0:
        size = random.choice(LARGE_OCTETS)
        lines += [f".{line:070d}" for line in range(size // 73)]
    return _letter(seed, number, tuple(recipients), "", lines)


def _letter(seed: int, number: int, recipients: tuple[str, ...], stream: str, lines: list[str]) -> Letter:
    message_id = f"<{seed}.{number}@torture.test>"
    head = [
        f"From: app@app{number % 3}.test",
        "To: someone@torture.test",
        f"Subject: letter {number}",
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
    ]
    return Letter(
        key=f"torture-{seed}-{number}",
        sender=f"app@app{number % 3}.test",
        recipients=recipients,
        stream=stream,
        message_id=message_id,
        message="\r\n".join([*head, *lines, ""]).encode(),
    )


def _word(kind: str, random: Random) -> str:
    if kind == "dotslow":
        return f"dotslow{random.randrange(SLOWEST_DOT_MS + 1)}"
    return "defer" if kind == "brief" else kind


def _numbered(kinds: list[str]) -> Iterator[tuple[int, str]]:
    """Only a letter that is brief as a whole has recipients that are deferred for ever."""
    for position, kind in enumerate(kinds):
        yield position, "accept" if kind == "brief" != kinds[0] else kind
