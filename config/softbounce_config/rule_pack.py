"""The file of a rule pack: read and checked with the configuration, so that no worker has to find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from softbounce.errors import ConfigError

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

    if not path.is_file():
        raise ValueError("there is no such file")
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    if len(octets) > MOST_OCTETS:
        raise ValueError(f"has more than {MOST_OCTETS // 1024} KiB")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (octet {error.start})") from error
    try:
        read_pack(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return RulePackFile(path, text)
