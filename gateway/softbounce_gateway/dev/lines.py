"""One line for each thing that happens to a message, and the few lines that are said first.

What a host said is text from outside: stripped of what is not printable, and cut.
"""

from __future__ import annotations

from datetime import timedelta

from rich.text import Text

from softbounce import Event
from softbounce.duration import in_words

__all__ = ["Repeats", "banner", "line_of"]

STYLES = {
    "accepted": "cyan",
    "deferred": "yellow",
    "delivered": "green",
    "delivered_late": "green",
    "bounced": "red",
    "promoted": "bold red",
    "uncertain": "magenta",
    "warned": "yellow",
}
FINAL = frozenset({"delivered", "delivered_late", "bounced", "cancelled"})
LONGEST_REPLY = 90
LONGEST_ADDRESS = 64
WIDTH_OF_KIND, WIDTH_OF_ADDRESS = 10, 30


def banner(smtp: str, http: str, store_url: str, speed: float) -> list[str]:
    """What is said when it is there."""
    lines = [
        "softbounce dev: no mail leaves this machine, and all is gone at the end (Ctrl-C).",
        "",
        f"  SMTP   {smtp}, without login or TLS",
        f"  HTTP   http://{http}/api/v1/messages, without token (docs/http.md; /api/v1/openapi.json)",
        f"  look   http://{http}/dev in a browser: each message, and what became of it",
        f"  store  export SOFTBOUNCE_URL={store_url}",
        "         for softbounce.Client and, in another terminal, the commands",
        "",
        "Every address is taken. A word before the @ has its host misbehave (a number, and +anything, may follow):",
        "  greylist@ 'come back later' once, greylist3@ thrice      reject@ no such user      full@ mailbox full",
        "  defer@ busy for ever: promoted in the end                busy@ hangs up once       dotreject@ refused",
        "  dropdot@ the connection cut at the dot                   tarpit@ slow by 30 s      c571@ any code",
        "So does a word of the domain: nxdomain.test, timeout.test, alldead.test, greet554.test, slow500.test ...",
    ]
    if speed != 1:
        minute = in_words(timedelta(minutes=1) / speed)
        lines += [
            "",
            f"A minute takes {minute} here (--policy-speed {speed:g}), for policies and what a message says itself.",
            "Waits that a reply states, timeouts and DNS take as long as ever.",
        ]
    return [*lines, ""]


class Repeats:
    """What was said of an envelope last, so that a host that stays away is not shown over and over."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, str]] = {}

    def is_one(self, event: Event) -> bool:
        """Whether this is what was said before, and costs the envelope nothing."""
        said = (event.kind, event.text or event.why)
        before = self._last.get(event.id)
        if event.kind in FINAL:
            self._last.pop(event.id, None)
        else:
            self._last[event.id] = said
        return before == said and event.next_attempt_at is None


def line_of(event: Event, *, sender: str | None) -> Text:
    """What happened.

    :param sender: whose mail it is, for the line that says that it was taken.
    """
    promoted = event.kind == "bounced" and event.cause == "promoted"
    kind = "promoted" if promoted else event.kind
    line = Text(f"{event.at.astimezone():%H:%M:%S}  ", style="dim")
    line.append(kind.ljust(WIDTH_OF_KIND), style=STYLES.get(kind, ""))
    line.append("  " + _printable(event.recipient, LONGEST_ADDRESS).ljust(WIDTH_OF_ADDRESS) + "  ", style="")
    if event.kind == "accepted":
        line.append(f"from {_printable(sender or '', LONGEST_ADDRESS) or '<>'}")
        line.append(f"  {event.id}", style="dim")
        return line
    reply = " ".join(str(part) for part in (event.code, event.enhanced, event.text) if part)
    line.append(_printable(reply or event.why, LONGEST_REPLY))
    if event.next_attempt_at is not None:
        line.append(f"  again in {in_words(max(event.next_attempt_at - event.at, timedelta(0)))}", style="dim")
    elif promoted:
        line.append("  the window closed: a hard bounce now", style="dim")
    return line


def _printable(text: str, longest: int) -> str:
    clean = "".join(one if one.isprintable() else "?" for one in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
