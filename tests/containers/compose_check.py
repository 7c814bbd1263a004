"""Drives compose.yaml through what it promises, with a playground in the world's place. Leaves nothing behind.

``script/compose-test`` runs it. What becomes of mail under load and through endings is in ``loads`` and ``endings``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from checks import Checks
from deployment import ComposeFailed, Deployment, until
from endings import everything_killed, stopped_and_taken_down, worker_killed
from loads import WORKERS, spread

COMPOSE = "compose.yaml"
PLAYGROUND = "deploy/playground.yaml"
NETWORK = os.environ.get("SOFTBOUNCE_PLAYGROUND_NET", "10.177.54")
CONFIG = Path(__file__).with_name("softbounce.toml")
NEW_WINDOW_MS = 20 * 60_000
MESSAGE = b"From: app@example.com\r\nSubject: demo\r\n\r\nHello.\r\n"


def main() -> int:
    """Check everything. Returns the exit code."""
    checks = Checks()
    for scenario in (demo, service):
        checks.note(f"-- {scenario.__doc__}")
        try:
            scenario(checks)
        except ComposeFailed as error:
            checks.check("every command ends with exit code 0", holds=False, found=error)
    return checks.close()


def demo(checks: Checks) -> None:
    """The profile demo, by itself."""
    with deployed("softbounce-test-demo", COMPOSE) as deployment:
        began = time.monotonic()
        deployment.run("--profile", "demo", "config", "-q")
        deployment.run("up", "--build", "--wait", "--wait-timeout", "120", "demo", seconds=900)
        (container,) = deployment.containers("demo")
        checks.check(
            "up demo starts one container, built and healthy",
            holds=not deployment.containers("store"),
            found=f"after {time.monotonic() - began:.1f} s",
        )
        networks = sorted(deployment.inspect(container)["NetworkSettings"]["Networks"])
        checks.check("the demo has no network", holds=networks == ["none"], found=networks)
        words = (
            "softbounce",
            "send",
            "--from",
            "app@example.com",
            "--to",
            "taken@a.test",
            "--to",
            "greylist1@b.test",
            "-",
        )
        deployment.run("exec", "-T", "demo", *words, stdin=MESSAGE)
        until(lambda: deployment.states("demo")["delivered"] == 2, 60)
        states = +deployment.states("demo")
        checks.check(
            "a greylisted recipient is tried again, and delivered", holds=states == {"delivered": 2}, found=dict(states)
        )
        ledger = deployment.run("exec", "-T", "demo", "cat", "/data/playground/ledger.jsonl")
        checks.check("the ledger says so too", holds="greylist1@b.test" in ledger and "taken@a.test" in ledger)


def service(checks: Checks) -> None:
    """The service with three workers, a playground in the world's place."""
    with deployed("softbounce-test", COMPOSE, PLAYGROUND) as deployment:
        checks.note("building")
        deployment.run("build", seconds=900)
        begin(checks, deployment)
        confined(checks, deployment)
        reconfigured(checks, deployment)
        spread(checks, deployment)
        worker_killed(checks, deployment)
        everything_killed(checks, deployment)
        stopped_and_taken_down(checks, deployment)


def begin(checks: Checks, deployment: Deployment) -> None:
    """It comes up, and says that it is healthy."""
    began = time.monotonic()
    deployment.up(WORKERS)
    health = Counter(
        deployment.inspect(container)["State"]["Health"]["Status"]
        for name in ("store", "scheduler", "worker")
        for container in deployment.containers(name)
    )
    checks.check(
        f"up --wait --scale worker={WORKERS}: store, scheduler and workers are healthy",
        holds=health == {"healthy": WORKERS + 2},
        found=f"{dict(health)} after {time.monotonic() - began:.1f} s",
    )


def confined(checks: Checks, deployment: Deployment) -> None:
    """Its containers may do no more than they need."""
    ours = [deployment.inspect(one) for name in ("scheduler", "worker") for one in deployment.containers(name)]
    everyone = [*ours, *map(deployment.inspect, deployment.containers("store"))]
    published = [found for one in everyone for found in one["NetworkSettings"]["Ports"].values() if found]
    checks.check("no port is published, the store's least of all", holds=not published, found=published or "none")
    checks.check(
        "scheduler and workers: read-only root, no capabilities, no new privileges, an init",
        holds=all(
            one["HostConfig"]["ReadonlyRootfs"]
            and one["HostConfig"]["CapDrop"] == ["ALL"]
            and "no-new-privileges:true" in one["HostConfig"]["SecurityOpt"]
            and one["HostConfig"]["Init"]
            for one in ours
        ),
    )
    probe = "id -u; touch /app/x 2>/dev/null || echo refused; touch /data/x && rm /data/x && echo written"
    for name in ("scheduler", "worker"):
        told = deployment.run("exec", "-T", name, "sh", "-c", probe).split()
        right = told == ["10001", "refused", "written"]
        checks.check(f"{name}: user 10001, writes to /data and not to /app", holds=right, found=" ".join(told))
    told = deployment.run("exec", "-T", "store", "valkey-cli", "config", "get", "append*").split()
    durable = dict(zip(told[::2], told[1::2], strict=True))
    checks.check(
        "the store syncs every write",
        holds=(durable["appendonly"], durable["appendfsync"]) == ("yes", "always"),
        found=f"appendonly {durable['appendonly']}, appendfsync {durable['appendfsync']}",
    )


def reconfigured(checks: Checks, deployment: Deployment) -> None:
    """Its config is mounted as a folder, so that a file put in the old one's place is seen."""
    new = deployment.config.with_suffix(".new")
    new.write_text(CONFIG.read_text().replace('window = "15m"', 'window = "20m"'))
    new.chmod(0o644)
    new.replace(deployment.config)
    told = json.loads(deployment.run("exec", "-T", "scheduler", "softbounce", "config", "reload", "--json"))
    plan = json.loads(deployment.run("exec", "-T", "worker", "softbounce", "plan", "--json"))
    checks.check(
        "a changed config reaches the containers, and config reload publishes it",
        holds=told["changed"] is True and plan["window_ms"] == NEW_WINDOW_MS,
        found=f"settings version {told['version']}, window {plan['window_ms'] // 60_000} min",
    )


@contextmanager
def deployed(project: str, *files: str) -> Iterator[Deployment]:
    """A project that is gone afterwards, with its volumes; where commands failed, its last words are shown first."""
    with TemporaryDirectory(prefix=project) as folder:
        config = Path(folder, "softbounce.toml")
        config.write_text(CONFIG.read_text())
        for path, mode in ((config.parent, 0o755), (config, 0o644)):  # user 10001 reads them
            path.chmod(mode)
        deployment = Deployment(project, files, config=config, network=NETWORK)
        deployment.remove()
        try:
            yield deployment
        except ComposeFailed:
            with suppress(ComposeFailed):
                sys.stderr.write(deployment.run("ps", "-a") + deployment.run("logs", "--tail", "20"))
            raise
        finally:
            deployment.remove()


if __name__ == "__main__":
    sys.exit(main())
