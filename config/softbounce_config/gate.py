"""The table of the staging gate: whom mail may go to at all. A struct of :mod:`softbounce.gate`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.gate import MOST_PATTERNS, GateRules, read_pattern
from softbounce_config.fields import Notation, Section

__all__ = ["GateSection"]


def _pattern(value: object) -> str:
    if isinstance(value, str):
        return read_pattern(value)
    raise ValueError('should be a pattern of addresses in quotes, such as "*@example.com"')


def _patterns(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ValueError('should be a list of patterns, as in ["*@example.com"]')


Pattern = Annotated[str, BeforeValidator(_pattern), Notation("address pattern")]
Patterns = Annotated[
    tuple[Pattern, ...], BeforeValidator(_patterns), Notation("list of address patterns", list, is_list=True)
]


class GateSection(Section):
    """The staging gate: whom mail may go to at all, so that a copy of production mails nobody ([staging](staging.md)).

    Without this table there is no gate. With it, mail to everybody whom no pattern fits is held, whatever way it came
    in by, also what was in the store before; `softbounce release --past-gate ID` lets a single one out.
    """

    allow: Patterns | None = Field(
        default=None,
        max_length=MOST_PATTERNS,
        description='Who gets mail: patterns of addresses, such as `["*@example.com", "*@*.example.com"]`. `[]`: '
        "nobody. Case does not matter.",
    )

    def rules(self) -> GateRules | None:
        """The rules as they are published; ``None``: there is no gate."""
        return None if self.allow is None else GateRules(allow=self.allow)
