"""A deployment of compose.yaml under a project name of its own, driven as an operator drives it: by ``docker compose``.

Touches nothing but what belongs to that project. Needs the standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["ComposeFailed", "Delivery", "Deployment", "until"]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PATIENCE_SECONDS = 300.0


class ComposeFailed(Exception):
    """A command ended with an exit code other than 0, or did not end."""


class Delivery:
    """What the playground's ledger says of one message it took: when, from which address, for whom."""

    __slots__ = ("at", "peer", "recipient")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.at: str = entry["at"]
        self.peer: str = entry["peer"].rpartition(":")[0]
        self.recipient: str = entry["recipients"][0]

    @property
    def domain(self) -> str:
        """Where it went."""
        return self.recipient.partition("@")[2]


class Deployment:
    """One project.

    :param files: compose files, relative to the repository.
    :param network: the first three numbers of the playground's.
    :ivar config: the file that is mounted, with its folder.
    """

    def __init__(self, project: str, files: Sequence[str], *, config: Path, network: str) -> None:
        self.config = config
        self._command: tuple[str, ...] = ("docker", "compose", "--ansi", "never", "--progress", "quiet", "-p", project)
        self._command += tuple(word for file in files for word in ("-f", file))
        self._environment = {
            **os.environ,
            "SOFTBOUNCE_CONFIG_FOLDER": str(config.parent),
            "SOFTBOUNCE_PLAYGROUND_NET": network,
        }

    def run(self, *arguments: str, stdin: bytes = b"", seconds: float = PATIENCE_SECONDS) -> str:
        """Run ``docker compose ...`` to its end. Returns what it printed.

        :raises ComposeFailed: naming the command and its last words.
        """
        return self._run((*self._command, *arguments), stdin, seconds)

    def up(self, workers: int) -> None:
        """Start what does not run, and wait until all is healthy."""
        self.run("up", "--wait", "--wait-timeout", "120", "--scale", f"worker={workers}")

    def remove(self) -> None:
        """Take it down, with its volumes."""
        self.run("--profile", "*", "down", "-v", "--remove-orphans", "--timeout", "5")

    def kill(self, container: str) -> None:
        """Kill one container; it is not started again by itself."""
        self._run(("docker", "kill", "-s", "KILL", container), b"", PATIENCE_SECONDS)

    def inspect(self, container: str) -> dict[str, Any]:
        """All that the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(self._run(("docker", "inspect", container), b"", PATIENCE_SECONDS))
        return found[0]

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, the stopped ones too."""
        return sorted(self.run("ps", "-a", "-q", service).split())

    def addresses(self, service: str) -> dict[str, str]:
        """The id of the container behind each address of a service's running containers."""
        return {
            network["IPAddress"]: container
            for container in self.containers(service)
            for network in self.inspect(container)["NetworkSettings"]["Networks"].values()
            if network["IPAddress"]
        }

    def send(self, batch: str, messages: int, domains: int) -> int:
        """Accept messages through the client, in the scheduler's container. Returns how many envelopes there are."""
        script = (HERE / "inside_send.py").read_bytes()
        words = ("exec", "-T", "scheduler", "python", "-P", "-", batch, str(messages), str(domains))
        return int(self.run(*words, stdin=script))

    def states(self, service: str = "scheduler") -> Counter[str]:
        """How many envelopes are in each state, as a service's container sees it."""
        lines = self.run("exec", "-T", service, "softbounce", "queue", "--json")
        return Counter({state: int(count) for state, count in json.loads(lines)["states"].items()})

    def unfinished(self) -> Counter[str]:
        """Those that are not final."""
        states = self.states()
        return Counter({state: states[state] for state in ("scheduled", "ready", "attempting", "held")})

    def deliveries(self, batch: str) -> list[Delivery]:
        """What the playground took of a batch, since it started."""
        lines = self.run("exec", "-T", "playground", "cat", "/ledger/ledger.jsonl").splitlines()
        entries = [json.loads(line) for line in lines if f'"{batch}-' in line]
        return [Delivery(entry) for entry in entries if entry["kept"]]

    def _run(self, command: Sequence[str], stdin: bytes, seconds: float) -> str:
        try:
            ended = subprocess.run(  # noqa: S603 - our own words
                command, input=stdin, capture_output=True, cwd=ROOT, env=self._environment, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ComposeFailed(f"{' '.join(command)}: did not end within {seconds:g} s") from error
        if ended.returncode:
            words = (ended.stderr + ended.stdout).decode(errors="replace").strip().splitlines()[-20:]
            raise ComposeFailed("\n".join((f"{' '.join(command)}: exit code {ended.returncode}", *words)))
        return ended.stdout.decode(errors="replace")


def until(condition: Callable[[], bool], seconds: float, pause: float = 1.0) -> bool:
    """Wait for a condition that others bring about. Returns whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
