"""Presets: how hard large providers may be pushed, as data that ships (``presets.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import msgspec

from softbounce.settings import LaneRule
from softbounce_config.rules import LaneSection

__all__ = ["presets", "with_presets"]


@cache
def presets() -> tuple[LaneRule, ...]:
    """The presets in their order."""
    text = resources.files("softbounce_config").joinpath("presets.toml").read_text("utf-8")
    return tuple(_preset(table) for table in tomllib.loads(text)["lane"])


def _preset(table: dict[str, object]) -> LaneRule:
    source = table.pop("source")
    rule = LaneSection.model_validate(table).rule()
    return msgspec.structs.replace(rule, source=f"preset ({source})")


def with_presets(own: Sequence[LaneRule]) -> tuple[LaneRule, ...]:
    """The lane rules that are published: the user's own, and the presets before those of them that are for every site.

    A rule that names a provider goes before its preset; one for all others leaves the preset in force.
    """
    for_all = next((at for at, rule in enumerate(own) if rule.site == "*"), len(own))
    return (*own[:for_all], *presets(), *own[for_all:])
