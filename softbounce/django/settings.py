"""What a project's settings say of softbounce, checked; and the clients, one for each store and process.

``SOFTBOUNCE = {"URL": "redis://...", "STREAM": "app"}``; what a backend is made with (``get_connection(url=...)``, or
``OPTIONS`` in Django's ``MAILERS``) goes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from softbounce.client import Client
from softbounce.duration import parse_duration
from softbounce.errors import ConfigError

__all__ = ["OF_SENDS", "OF_STORES", "client_of", "defaults_of"]

OF_SENDS = ("STREAM", "TENANT", "WINDOW", "TAGS", "METADATA", "REQUIRE_TLS")
"""What holds for each message that says nothing else."""
OF_STORES = ("URL", "TIMEOUT", "PATIENCE")
CLIENTS = 16
"""Stores that one process sends to; the client of one more takes the place of the one that was used longest ago."""


def client_of(given: Mapping[str, Any]) -> Client:
    """The client of the store: the same for all backends of this process, which Django makes anew for each mail.

    Threads share it; a child that is forked opens connections of its own.

    :param given: ``url``, ``timeout`` and ``patience``, as far as the backend was given any.
    :raises ImproperlyConfigured: there is no URL, or it is none.
    """
    said = _settings()
    url, timeout, patience = (given.get(name.lower(), said.get(name)) for name in OF_STORES)
    if not url:
        raise ImproperlyConfigured(
            'softbounce needs the URL of its store, the [store] url of the service, as in SOFTBOUNCE = {"URL": '
            '"redis://localhost:6379/0"}'
        )
    try:
        return _client(str(url), timeout, patience)
    except (ConfigError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"SOFTBOUNCE: {error}") from error


@lru_cache(maxsize=CLIENTS)
def _client(url: str, timeout: float | None, patience: float | None) -> Client:
    chosen = {"timeout": timeout, "patience": patience}
    given: dict[str, Any] = {name: float(value) for name, value in chosen.items() if value is not None}
    return Client(url, **given)


def defaults_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``send`` that hold for each message that says nothing else."""
    said = _settings()
    found = {name.lower(): given.get(name.lower(), said.get(name)) for name in OF_SENDS}
    found = {name: value for name, value in found.items() if value is not None}
    window = found.get("window")
    if isinstance(window, str):
        try:
            found["window"] = parse_duration(window)
        except ValueError as error:
            raise ImproperlyConfigured(f"SOFTBOUNCE['WINDOW']: {window!r}: {error}") from error
    elif window is not None and not isinstance(window, timedelta):
        raise ImproperlyConfigured(f"SOFTBOUNCE['WINDOW']: {window!r} is neither a timedelta nor a duration as \"15m\"")
    return found


def _settings() -> Mapping[str, Any]:
    said = getattr(settings, "SOFTBOUNCE", {})
    if not isinstance(said, Mapping):
        raise ImproperlyConfigured('SOFTBOUNCE is no dict, such as {"URL": "redis://localhost:6379/0"}')
    known = (*OF_STORES, *OF_SENDS)
    for name in said:
        if name not in known:
            raise ImproperlyConfigured(f"SOFTBOUNCE: there is no {name!r}; there are {', '.join(known)}")
    return said
