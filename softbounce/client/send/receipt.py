"""What a caller gets for a message that was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Receipt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A message that is durably stored.

    :ivar message_id: the message's id, 23 letters.
    :ivar key: the idempotency key: the caller's, or the one that was made.
    :ivar envelopes: the envelope's id (26 letters) of each recipient, by the caller's spelling.
    :ivar known: it had been taken before, under the same key: nothing was stored now.
    :ivar suppressed: why a recipient's envelope ended at once, by the caller's spelling: its address gets no mail.
    :ivar held: why a recipient's envelope is held at the staging gate, by the caller's spelling.
    :ivar warnings: what large providers will hold against it, a sentence each: bulk mail without a way out.
    """

    message_id: str
    key: str
    envelopes: dict[str, str]
    known: bool = False
    suppressed: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "message_id": self.message_id,
            "key": self.key,
            "envelopes": dict(self.envelopes),
            "known": self.known,
            "suppressed": dict(self.suppressed),
            "held": dict(self.held),
            "warnings": list(self.warnings),
        }
