"""The way from a file, the environment and the command line to a :class:`Config`, or to every reason why not.

Later ones win: built-in defaults, file, environment, command line. Where there is no file, ``SOFTBOUNCE_URL`` says
where the store is, as it does to apps. Tables are merged key by key; a list, also one of tables such as ``[[lane]]``,
is replaced as a whole.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from softbounce.errors import ConfigError
from softbounce.store.address import StoreAddress
from softbounce_config.complaints import complaints_of, origin_of, render
from softbounce_config.config import DEFAULT_POLICY, Config
from softbounce_config.contradictions import contradictions
from softbounce_config.environment import read_environment
from softbounce_config.sections import StoreSection
from softbounce_config.shape import KeyPath, Shape, place_at
from softbounce_config.unread import unread
from softbounce_config.urls import EMBEDDED, SOCKET

__all__ = ["DEFAULT_FILE", "check_file", "find_file", "load", "unread_keys"]

DEFAULT_FILE = Path("softbounce.toml")
STORE_VARIABLE = "SOFTBOUNCE_URL"
NO_FILE = "defaults"
TABLE_PATHS = (("dkim", "key_file"), ("route", "password_file"), ("route", "socket"), ("webhook", "secret_file"))


@dataclass(slots=True)
class Sources:
    """All that was read, merged.

    :ivar tables: as one file would have them.
    :ivar origins: where a value comes from, when not from the file.
    :ivar faults: what was wrong before anything could be checked.
    """

    tables: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def put(self, path: KeyPath, value: object, origin: str) -> None:
        """Set one value, unless the file has something else where its table should be."""
        table = self.tables
        for step in path[:-1]:
            table = table.setdefault(str(step), {})
            if not isinstance(table, dict):
                return
        table[str(path[-1])] = value
        self.origins[path] = origin


def find_file(path: Path | None) -> Path | None:
    """The file to read: *path* when given, else ``./softbounce.toml`` when there is one, else none."""
    if path is None and DEFAULT_FILE.is_file():
        return DEFAULT_FILE
    return path


def load(path: Path | None, *, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration.

    :param path: the file, or ``None`` for ``./softbounce.toml`` when present, else built-in defaults.
    :param environ: the environment; only ``SOFTBOUNCE__`` variables are looked at, and ``SOFTBOUNCE_URL`` where there
        is no file.
    :param overrides: tables as in the file, from the command line; ``None`` values in them are not given.
    :raises ConfigError: it cannot be used; one line says one reason, with its place, for all of them at once.
    """
    config, faults = _load(find_file(path), environ, overrides or {})
    if config is None:
        raise ConfigError("\n".join(faults))
    return config


def check_file(path: Path | None, environ: Mapping[str, str]) -> list[str]:
    """Everything that is wrong with a file under an environment, one line each; empty when it can be used."""
    return _load(find_file(path), environ, {})[1]


def unread_keys(path: Path | None, environ: Mapping[str, str]) -> list[str]:
    """What is set and has no effect yet, one line each, with its place.

    :raises ConfigError: the file cannot be read.
    """
    file = find_file(path)
    sources = _gather(file, environ, {})
    return [f"{origin_of(key, sources.origins) or file or NO_FILE}: {line}" for key, line in unread(sources.tables)]


def _load(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> tuple[Config | None, list[str]]:
    try:
        sources = _gather(path, environ, overrides)
    except ConfigError as error:
        return None, [str(error)]
    _anchor(sources, Path.cwd() if path is None else path.absolute().parent)
    _know_own_socket(sources)
    complaints = list(contradictions(sources.tables))
    config = None
    try:
        config = Config.model_validate(sources.tables)
    except ValidationError as error:
        complaints = complaints_of(error) + complaints
    faults = sources.faults + render(complaints, sources.origins, str(path or NO_FILE))
    return (None if faults else config), faults


def _gather(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Sources:
    """What was written, merged."""
    sources = Sources({} if path is None else _read(path))
    if path is None and environ.get(STORE_VARIABLE):
        sources.put(("store", "url"), environ[STORE_VARIABLE], f"environment: {STORE_VARIABLE}")
    _merge(sources, environ, overrides)
    return sources


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (octet {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _merge(sources: Sources, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
    named = sources.tables.get("policy")
    policies = {*named, DEFAULT_POLICY} if isinstance(named, dict) else {DEFAULT_POLICY}
    environment = read_environment(environ, policies)
    sources.faults += environment.faults
    for path, value in environment.values.items():
        sources.put(path, value, environment.origins[path])
    for path, value in _leaves((), overrides):
        sources.put(path, value, "command line")


def _leaves(path: KeyPath, table: Mapping[str, Any]) -> Iterator[tuple[KeyPath, object]]:
    for key, value in table.items():
        below = (*path, key)
        place = place_at(below)
        if isinstance(value, Mapping) and place is not None and place.shape in {Shape.SECTION, Shape.NAMED}:
            yield from _leaves(below, value)
        elif value is not None:
            yield below, value


def _anchor(sources: Sources, folder: Path) -> None:
    """Make paths absolute: a relative one is relative to the config file, wherever it was said."""
    store = sources.tables.setdefault("store", {})
    if isinstance(store, dict):
        named = store.get("data_dir", StoreSection().data_dir)
        if isinstance(named, Path) or (isinstance(named, str) and named):
            store["data_dir"] = folder / named
    for name, key in (("classify", "rules"), ("gateway", "tls_certificate"), ("gateway", "tls_key")):
        table = sources.tables.get(name)
        if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
            table[key] = folder / table[key]
    rules = sources.tables.get("tls")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and isinstance(rule.get("roots"), str) and rule["roots"]:
            rule["roots"] = folder / rule["roots"]
    for name, key in TABLE_PATHS:
        listed = sources.tables.get(name)
        for table in listed if isinstance(listed, list) else ():
            if isinstance(table, dict) and isinstance(path := table.get(key), str) and path:
                table[key] = str(folder / path)


def _know_own_socket(sources: Sources) -> None:
    """A variable that leads apps to the embedded store names no other store to who runs that one."""
    store = sources.tables["store"]
    origin = sources.origins.get(("store", "url"))
    if origin != f"environment: {STORE_VARIABLE}" or not isinstance(store, dict):
        return
    try:
        named = StoreAddress.parse(str(store["url"]))
    except ValueError:
        return  # which is said of it as of any other
    if named.socket is None or named.number or not store.get("data_dir"):
        return
    if Path(named.socket).resolve() == (Path(store["data_dir"]) / SOCKET).resolve():
        store["url"] = EMBEDDED
