"""From ``--config`` and the environment to a config and a client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce.client import Client
    from softbounce.store.shards import Shards

__all__ = ["PATIENCE", "ConfigFile", "Json", "client", "config_of", "file_of", "store_at", "wants_json"]

PATIENCE = 2.0
"""Seconds for which a store that cannot be reached is tried: somebody waits at the prompt."""
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The config file. [default: ./softbounce.toml when present]"),
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def file_of(context: typer.Context, config: Path | None) -> Path | None:
    """The config file that was named, before the command or after it."""
    root = context.find_root().obj or {}
    named: Path | None = config or root.get("config")
    return named


def wants_json(context: typer.Context, as_json: bool) -> bool:  # noqa: FBT001 - the option's own value
    """Whether JSON was asked for, before the command or after it."""
    root = context.find_root().obj or {}
    return as_json or bool(root.get("json"))


def config_of(context: typer.Context, config: Path | None) -> Config:
    """The effective configuration.

    :raises ConfigError: it cannot be used.
    """
    from softbounce_config import load  # noqa: PLC0415 - pydantic takes its time

    return load(file_of(context, config), environ=os.environ)


def client(context: typer.Context, config: Path | None) -> Client:
    """A client of the configured store.

    :raises ConfigError: the configuration cannot be used.
    """
    from softbounce.client import Client  # noqa: PLC0415 - so does redis

    return Client(config_of(context, config).store_url, patience=PATIENCE, way="command")


@contextmanager
def store_at(url: str) -> Iterator[Shards]:
    """A store, for commands that ask for what no client tells."""
    from softbounce.store.shards import Shards  # noqa: PLC0415 - so does redis

    store = Shards(url, patience=PATIENCE)
    try:
        yield store
    finally:
        store.close()
