"""The table of the staging gate: whom mail may go to at all. A struct of :mod:`softbounce.gate`."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.gate import MOST_PATTERNS, GateRules, read_pattern
from softbounce.road import RouteRule
from softbounce_config.fields import Notation, Section
from softbounce_config.hosts import split_endpoint
from softbounce_config.routes import RouteSection

__all__ = ["GateSection"]

OUTWARD = frozenset({24, 25, 465, 587, 2525})
"""Where a mail server of the machine's own listens, which sends on to the world what it is given."""


def _pattern(value: object) -> str:
    if isinstance(value, str):
        return read_pattern(value)
    raise ValueError('should be a pattern of addresses in quotes, such as "*@example.com"')


def _patterns(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ValueError('should be a list of patterns, as in ["*@example.com"]')


def _catcher(value: object) -> str:
    text = value if isinstance(value, str) else "no text"
    host, port = split_endpoint(text)
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise ValueError(f'"{host}" may be another machine, which sends it on: name an address of this one, 127.0.0.1')
    if port in OUTWARD:
        raise ValueError(f"at port {port} a mail server would send it on to the world: name what only shows mail")
    return text


Pattern = Annotated[str, BeforeValidator(_pattern), Notation("address pattern")]
Patterns = Annotated[
    tuple[Pattern, ...], BeforeValidator(_patterns), Notation("list of address patterns", list, is_list=True)
]
Catcher = Annotated[str, BeforeValidator(_catcher), Notation("host:port")]


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
    others_to: Catcher | None = Field(
        default=None,
        description="Where all other mail goes instead of being held: what takes and shows it on this machine, as "
        '`"127.0.0.1:1025"` of `softbounce dev`. Each machine with a worker has its own. Not given: it is held.',
    )

    def catcher_tables(self) -> tuple[RouteSection, ...]:
        """The road that all other mail takes, as a table says it; none: that is held."""
        if self.allow is None or self.others_to is None:
            return ()
        host, port = split_endpoint(self.others_to)
        return (RouteSection(host=host, port=port, tls="none"),)

    def routes(self) -> tuple[RouteRule, ...]:
        """The rule that comes before all others."""
        return tuple(RouteRule(road=one.road, is_gated=True) for one in self.catcher_tables())

    def rules(self) -> GateRules | None:
        """The rules as they are published; ``None``: there is no gate."""
        if self.allow is None:
            return None
        return GateRules(allow=self.allow, others_to=next((one.road for one in self.catcher_tables()), None))
