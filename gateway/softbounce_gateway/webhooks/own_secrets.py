"""The secrets of receivers, as they are now: a file that changed is read again, without a restart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from softbounce_config.process_settings import WebhookSettings
from softbounce_config.webhook_secret import read_all

from softbounce.errors import ConfigError

__all__ = ["OwnSecrets", "read_secrets"]

LONGEST_FILE = 1024

Signature = tuple[int, int, int]


class OwnSecrets:
    """Those of all receivers of this process's configuration."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._known: dict[str, tuple[Signature | None, list[bytes]]] = {}

    def check(self, told: list[WebhookSettings]) -> None:
        """Read them all once.

        :raises ConfigError: some cannot be had; one line for each. None is quoted.
        """
        faults: list[str] = []
        for one in told:
            try:
                self.of(one)
            except ValueError as error:
                faults.append(f"webhook {one.name}: {error}")
        if faults:
            raise ConfigError("\n".join(faults))

    def of(self, told: WebhookSettings) -> list[bytes]:
        """Those of a receiver, the new one first.

        :raises ValueError: they cannot be had; in words, without them.
        """
        signature = _signature(told.secret_file)
        seen = self._known.get(told.name)
        if seen is None or seen[0] != signature:
            seen = self._known[told.name] = signature, read_secrets(told, self._environ)
        return seen[1]


def _signature(file: Path | None) -> Signature | None:
    try:
        state = None if file is None else file.stat()
    except OSError:
        return None
    return state and (state.st_ino, state.st_mtime_ns, state.st_size)


def read_secrets(told: WebhookSettings, environ: Mapping[str, str]) -> list[bytes]:
    """The secrets of a receiver, the new one first. May read a file.

    :raises ValueError: they cannot be had; in words, without them.
    """
    if told.secret:
        return [one.octets for one in told.secret]
    if told.secret_file is not None:
        where, text = f"secret_file {told.secret_file}", _text_of(told.secret_file)
    else:
        where, found = f"secret_env: the variable {told.secret_env}", environ.get(told.secret_env or "")
        if found is None:
            raise ValueError(f"{where} is not set")
        text = found[:LONGEST_FILE]
    try:
        return [one.octets for one in read_all(text.split())]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_FILE).decode()
    except OSError as error:
        raise ValueError(f"secret_file {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"secret_file {path} is not UTF-8 text") from None
