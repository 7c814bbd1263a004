"""A file that a configuration names and that travels with the settings: read whole, within a bound."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_small_file"]


def read_small_file(path: Path, most_octets: int, *, advice: str = "") -> bytes:
    """The octets of a file.

    :param advice: what is said to whom the bound stops.
    :raises ValueError: there is none, it cannot be read, or it is too large.
    """
    if not path.is_file():
        raise ValueError("there is no such file")
    try:
        with path.open("rb") as file:
            octets = file.read(most_octets + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    if len(octets) > most_octets:
        raise ValueError(f"has more than {most_octets // 1024} KiB{advice}")
    return octets
