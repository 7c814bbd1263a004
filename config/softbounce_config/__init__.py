"""Files and environment to typed, checked settings.

``softbounce`` itself reads no files and no environment; this package does, and hands values on. It opens no
connection and looks nothing up. Names are imported when first used, because pydantic takes its time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce_config.config import Config
    from softbounce_config.identity import ehlo_name
    from softbounce_config.plain import to_plain, to_toml
    from softbounce_config.reference_page import reference
    from softbounce_config.sources import check_file, find_file, load, unread_keys
    from softbounce_config.units import (
        format_duration,
        format_rate,
        format_size,
        parse_duration,
        parse_rate,
        parse_size,
    )
    from softbounce_config.waste import wasteful

__all__ = [
    "Config",
    "check_file",
    "ehlo_name",
    "find_file",
    "format_duration",
    "format_rate",
    "format_size",
    "load",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "reference",
    "to_plain",
    "to_toml",
    "unread_keys",
    "wasteful",
]

HOMES = {
    "Config": "config",
    "check_file": "sources",
    "ehlo_name": "identity",
    "find_file": "sources",
    "load": "sources",
    "reference": "reference_page",
    "to_plain": "plain",
    "to_toml": "plain",
    "unread_keys": "sources",
    "wasteful": "waste",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES.get(name, 'units')}"), name)
