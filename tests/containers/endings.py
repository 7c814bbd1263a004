"""No mail is lost when a worker is killed, when everything is, or when the service is stopped and taken down."""

from __future__ import annotations

import time

from checks import Checks
from deployment import Deployment, until
from loads import WORKERS, check_deliveries

__all__ = ["everything_killed", "stopped_and_taken_down", "worker_killed"]

MESSAGES = 600
DOMAINS = 12
UNDER_WAY = 2 * DOMAINS
"""As many messages may have been at their final dot when a worker was killed, and are sent again."""
PATIENCE_SECONDS = 240
GRACE_SECONDS = 70


def worker_killed(checks: Checks, deployment: Deployment) -> None:
    """One of three workers dies under load, and stays away: the others do its work."""
    under_load(deployment, "killed")
    victim = deployment.containers("worker")[0]
    deployment.kill(victim)
    checks.note("one worker was killed")
    began = time.monotonic()
    until(lambda: not any(deployment.unfinished().values()), PATIENCE_SECONDS)
    code = deployment.inspect(victim)["State"]["ExitCode"]
    checks.check("the killed worker stayed away", holds=code == 137, found=f"exit code {code}")
    what = f"the others delivered all, within {time.monotonic() - began:.0f} s"
    check_deliveries(checks, deployment.deliveries("killed"), MESSAGES, what, most_twice=UNDER_WAY)
    deployment.up(WORKERS)


def everything_killed(checks: Checks, deployment: Deployment) -> None:
    """Store, scheduler and all workers die at once under load."""
    under_load(deployment, "crash")
    deployment.run("kill", "-s", "KILL", "store", "scheduler", "worker")
    checks.note("store, scheduler and workers were killed")
    began = time.monotonic()
    deployment.up(WORKERS)
    until(lambda: not any(deployment.unfinished().values()), PATIENCE_SECONDS)
    what = f"up again: all are delivered, within {time.monotonic() - began:.0f} s"
    check_deliveries(checks, deployment.deliveries("crash"), MESSAGES, what, most_twice=UNDER_WAY)


def stopped_and_taken_down(checks: Checks, deployment: Deployment) -> None:
    """Workers drain; down and up again, what was queued is still there."""
    under_load(deployment, "stopped")
    began = time.monotonic()
    workers = deployment.containers("worker")
    deployment.run("stop", "worker")
    seconds = time.monotonic() - began
    codes = [deployment.inspect(worker)["State"]["ExitCode"] for worker in workers]
    checks.check(
        f"stop: {WORKERS} workers drain and end with exit code 0",
        holds=codes == [0] * WORKERS and seconds < GRACE_SECONDS,
        found=f"{codes} within {seconds:.1f} s",
    )
    states = deployment.unfinished()
    before = deployment.deliveries("stopped")
    checks.check(
        "what was begun is finished, the rest is queued",
        holds=not states["attempting"] and len(before) + states.total() == MESSAGES and states.total() > 0,
        found=f"{len(before)} delivered, {dict(+states)}",
    )
    others = [container for name in ("scheduler", "store") for container in deployment.containers(name)]
    deployment.run("stop")
    codes = [deployment.inspect(container)["State"]["ExitCode"] for container in others]
    checks.check("stop: scheduler and store end with exit code 0", holds=codes == [0, 0], found=codes)
    deployment.run("down")
    checks.check("down removes every container", holds=not deployment.run("ps", "-a", "-q").split())
    deployment.up(WORKERS)
    until(lambda: not any(deployment.unfinished().values()), PATIENCE_SECONDS)
    after = deployment.deliveries("stopped")
    check_deliveries(checks, [*before, *after], MESSAGES, "up again: what was queued is delivered, nothing twice")


def under_load(deployment: Deployment, batch: str) -> None:
    """Accept a batch, and wait until a part of it is delivered."""
    deployment.send(batch, MESSAGES, DOMAINS)
    until(lambda: len(deployment.deliveries(batch)) >= MESSAGES // 6, 60, pause=0.2)
