"""The file of a rule pack: read and checked with the configuration, so that no worker has to find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from softbounce.errors import ConfigError
from softbounce_config.small_file import read_small_file

__all__ = ["RulePackFile", "read_rule_pack_file"]

MOST_OCTETS = 256 * 1024
"""It travels in the settings, which each process reads again and again."""


@dataclass(frozen=True, slots=True)
class RulePackFile:
    """A rule pack.

    :ivar path: where it was read.
    :ivar text: what it said.
    """

    path: Path
    text: str

    def __str__(self) -> str:
        return str(self.path)


def read_rule_pack_file(path: Path) -> RulePackFile:
    """Read a rule pack of at most 256 KiB.

    :raises ValueError: it cannot be read, is too large, or is no rule pack; says what is wrong with it.
    """
    from softbounce.classify.rule_pack import read_pack  # noqa: PLC0415 - few name one, and its own rules take their time

    try:
        text = read_small_file(path, MOST_OCTETS).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (octet {error.start})") from error
    try:
        read_pack(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return RulePackFile(path, text)
