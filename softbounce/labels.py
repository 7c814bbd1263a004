"""What an app says of a message for its own use: tags and metadata.

They go along with each envelope and each of its events, so that whoever reads these finds the order or the customer
without a table of ids. Mail hosts never see them. They are bounded, because every event repeats them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from softbounce.errors import InvalidMessage

__all__ = ["METADATA_NAME", "check_metadata", "check_tags"]

TAGS = 20
TAG_CHARACTERS = 128
METADATA = 50
METADATA_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
VALUE_CHARACTERS = 500
OCTETS = 4096
"""All names, values or tags of a message together, in UTF-8."""
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_tags(tags: object) -> tuple[str, ...]:
    """The tags, each once, in their order.

    :raises InvalidMessage: they are none.
    """
    if isinstance(tags, (str, bytes, Mapping)) or not isinstance(tags, Iterable):
        raise InvalidMessage("tags", "not a list of strings")
    found: dict[str, None] = {}
    for position, tag in enumerate(tags):
        if len(found) == TAGS:
            raise InvalidMessage("tags", f"more than {TAGS}")
        if isinstance(tag, str) and not tag:
            raise InvalidMessage(f"tags[{position}]", "is empty")
        found[_text(f"tags[{position}]", tag, TAG_CHARACTERS)] = None
    _check_octets("tags", found)
    return tuple(found)


def check_metadata(metadata: object) -> dict[str, str]:
    """The metadata.

    :raises InvalidMessage: it is none.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidMessage("metadata", f"not a dict of strings but {type(metadata).__name__}")
    if len(metadata) > METADATA:
        raise InvalidMessage("metadata", f"more than {METADATA} names")
    found: dict[str, str] = {}
    for name, value in metadata.items():
        if not isinstance(name, str) or METADATA_NAME.fullmatch(name) is None:
            shown = name[:64] if isinstance(name, str) else type(name).__name__
            raise InvalidMessage(
                "metadata", f"{shown!r} is no name; one has up to 64 of the characters A-Z a-z 0-9 _ . -"
            )
        found[name] = _text(f"metadata[{name}]", value, VALUE_CHARACTERS)
    _check_octets("metadata", [*found, *found.values()])
    return found


def _text(field: str, text: object, most: int) -> str:
    if not isinstance(text, str):
        raise InvalidMessage(field, f"not a string but {type(text).__name__}")
    if len(text) > most:
        raise InvalidMessage(field, f"has {len(text)} characters; {most} is the most")
    if any(unicodedata.category(one) in UNPRINTABLE for one in text):
        raise InvalidMessage(field, "has a control character or a line break")
    return text


def _check_octets(field: str, texts: Iterable[str]) -> None:
    octets = sum(len(one.encode()) for one in texts)
    if octets > OCTETS:
        raise InvalidMessage(field, f"has {octets} octets in all; {OCTETS} is the most, because every event repeats it")
