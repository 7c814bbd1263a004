"""Runs pytest on one tree in a process that others' packages were imported for already. Judges nothing.

A process of its own for each defence imports pytest, redis and the rest for longer than most of the tests take: a
server imports them once and forks. Of our own packages it imports none: those come from the tree.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

from defences.catalogue import PACKAGES

__all__ = ["NOT_OVER", "run_forked"]

NOT_OVER = -1
"""The exit code of a run that had to be ended."""
OTHERS = (
    "pytest",
    "_pytest.assertion.rewrite",
    "hypothesis.strategies",
    "cryptography.x509",
    "dns.asyncresolver",
    "dramatiq.brokers.redis",
    "litestar",
    "msgspec",
    "redis.asyncio.cluster",
    "rich.console",
    "structlog",
    "uvloop",
)
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(list(OTHERS))


def run_forked(tree: Path, test: str, *, within: float) -> tuple[int, str]:
    """Run one test of a tree on the code of that tree, child processes included; pytest's exit code, and what it said.

    :param within: seconds after which it is ended.
    """
    with tempfile.NamedTemporaryFile(prefix="sb-said-", mode="r", errors="replace") as said:
        process = _SERVER.Process(target=_run, args=(str(tree), test, said.name))
        process.start()
        process.join(within)
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own: a server that it started ends with it
            process.join()
            return NOT_OVER, f"not over after {within:g} s"
        return process.exitcode, said.read()[-4000:]


def _run(tree: str, test: str, said: str) -> None:
    """What the forked process does: nothing that it imports is of the tree that the server was started in."""
    os.setsid()
    output = os.open(said, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(tree)
    packages = [str(Path(tree, package)) for package in PACKAGES]
    os.environ.update(PYTHONPATH=os.pathsep.join(packages), PYTEST_ADDOPTS="", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.path[:0] = packages
    import pytest  # noqa: PLC0415 - the server has imported it, whoever asks it to fork has no need of it

    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", test])
    sys.stdout.flush()
    os._exit(code)  # what a test left running ends with it
