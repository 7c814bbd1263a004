"""Logins that failed: who guesses waits the longer, the more often; what is remembered is bounded.

Counted for an address with a name, which has few tries, and for either alone, which have more: one app with an old
token on this machine does not lock out its neighbours, nor a stranger the owner of a name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

__all__ = ["LoginGuard"]

FREE_TOGETHER, FREE_ALONE = 3, 30
"""Failures that cost nothing."""
FIRST, LONGEST = 4.0, 60.0
FORGOTTEN_AFTER = 900.0
MOST = 30_000
NAME_CHARACTERS = 64


class LoginGuard:
    """Who may try again, and when.

    :param now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def wait(self, address: str, name: str) -> float:
        """Seconds until they may try; 0: now."""
        return max(self._wait(who, free) for who, free in _counted(address, name))

    def note(self, address: str, name: str) -> None:
        """It failed."""
        for who, _ in _counted(address, name):
            count, _at = self._failures.pop(who, (0, 0.0))
            self._failures[who] = count + 1, self._now()
            if len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def forget(self, address: str, name: str) -> None:
        """It was right."""
        self._failures.pop(_counted(address, name)[0][0], None)

    def _wait(self, who: tuple[str, str], free: int) -> float:
        count, last_at = self._failures.get(who, (0, 0.0))
        now = self._now()
        if now - last_at > FORGOTTEN_AFTER:
            self._failures.pop(who, None)
            return 0.0
        if count <= free:
            return 0.0
        return max(0.0, last_at + min(LONGEST, FIRST * 2.0 ** min(count - free - 1, 16)) - now)


def _counted(address: str, name: str) -> tuple[tuple[tuple[str, str], int], ...]:
    name = name[:NAME_CHARACTERS]
    return (((address, name), FREE_TOGETHER), ((address, ""), FREE_ALONE), (("", name), FREE_ALONE))
