"""Which parts of the service one ``up`` runs, and what it asks of the system for them."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import suppress

from softbounce_gateway.errors import StartFailed

__all__ = ["ROLES", "choose_roles", "raise_file_limit"]

ROLES = ("store", "scheduler", "worker", "gateway")


def choose_roles(roles: Sequence[str] | None, *, is_embedded: bool, has_way_in: bool) -> frozenset[str]:
    """The roles to run.

    :param roles: as asked for; ``None``: all that there are.
    :param is_embedded: whether the store is a server of our own, so that there is one to run.
    :param has_way_in: whether there is a place to listen at, or somebody to tell, so that there is a gateway to run.
    :raises StartFailed: one is unknown, or nothing is left to run (exit code 2).
    """
    if roles is None:
        here = {"store": is_embedded, "scheduler": True, "worker": True, "gateway": has_way_in}
        return frozenset(role for role, is_here in here.items() if is_here)
    for role in roles:
        if role not in ROLES:
            raise StartFailed(f"there is no role {role!r}; there are: {', '.join(ROLES)}", exit_code=2)
    chosen = frozenset(roles) - (frozenset() if is_embedded else {"store"})
    if chosen == {"gateway"} and not has_way_in:
        raise StartFailed(
            "nothing to run: [gateway] names no place to listen at, and there is no [[webhook]]", exit_code=2
        )
    if not chosen:
        reason = '[store] url is not "embedded", so that the store runs by itself' if roles else "no role was given"
        raise StartFailed(f"nothing to run: {reason}", exit_code=2)
    return chosen


def raise_file_limit() -> None:
    """As many open files as the system lets us have; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS names no limit that it would grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
