"""How much all messages that come in at one time may take of the memory together."""

from __future__ import annotations

__all__ = ["Budget"]


class Budget:
    """Octets to be had.

    :param octets: all there are.
    """

    def __init__(self, octets: int) -> None:
        self._left = octets

    def take(self, octets: int) -> bool:
        """Take so many; false: there are not as many left, and none was taken."""
        if octets > self._left:
            return False
        self._left -= octets
        return True

    def give_back(self, octets: int) -> None:
        """Give back what was taken."""
        self._left += octets
