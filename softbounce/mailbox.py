"""A mailbox as people write it, ``Name <local@domain>``: its name and its address, and that it is one.

Whoever writes two into one text means both. To take one of them would lose the other without a word, so such a text is
refused. Wider than RFC 5322 §3.4 where that has one reading: a name without quotes may have a comma (``Doe, Jane
<jane@x.test>``) or be an address. The grammar of the address itself is :mod:`softbounce.address`'s.
"""

from __future__ import annotations

import re

__all__ = ["part_mailbox"]

QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
SEPARATOR = re.compile("[,;\uff0c\uff1b\u3001]")
"""Also as they are on keyboards of East Asia."""
BRACKET = re.compile("[<>]")


def part_mailbox(text: str) -> tuple[str, str]:
    """The name as it stands there, with its quotes, and the address; without brackets all of it is the address.

    :raises ValueError: it is more than one; the message says so in words.
    """
    bare = text.strip()
    begins = bare.rfind("<") if bare.endswith(">") else -1
    if begins < 0:
        return "", text
    name = bare[:begins].strip()
    if _has_another(name):
        raise ValueError(
            "is more than one address, and each stands by itself; a name that looks like that is written in quotes"
        )
    return name, bare[begins + 1 : -1]


def _has_another(name: str) -> bool:
    """Whether an address stands in what is before the last one, beside its name."""
    outside = QUOTED.sub("", name)
    if '"' in outside:  # one without its other: then nothing is quoted for sure
        outside = name
    if BRACKET.search(outside) is not None:
        return True
    words = outside.split()
    is_list = SEPARATOR.search(outside) is not None or (len(words) > 1 and all("@" in word for word in words))
    return is_list and "@" in name
