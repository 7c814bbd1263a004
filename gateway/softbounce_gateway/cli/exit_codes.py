"""How an error ends a command: its words and its exit code."""

from __future__ import annotations

from softbounce.errors import (
    ConfigError,
    EventsLost,
    InvalidArgument,
    InvalidMessage,
    KeyReused,
    SoftbounceError,
    StoreError,
    StoreUnavailable,
    StoreUncertain,
)

__all__ = ["FAILED", "STORE", "USAGE", "exit_code", "words"]

FAILED = 1
USAGE = 2
STORE = 3


def exit_code(error: SoftbounceError) -> int:
    """1 it failed or was not found, 2 wrong usage, config or input, 3 the store cannot be reached or refuses."""
    if isinstance(error, (ConfigError, InvalidMessage, InvalidArgument, KeyReused)):
        return USAGE
    if isinstance(error, StoreError):
        return STORE
    return FAILED


def words(error: SoftbounceError) -> str:
    """What went wrong and what to do, safe to print."""
    text = str(error)
    match error:
        case StoreUncertain() if error.key:
            text += (
                f"\nIt may have been taken or not; the same command with --key {error.key} makes sure, sending once."
            )
        case StoreUnavailable():
            text += (
                "\nIs it running? `softbounce up` runs the service; [store] url in the config says where the store is."
            )
        case EventsLost():
            text = (
                "events between this cursor and the oldest kept one were trimmed ([store] keep_events);\n"
                f"read on with --after {error.resume_after}"
            )
        case _:
            pass
    return "".join(one if one.isprintable() or one == "\n" else f"\\x{ord(one):02x}" for one in text)
