"""What the demo shows: a bar and the latest events while it runs. What it tells at its end: :mod:`.report`.

Everything a host said is text from outside: it is cut, and stripped of what is not printable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from softbounce import Event

__all__ = ["STYLES", "Screen"]

LATEST = 10
LONGEST_TEXT = 60
ORDER = ("accepted", "deferred", "uncertain", "delivered", "bounced")
STATES = {"accepted": "waiting for a first try", "uncertain": "cut at the dot"}
STYLES = {"delivered": "green", "deferred": "yellow", "bounced": "red", "uncertain": "magenta"}


class Screen:
    """The demo's screen, live within ``with``.

    :param console: where; on one that is no terminal nothing moves.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=36),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._latest: deque[Event] = deque(maxlen=LATEST)
        self._counts: dict[str, int] = {}
        self._began_at: datetime | None = None
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(Text(text))

    def advance(self, step: str, done: int, total: int) -> None:
        """How far the step is."""
        self._progress.update(self._task, description=step, completed=done, total=total)

    def show_events(self, events: Sequence[Event], counts: dict[str, int]) -> None:
        """What happened since the last call, and how many envelopes are in which state."""
        if self._began_at is None and events:
            self._began_at = events[0].at
        self._latest.extend(event for event in events if event.kind != "accepted")
        self._counts = counts

    def _render(self) -> RenderableType:
        counts = Text("   ").join(
            Text(f"{self._counts[name]} {STATES.get(name, name)}", style=STYLES.get(name, ""))
            for name in sorted(self._counts, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
        )
        table = Table.grid(padding=(0, 2), expand=True)
        for width in (8, 27, 10):
            table.add_column(no_wrap=True, min_width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for event in self._latest:
            table.add_row(*self._line(event))
        return Group(self._progress, counts, Text(""), table)

    def _line(self, event: Event) -> tuple[Text, ...]:
        passed = (event.at - (self._began_at or event.at)).total_seconds()
        reply = " ".join(str(part) for part in (event.code, event.enhanced, event.text) if part)
        return (
            Text(f"{passed:6.2f} s", style="dim"),
            Text(printable(event.recipient, 27)),
            Text(event.cause or event.kind, style=STYLES.get(event.kind, "")),
            Text(printable(reply, LONGEST_TEXT), style="dim"),
        )


def printable(text: str, longest: int) -> str:
    """A remote's words, safe for a terminal."""
    clean = "".join(one if one.isprintable() else "?" for one in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
