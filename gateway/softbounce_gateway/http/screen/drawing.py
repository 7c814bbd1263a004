"""Pictures as numbers: where a moment lies in a drawing. The templates draw them, as SVG within the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FILTERS"]

FILTERS: Mapping[str, Callable[..., Any]] = {}
