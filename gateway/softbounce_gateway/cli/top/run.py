"""Draws the pages into the terminal, again and again, and takes keys in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from softbounce_config import Config

from softbounce.client import Client, Now
from softbounce.client.now.reading import with_finding, without_store
from softbounce.errors import SoftbounceError, StoreError
from softbounce_gateway.cli.top.keyboard import read_keys, single_keys
from softbounce_gateway.cli.top.lines import Line, of_message, of_now, of_site, of_sites
from softbounce_gateway.cli.top.pages import KEYS, Page, Pages, pressed, shown
from softbounce_gateway.disk_room import disk_trouble

__all__ = ["ask_now", "lines_of", "watch", "written"]

MOST_SITES = 500
FRAME_LINES = 3
LEAST_HEIGHT = 5


def ask_now(mail: Client, config: Config) -> Now:
    """How the service does; a store that is away is no error, but the answer."""
    try:
        now = mail.now()
    except StoreError as error:
        now = without_store(error, datetime.now(UTC))
    disk = disk_trouble(config)
    return now if disk is None else with_finding(now, disk)


def lines_of(mail: Client, config: Config, page: Page, width: int) -> list[Line]:
    """A page, asked anew."""
    try:
        match page.kind:
            case "now":
                return of_now(ask_now(mail, config), width)
            case "sites":
                return of_sites(*mail.sites(limit=MOST_SITES), width)
            case "site":
                return of_site(mail.site(page.name), width)
            case "message":
                return of_message(page.name, mail.explain(page.name), width)
    except SoftbounceError as error:
        return [Line(((f"{error}", "red"),))]


def watch(mail: Client, config: Config, console: Console, first: Pages, *, every: float) -> None:
    """Show it until it is left.

    :param every: seconds between two looks.
    """
    pages, asked, asked_at = first, None, 0.0
    lines: list[Line] = []
    with single_keys(), Live(console=console, screen=True, auto_refresh=False) as live:
        while not pages.is_over:
            width, height = console.size.width, max(LEAST_HEIGHT, console.size.height - FRAME_LINES)
            page = pages.current
            wanted = (page.kind, page.name, width)
            if wanted != asked or monotonic() - asked_at >= every:
                lines = lines_of(mail, config, page, width)
                asked, asked_at = wanted, monotonic()
            live.update(_frame(page, lines, width, height), refresh=True)
            for key in read_keys(max(0.0, every - (monotonic() - asked_at))):
                pages = pressed(pages, key, lines, height)


def _frame(page: Page, lines: Sequence[Line], width: int, height: int) -> Group:
    name = page.name or {"now": "now", "sites": "sites"}.get(page.kind, "")
    head = Text(f"softbounce top: {name}", style="reverse")
    head.append(f"  {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".rjust(max(0, width - len(head.plain))))
    seen = [_drawn(line, width, is_chosen=chosen) for line, chosen in shown(page, lines, height)]
    left = len(lines) - height
    more = f"   ({left} more lines)" if left > 0 else ""
    blank = [Text("")] * (height - len(seen))
    return Group(head, *seen, *blank, _cropped(Text(f"{KEYS}{more}", style="dim"), width))


def _drawn(line: Line, width: int, *, is_chosen: bool) -> Text:
    made = Text()
    for text, style in line.pieces:
        made.append(text, style=style)
    if is_chosen:
        made.stylize("reverse")
    return _cropped(made, width)


def _cropped(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def written(lines: Sequence[Line], say: Callable[[str], None]) -> None:
    """The same for a pipe."""
    for line in lines:
        say(line.text.rstrip())
