"""Which roads this process's configuration names, and the passwords that they need.

Routes come from the store, and who may write there must not choose whom a process dials: a smarthost may be on our own
network, and hears a password. So a road beside the usual one counts only where the file or the environment that this
process was started with names the very same, as they are now: a ``config reload`` needs no restart. The file is read
again when it changed; a password each time that it is needed, so that it may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from softbounce.errors import ConfigError
from softbounce.road import Road
from softbounce_config.config import Config
from softbounce_config.process_settings import Login
from softbounce_config.routes import RouteSection
from softbounce_config.sources import find_file, load

__all__ = ["OwnRoads"]

LONGEST_PASSWORD = 1024


class OwnRoads:
    """The roads, as a container that is asked for one, and for the login on it.

    :param path: the configuration's file, as it was given; it need not be right any more.
    :param config: what it was when it was read at start.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], config: Config) -> None:
        self._path = path
        self._environ = dict(environ)
        self._known = _roads(config)
        self._seen = self._signature()

    def __contains__(self, road: object) -> bool:
        """Whether our own configuration names it, now."""
        self._refresh()
        return road in self._known

    def check(self) -> None:
        """Read every password once.

        :raises ConfigError: some cannot be had; one line for each road. None is quoted.
        """
        faults: list[str] = []
        for road in self._known:
            try:
                self.login(road)
            except ValueError as error:
                faults.append(f"route to {road.place} as {road.user}: {error}")
        if faults:
            raise ConfigError("\n".join(faults))

    def login(self, road: Road) -> Login | None:
        """As whom to log in on a road; ``None``: nobody does. Reads a file.

        :raises ValueError: the password cannot be had. It is never quoted.
        """
        self._refresh()
        section = self._known.get(road)
        if section is None or section.user is None:
            return None
        return Login(user=section.user, password=_password(section, self._environ))

    def _refresh(self) -> None:
        """Read the file again, where it changed. One that cannot be read names what it did before."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        with suppress(ConfigError):  # who reads the file to publish it says what is wrong with it
            self._known = _roads(load(self._path, environ=self._environ))

    def _signature(self) -> tuple[int, int, int] | None:
        file = find_file(self._path)
        try:
            state = None if file is None else file.stat()
        except OSError:
            return None
        return state and (state.st_ino, state.st_mtime_ns, state.st_size)


def _roads(config: Config) -> dict[Road, RouteSection]:
    """Where two tables name the same road, the first one's password counts."""
    roads: dict[Road, RouteSection] = {}
    for section in (*config.gate.catcher_tables(), *config.route):
        roads.setdefault(section.road, section)
    return roads


def _password(section: RouteSection, environ: Mapping[str, str]) -> str:
    if section.password_file is not None:
        where = f"password_file {section.password_file}"
        try:
            with section.password_file.open("rb") as file:
                octets = file.read(LONGEST_PASSWORD + 3)
        except OSError as error:
            raise ValueError(f"{where} cannot be read: {error.strerror or error}") from None
    else:
        where = f"password_env: the variable {section.password_env}"
        text = environ.get(section.password_env or "")
        if text is None:
            raise ValueError(f"{where} is not set")
        octets = text.encode(errors="surrogateescape")
    try:
        password = octets.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{where} is not UTF-8 text") from None
    if not password:
        raise ValueError(f"{where} is empty")
    if len(password) > LONGEST_PASSWORD or any(one in password for one in "\0\r\n"):
        raise ValueError(f"{where} holds no password: one line of at most {LONGEST_PASSWORD} characters")
    return password
