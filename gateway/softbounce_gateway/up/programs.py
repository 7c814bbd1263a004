"""The command lines and environments of the processes that ``up`` runs beside the store."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from softbounce_config.identity import PLAYGROUND_NAME
from softbounce_config.parent import PARENT_FD

from softbounce_gateway.supervise.program import Program

__all__ = ["HOSTNAME", "MODULES", "PlaygroundPorts", "Programs"]

HOSTNAME = "SOFTBOUNCE__IDENTITY__HOSTNAME"
MODULES = {
    "worker": "softbounce_worker",
    "scheduler": "softbounce_scheduler",
    "submission": "softbounce_gateway.submission",
    "returns": "softbounce_gateway.returns",
    "http": "softbounce_gateway.http",
    "webhooks": "softbounce_gateway.webhooks",
    "alerts": "softbounce_gateway.alerts",
    "checkup": "softbounce_gateway.checkups",
    "playground": "softbounce_playground",
}
"""What each of them runs."""
PLAYGROUND_READY = re.compile(r"ready dns=(?P<host>[0-9.]+):(?P<dns>[0-9]+) smtp=(?P<smtp>[0-9]+)")


class PlaygroundPorts:
    """Where the playground listens; once known, it is started there again.

    :ivar nameserver: ``address:port``.
    """

    def __init__(self) -> None:
        self.nameserver = "127.0.0.1:0"
        self.smtp_port = 0

    def learn(self, line: str) -> bool:
        """Read the playground's ready line."""
        found = PLAYGROUND_READY.match(line)
        if found is None:
            return False
        self.nameserver = f"{found['host']}:{found['dns']}"
        self.smtp_port = int(found["smtp"])
        return True

    def overrides(self) -> dict[str, str]:
        """What sends all mail there, and nowhere else; its hosts know us by any name."""
        return {
            HOSTNAME: PLAYGROUND_NAME,
            "SOFTBOUNCE__DNS__NAMESERVERS": self.nameserver,
            "SOFTBOUNCE__SMTP__PORT": str(self.smtp_port),
            "SOFTBOUNCE__SMTP__ALLOW_PRIVATE_ADDRESSES": "true",
            "SOFTBOUNCE__ROUTE": "[]",  # no other road is taken, whoever publishes one
        }


class Programs:
    """What the children run, and the pipes that tell them when we are gone.

    :param config_path: the file that they read too; ``None``: they look for it as we did.
    :ivar overrides: variables in front of the environment.
    """

    def __init__(self, config_path: Path | None) -> None:
        self._config = () if config_path is None else ("--config", str(config_path))
        self._environment: Mapping[str, str] = dict(os.environ)
        self._pipes: dict[str, tuple[int, int]] = {}
        self.overrides: dict[str, str] = {}

    def close(self) -> None:
        """Close the pipes, after the children have ended."""
        for pipe in self._pipes.values():
            for descriptor in pipe:
                os.close(descriptor)
        self._pipes.clear()

    def scheduler(self) -> Program:
        """The one that decides when."""
        return self._module("scheduler")

    def worker(self, number: int) -> Program:
        """One of those that deliver."""
        return self._module("worker", f"worker-{number}")

    def submission(self) -> Program:
        """The one that takes mail in by SMTP and LMTP."""
        return self._module("submission")

    def returns(self) -> Program:
        """The one that hears of what comes back."""
        return self._module("returns")

    def http(self) -> Program:
        """The one that serves HTTP."""
        return self._module("http")

    def webhooks(self) -> Program:
        """The one that tells events by HTTP."""
        return self._module("webhooks")

    def alerts(self) -> Program:
        """The one that tells a person of trouble."""
        return self._module("alerts")

    def checkup(self) -> Program:
        """The one that looks at what mail depends on, once."""
        return self._module("checkup")

    def playground(self, ports: PlaygroundPorts, ledger: Path) -> Program:
        """The small internet in the world's place."""
        pipe = self._pipe("playground")
        return Program(
            name="playground",
            arguments=(
                *_python(MODULES["playground"]),
                "--dns",
                ports.nameserver,
                "--smtp-port",
                str(ports.smtp_port),
                "--ledger",
                str(ledger),
                "--parent-pipe",
                str(pipe),
            ),
            environment=self._environment,
            descriptors=(pipe,),
            module=MODULES["playground"],
        )

    def _module(self, kind: str, name: str = "") -> Program:
        name = name or kind
        module = MODULES[kind]
        pipe = self._pipe(name)
        return Program(
            name=name,
            arguments=(*_python(module), *self._config),
            environment={**self._environment, **self.overrides, PARENT_FD: str(pipe)},
            descriptors=(pipe,),
            module=module,
        )

    def _pipe(self, name: str) -> int:
        """The read end of a child's own pipe: one that is shared is non-blocking for all as soon as it is for one."""
        if name not in self._pipes:
            self._pipes[name] = os.pipe()
        return self._pipes[name][0]


def _python(module: str) -> tuple[str, ...]:
    """A module of ours; ``-P``: a file in the working folder that is called like a library is not taken for it."""
    return (sys.executable, "-P", "-m", module)
