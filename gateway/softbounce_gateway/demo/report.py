"""What the demo tells at its end: a table and a few sentences for people, one object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from softbounce_playground import Entry

from softbounce import Event
from softbounce_gateway.demo.check import Account, Row, rows
from softbounce_gateway.demo.plan import WINDOW, Planned
from softbounce_gateway.demo.screen import STYLES

__all__ = ["Story", "report", "summary"]

SHOWN_DISAGREEMENTS = 20
WIDE = 110
WORDS = {
    "delivered": "delivered",
    "bounced:rejected": "rejected",
    "bounced:unroutable": "unroutable",
    "bounced:promoted": "promoted",
}


@dataclass(slots=True)
class Story:
    """What happened.

    :ivar ids: the envelope of each recipient.
    :ivar finals: the last event of each envelope that has ended.
    :ivar explanation: what softbounce says about one envelope that was promoted.
    :ivar ready_s: from the start to the line ``ready``; likewise ``accepted_s`` and ``final_s``, from there on.
    """

    plan: tuple[Planned, ...]
    ids: dict[str, str] = field(default_factory=dict)
    finals: dict[str, Event] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    ready_s: float = 0.0
    accepted_s: float = 0.0
    final_s: float = 0.0
    seconds: float = 0.0
    exit_code: int = 0
    explanation: str = ""
    disagreements: list[str] = field(default_factory=list)


def report(story: Story, console: Console) -> None:
    """Tell a person what became of everything."""
    table = rows(story.accounts, story.entries)
    faulty = frozenset(
        account.behaviour.name
        for account in story.accounts
        if any(one.startswith(f"{account.recipient} ") for one in story.disagreements)
    )
    console.print(_table(table, faulty, is_wide=console.width >= WIDE))
    console.print()
    for sentence in _sentences(story, table):
        console.print(Text(sentence))
    if story.explanation:
        console.print(Text("\nOne of them, as softbounce explains it:\n", style="bold"))
        console.print(Text(story.explanation))
    console.print()
    if not story.disagreements:
        console.print("The plan, softbounce and the hosts' ledger agree about every envelope.", style="green")
    for sentence in story.disagreements[:SHOWN_DISAGREEMENTS]:
        console.print(sentence, style="red", markup=False)
    if len(story.disagreements) > SHOWN_DISAGREEMENTS:
        console.print(f"... and {len(story.disagreements) - SHOWN_DISAGREEMENTS} more", style="red")


def _table(rows: Sequence[Row], faulty: frozenset[str], *, is_wide: bool) -> Table:
    """What became of everything, by behaviour.

    :param faulty: names of behaviours about which the accounts disagree.
    """
    table = Table(box=None, padding=(0, 1), header_style="bold", pad_edge=False)
    table.add_column("host", no_wrap=True)
    if is_wide:
        table.add_column("what it does", style="dim", overflow="ellipsis", no_wrap=True)
    for column in ("sent", "tries", "copies"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("became", no_wrap=True)
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        became = Text(", ").join(
            Text(f"{number} {WORDS.get(name, name)}", style=STYLES.get(name.partition(":")[0], ""))
            for name, number in row.outcomes.most_common()
        )
        table.add_row(
            row.behaviour.name,
            *([row.behaviour.meaning] if is_wide else []),
            str(row.envelopes),
            str(row.attempts),
            str(row.copies),
            became,
            f"{median(row.seconds):.1f} s" if row.seconds else "",
            Text("no", style="bold red") if row.behaviour.name in faulty else Text("ok", style="green"),
        )
    return table


def _sentences(story: Story, table: Sequence[Row]) -> Iterator[str]:
    outcomes, copies = _outcomes(table), _copies(table)
    bounced = ", ".join(
        f"{outcomes[name]} {words}"
        for name, words in (
            ("bounced:rejected", "rejected"),
            ("bounced:unroutable", "unroutable"),
            ("bounced:promoted", f"promoted (soft bounces that turned hard when their window of {WINDOW} closed)"),
        )
    )
    yield f"{len(story.ids)} envelopes to {_domains(story)} domains: {outcomes['delivered']} delivered, {bounced}."
    twice = copies - outcomes["delivered"]
    yield f"The hosts have {copies} copies. " + (
        f"{twice} of them are second ones: the host kept the message and cut the connection instead of saying so."
        if twice
        else "None came twice."
    )
    yield (
        f"Ready after {story.ready_s:.1f} s, all taken {story.accepted_s:.1f} s later, all final after "
        f"{story.ready_s + story.final_s:.1f} s; the service ended with exit code {story.exit_code}."
    )


def summary(story: Story) -> dict[str, Any]:
    """The same for a program: what JSON can hold."""
    table = rows(story.accounts, story.entries)
    outcomes = _outcomes(table)
    return {
        "ok": not story.disagreements,
        "envelopes": len(story.ids),
        "messages": len(story.plan),
        "domains": _domains(story),
        "attempts": sum(row.attempts for row in table),
        "delivered": outcomes["delivered"],
        "bounced": {
            name.partition(":")[2]: number for name, number in sorted(outcomes.items()) if name.startswith("bounced:")
        },
        "promoted": outcomes["bounced:promoted"],
        "copies": _copies(table),
        "extra_copies": _copies(table) - outcomes["delivered"],
        "disagreements": story.disagreements,
        "ready_s": round(story.ready_s, 3),
        "accepted_s": round(story.accepted_s, 3),
        "final_s": round(story.final_s, 3),
        "seconds": round(story.ready_s + story.final_s, 3),
        "exit_code": story.exit_code,
        "behaviours": {
            row.behaviour.name: {
                "envelopes": row.envelopes,
                "attempts": row.attempts,
                "copies": row.copies,
                "outcomes": dict(row.outcomes),
                "median_s": round(median(row.seconds), 3) if row.seconds else None,
            }
            for row in table
        },
    }


def _outcomes(table: Sequence[Row]) -> Counter[str]:
    return sum((row.outcomes for row in table), Counter())


def _copies(table: Sequence[Row]) -> int:
    return sum(row.copies for row in table)


def _domains(story: Story) -> int:
    return len({recipient.rpartition("@")[2] for one in story.plan for recipient in one.recipients})
