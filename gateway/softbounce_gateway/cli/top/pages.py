"""Which page is shown, what is chosen on it, and what a key does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from softbounce_gateway.cli.top.lines import Line, Target

__all__ = ["KEYS", "Page", "Pages", "pressed", "shown"]

KEYS = "↑ ↓ choose   Enter open   Esc back   s sites   n now   q end"


@dataclass(frozen=True, slots=True)
class Page:
    """A page: of which kind, whose, which line is chosen, and which is the first that is shown."""

    kind: Literal["now", "sites", "site", "message"] = "now"
    name: str = ""
    chosen: int = 0
    top: int = 0


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages behind each other; the last is shown. ``is_over``: there is to be none any more."""

    stack: tuple[Page, ...] = (Page(),)
    is_over: bool = False

    @property
    def current(self) -> Page:
        """The one that is shown."""
        return self.stack[-1]

    def with_current(self, page: Page) -> Pages:
        """The same with another in its place."""
        return replace(self, stack=(*self.stack[:-1], page))


def pressed(pages: Pages, key: str, lines: Sequence[Line], height: int) -> Pages:
    """What a key makes of it.

    :param height: how many lines are seen at once.
    """
    page = pages.current
    ways = _ways(lines)
    match key:
        case "q":
            return replace(pages, is_over=True)
        case "esc" | "left" | "backspace":
            return replace(pages, stack=pages.stack[:-1] or pages.stack) if len(pages.stack) > 1 else pages
        case "s":
            return Pages((Page(), Page("sites")))
        case "n":
            return Pages()
        case "enter" | "right" if ways:
            return replace(pages, stack=(*pages.stack, _page_of(ways[min(page.chosen, len(ways) - 1)][1])))
        case "down" | "j":
            return _move(pages, 1, lines, height)
        case "up" | "k":
            return _move(pages, -1, lines, height)
        case "pagedown" | "space":
            return pages.with_current(replace(page, top=_clamp(page.top + height, lines, height)))
        case "pageup":
            return pages.with_current(replace(page, top=_clamp(page.top - height, lines, height)))
        case _:
            return pages


def _ways(lines: Sequence[Line]) -> list[tuple[int, Target]]:
    """The lines that can be entered."""
    return [(number, line.target) for number, line in enumerate(lines) if line.target is not None]


def _page_of(target: Target) -> Page:
    return Page("site" if target.what == "site" else "message", target.name)


def _move(pages: Pages, step: int, lines: Sequence[Line], height: int) -> Pages:
    """Choose the next line that can be entered, and scroll to it; where there is none, scroll."""
    page, ways = pages.current, _ways(lines)
    chosen = page.chosen + step
    if not 0 <= chosen < len(ways):
        return pages.with_current(replace(page, top=_clamp(page.top + step, lines, height)))
    at = ways[chosen][0]
    top = page.top
    if at < top or at >= top + height:
        top = at - height // 2
    return pages.with_current(replace(page, chosen=chosen, top=_clamp(top, lines, height)))


def _clamp(top: int, lines: Sequence[Line], height: int) -> int:
    return max(0, min(top, len(lines) - height))


def shown(page: Page, lines: Sequence[Line], height: int) -> list[tuple[Line, bool]]:
    """The lines that are seen, and whether each is the chosen one."""
    ways = _ways(lines)
    chosen = ways[min(page.chosen, len(ways) - 1)][0] if ways else -1
    top = _clamp(page.top, lines, height)
    return [(line, number == chosen) for number, line in enumerate(lines) if top <= number < top + height]
