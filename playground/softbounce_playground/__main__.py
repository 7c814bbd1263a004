"""Run the playground as a process of its own, until it is told to end or its parent is gone."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from softbounce_playground.playground import Playground
from softbounce_playground.tls import self_signed_context

__all__ = ["main"]

MAX_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve. Prints one line ``ready dns=ADDRESS:PORT smtp=PORT``, then nothing."""
    options = _parser().parse_args(arguments)
    _allow_many_connections()
    try:
        _run(options)
    except OSError as error:
        print(f"the playground cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m softbounce_playground", description=__doc__)
    parser.add_argument("--dns", type=_endpoint, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--smtp-port", type=int, default=0, metavar="PORT", help="of all mail hosts; 0: a free one")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="append what the hosts took, as JSON lines")
    parser.add_argument("--seed", type=int, default=0, help="changes which plain host has which address")
    parser.add_argument("--ttl", type=int, default=60, metavar="SECONDS", help="of DNS answers")
    parser.add_argument(
        "--address",
        type=_address,
        action="append",
        default=[],
        metavar="HOST",
        help="all mail hosts share this address instead of 127.77.0.0/16; may be repeated",
    )
    parser.add_argument("--no-tls", action="store_true", help="no host offers STARTTLS")
    parser.add_argument("--parent-pipe", type=int, metavar="FD", help="end when this pipe is closed")
    return parser


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as we may: each client connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS has a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(options: argparse.Namespace) -> None:
    factory = None
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - the playground also runs without it

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    if options.parent_pipe is not None:
        os.set_blocking(options.parent_pipe, False)
        loop.add_reader(options.parent_pipe, _watch, options.parent_pipe, ending)
    playground = Playground(options.dns, options.smtp_port, options.ledger, options.seed, options.address)
    if not options.no_tls:
        try:
            playground.tls = self_signed_context()
        except ImportError as error:
            print(f"the playground's hosts speak no TLS: {error}", file=sys.stderr)
    playground.ledger.in_memory = False
    playground.ttl_seconds = options.ttl
    async with playground:
        print(f"ready dns={playground.nameserver} smtp={playground.smtp_port}", flush=True)
        await ending.wait()


def _watch(pipe: int, ending: asyncio.Event) -> None:
    """Wait for the end of the pipe; what is written to it means nothing."""
    with suppress(BlockingIOError):
        if not os.read(pipe, 4096):
            asyncio.get_running_loop().remove_reader(pipe)
            ending.set()


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return _address(host), int(port)


def _address(text: str) -> str:
    """An address, or a name that this machine can resolve (a container's own, for one)."""
    try:
        found = socket.getaddrinfo(text, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} has no IPv4 address: {error}") from error
    address = str(found[0][4][0])
    if address == "0.0.0.0":  # noqa: S104 - this is where it is refused
        raise argparse.ArgumentTypeError("the playground answers on named addresses only, never on all of them")
    return address


if __name__ == "__main__":
    sys.exit(main())
