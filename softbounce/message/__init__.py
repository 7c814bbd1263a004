"""From what an app hands over to the octets that go on the wire, and the digest that tells equal content.

:mod:`.prepared` checks and mends octets; :mod:`.serialise` makes them of a message object, field by field.
"""

from __future__ import annotations

from softbounce.message.prepared import Prepared, former_digest, prepare

__all__ = ["Prepared", "former_digest", "prepare"]
