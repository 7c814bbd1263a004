"""What ends an ``up``: why it cannot start, and the exit code for that."""

from __future__ import annotations

from softbounce.errors import SoftbounceError

__all__ = ["StartFailed"]


class StartFailed(SoftbounceError):
    """The service cannot start.

    :ivar exit_code: what the command ends with.
    """

    def __init__(self, reason: str, *, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
