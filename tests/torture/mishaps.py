"""Reads the parts' logs for what no fault of ours explains: processes that failed, and errors that nobody expected.

A process may be ended by our signals, lose its lease (75), find its store away (3), or be stopped as one with its
siblings (0). A store may fail while its disk is full.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

__all__ = ["find_mishaps"]

CHILD_FAILED = re.compile(
    r"^softbounce: (?P<child>.+?) (?:failed \(exit code (?P<code>-?\d+)\)|was ended by (?P<signal>\w+))"
)
PART_ENDED = re.compile(r"^-- [0-9.]+ (?P<child>\S+) ended with (?P<code>-?\d+)$")
EXPECTED_CODES = frozenset({"0", "3", "75", "-9", "-15"})
EXPECTED_SIGNALS = frozenset({"SIGKILL", "SIGTERM"})
STORE = "store"
NOT_OURS = ("dramatiq",)
"""Their loggers' words for a store that is away."""


def find_mishaps(logs: Iterable[Path]) -> Counter[str]:
    """What went wrong by itself, in words, and how often."""
    found: Counter[str] = Counter()
    for path in logs:
        for line in path.read_text(errors="replace").splitlines():
            if words := _failure(line) or _unexpected(line):
                found[f"{path.stem}: {words}"] += 1
    return found


def _failure(line: str) -> str:
    match = CHILD_FAILED.match(line) or PART_ENDED.match(line)
    if match is None:
        return ""
    facts = match.groupdict()
    if facts["child"].startswith(STORE) or facts["code"] in EXPECTED_CODES or facts.get("signal") in EXPECTED_SIGNALS:
        return ""
    return line.partition("; restarting")[0]


def _unexpected(line: str) -> str:
    if line.startswith("Traceback"):
        return line
    if not line.startswith("{"):
        return ""
    try:
        record = json.loads(line)
    except ValueError:  # cut off when its process was killed
        return ""
    if "exception" not in record or str(record.get("logger", "")).startswith(NOT_OURS):
        return ""
    last = str(record["exception"]).strip().rpartition("\n")[2]
    return f"{record.get('event')}: {last}"[:200]
