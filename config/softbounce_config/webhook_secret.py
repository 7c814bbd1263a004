"""A secret that a receiver of webhooks knows us by: how it is written, and that it is never shown."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field

from softbounce.store.masking import MASK

__all__ = ["Secret", "read_all"]

PREFIX = "whsec_"
SHORTEST, LONGEST = 16, 64
MOST = 2
NO_SECRET = (
    f"should be secrets of Standard Webhooks, {PREFIX} and base64 of {SHORTEST} to {LONGEST} octets, one or, while you "
    "change it, two: `softbounce webhooks secret` makes one"
)


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret, which no screen and no log shows."""

    octets: bytes = field(repr=False)

    def __str__(self) -> str:
        return MASK

    @classmethod
    def read(cls, text: str) -> Secret:
        """Read one as it is written.

        :raises ValueError: it is none; what it is is not said.
        """
        try:
            octets = b64decode(text.strip().removeprefix(PREFIX), validate=True)
        except ValueError:
            octets = b""
        if not SHORTEST <= len(octets) <= LONGEST:
            raise ValueError(NO_SECRET)
        return cls(octets)


def read_all(values: object) -> tuple[Secret, ...]:
    """Read a list of one or two.

    :raises ValueError: it is none; what it is is not said.
    """
    if not isinstance(values, list | tuple) or not 0 < len(values) <= MOST:
        raise ValueError(NO_SECRET)
    return tuple(one if isinstance(one, Secret) else Secret.read(str(one)) for one in values)
