"""What does not fit together in the ``[[route]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from softbounce_config.complaints import NO_VALUE, Complaint

__all__ = ["route_contradictions"]

SMTP = 25
WAYS_IN = ("host", "socket")
NOT_AT_SOCKETS = ("port", "implicit_tls", "source", "family", "tls")
CONDITIONS = ("domain", "sender", "stream", "site", "after_attempts", "after_reason")
LOGIN_KEYS = ("password_file", "password_env", "login_in_clear")


def route_contradictions(tables: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    logins: dict[tuple[str, ...], tuple[int, object]] = {}
    for number, table in tables:
        path = ("route", number)
        who = tuple(str(table.get(key, "")).lower() for key in ("host", "socket", "port", "user"))
        secret = table.get("password_file") or table.get("password_env")
        first, known = logins.setdefault(who, (number, secret))
        if table.get("user") and known != secret:
            yield Complaint(path, NO_VALUE, f"has another password than route[{first}] for the same user there")
        yield from _about_hand(path, table)
        yield from _about_host(path, table)
        yield from _about_login(path, table)


def _about_hand(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Complaint]:
    if table.get("by_hand") is not True:
        return
    if not table.get("name"):
        yield Complaint((*path, "by_hand"), table["by_hand"], "needs a name, by which mail is sent this way")
    for key in CONDITIONS:
        if table.get(key):
            yield Complaint((*path, key), table[key], "has no meaning with by_hand: no mail takes it by itself")


def _about_host(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Complaint]:
    leads_somewhere = any(table.get(key) for key in WAYS_IN)
    if table.get("host") and table.get("socket"):
        yield Complaint((*path, "socket"), table["socket"], "excludes host: give one of them")
    if table.get("protocol") == "lmtp" and not leads_somewhere:
        yield Complaint((*path, "protocol"), "lmtp", "needs host or socket: MX hosts do not speak it (RFC 2033 §5)")
    if table.get("protocol") == "lmtp" and table.get("port") == SMTP:
        yield Complaint((*path, "port"), SMTP, "is SMTP's, and never LMTP's (RFC 2033 §5)")
    source = table.get("source")
    sources = [source] if isinstance(source, str) else source if isinstance(source, list) else []
    is_six = bool(sources) and all(":" in str(one) for one in sources)
    if is_six and not leads_somewhere and table.get("family") != "only6":
        reason = 'hosts without IPv6 could not be dialled: give an IPv4 address too, or say family = "only6"'
        yield Complaint((*path, "source"), source, reason)
    if table.get("socket"):
        for key in NOT_AT_SOCKETS:
            if table.get(key):
                yield Complaint((*path, key), table[key], "has no meaning at a socket")
    if table.get("implicit_tls") and table.get("tls") == "none":
        yield Complaint((*path, "tls"), "none", "contradicts implicit_tls")


def _about_login(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Complaint]:
    if not table.get("user"):
        for key in LOGIN_KEYS:
            if table.get(key):
                yield Complaint((*path, key), NO_VALUE, "has no meaning without user")
        return
    if not any(table.get(key) for key in WAYS_IN):
        yield Complaint((*path, "user"), table["user"], "needs host or socket: nobody logs in at strangers' MX hosts")
    if bool(table.get("password_file")) == bool(table.get("password_env")):
        yield Complaint(path, NO_VALUE, "needs its password: give one of password_file and password_env")
