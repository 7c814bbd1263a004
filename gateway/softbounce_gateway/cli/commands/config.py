"""``softbounce config``: check, show, reference, reload."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, config_of, file_of, wants_json
from softbounce_gateway.cli.exit_codes import USAGE
from softbounce_gateway.cli.output import print_json, say

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="The configuration: check, show, reference, reload.",
        help="The configuration: is it right, what is in effect, what is there to set, apply it.",
    )
    group.command(short_help="Say everything that is wrong with the file.")(check)
    group.command()(show)
    group.command()(reference)
    group.command(short_help="Apply the file to the running service.")(reload)
    app.add_typer(group, name="config")


def check(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Say everything that is wrong with the file and the environment: where, which key, why; and what has no effect."""
    from softbounce_config import (  # noqa: PLC0415 - pydantic takes its time
        check_file,
        ehlo_name,
        find_file,
        load,
        unread_keys,
        wasteful,
    )

    from softbounce.errors import ConfigError  # noqa: PLC0415
    from softbounce_gateway.dkim.configured import check_keys  # noqa: PLC0415

    named = file_of(context, config)
    file = find_file(named)
    faults = check_file(named, os.environ)
    wastes: list[str] = []
    if not faults:
        try:
            loaded = load(named, environ=os.environ)
            ehlo_name(loaded.identity.hostname)
            check_keys(loaded)
            wastes = wasteful(loaded.settings())
        except ConfigError as error:
            faults = [f"{file or 'defaults'}: {line}" for line in str(error).splitlines()]
    unread = [] if faults else unread_keys(named, os.environ)
    if wants_json(context, as_json):
        name = None if file is None else str(file)
        print_json({"ok": not faults, "file": name, "faults": faults, "unread": unread, "wasteful": wastes})
    else:
        told = [f"{file or 'defaults'}: {line}" for line in wastes]
        sys.stderr.write("".join(f"{line}\n" for line in faults + unread + told))
        if not faults:
            say(f"{file or 'no file: built-in defaults'}: ok")
    if faults:
        raise typer.Exit(USAGE)


def show(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Print every effective value, passwords masked."""
    from softbounce_config import to_plain, to_toml  # noqa: PLC0415 - pydantic takes its time

    plain = to_plain(config_of(context, config))
    if wants_json(context, as_json):
        print_json(plain)
    else:
        sys.stdout.write(to_toml(plain))


def reference(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:  # noqa: ARG001
    """Print the reference of every key, in Markdown."""
    from softbounce_config import reference as page  # noqa: PLC0415 - pydantic takes its time

    if wants_json(context, as_json):
        print_json({"reference": page()})
    else:
        sys.stdout.write(page())


def reload(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Publish policies, rules and limits to the running service; they reach mail that is already queued.

    Where the service on this machine tells others than the file's [[webhook]] and [[alert]] name, it is asked to follow
    them, as by SIGHUP.
    """
    from softbounce_config import find_file  # noqa: PLC0415 - pydantic takes its time

    from softbounce.store.published import read_settings  # noqa: PLC0415 - so does redis
    from softbounce.store.shards import Shards  # noqa: PLC0415
    from softbounce_gateway.up.published_settings import publish  # noqa: PLC0415

    loaded = config_of(context, config)
    store = Shards(loaded.store_url)
    try:
        before = store.run(read_settings())
        published = publish(store, loaded.settings())
    finally:
        store.close()
    changed = before is None or before.version != published.version
    asked, words = _follow(loaded, find_file(file_of(context, config)))
    if wants_json(context, as_json):
        print_json({"version": published.version, "changed": changed, "asked": asked})
        return
    if changed:
        say(f"Published version {published.version}.")
    else:
        say(f"Nothing changed: version {published.version} says the same.")
    if words:
        say(words)


def _follow(loaded: Config, file: Path | None) -> tuple[int | None, str]:
    """Have the service tell whom the file names now, where it does not; whom we asked, and what there is to say."""
    from softbounce_gateway.up.followed import digest_of, running_up  # noqa: PLC0415 - only here

    up = running_up(loaded.data_dir)
    if up is None or not up.told:
        elsewhere = "[[webhook]] and [[alert]] are followed by each `softbounce up` with the role gateway on SIGHUP."
        return None, elsewhere if loaded.webhook or loaded.alert else ""
    if up.told == digest_of(loaded):
        return None, ""
    if up.file is None or file is None or up.file.resolve() != file.resolve():
        return (
            None,
            f"The running service (process {up.pid}) goes by {up.file or 'no file'}, and tells whom that names.",
        )
    try:
        os.kill(up.pid, signal.SIGHUP)
    except OSError as error:
        why = f"{error.strerror}: `kill -HUP {up.pid}` as its user has it told"
        return None, f"The running service does not know yet whom [[webhook]] and [[alert]] name now ({why})."
    told = "to tell whom [[webhook]] and [[alert]] name now; it says what came of it"
    return up.pid, f"Asked the running service (process {up.pid}) {told}."
