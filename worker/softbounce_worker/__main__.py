"""``python -m softbounce_worker [--config FILE]``: one worker process."""

from __future__ import annotations

import os
import signal
import sys

# Before anything is imported that takes time: a signal that comes earlier would end Python with 143.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.environ.setdefault("dramatiq_queue_prefetch", "1")


def main() -> int:
    """Run it; the exit code."""
    import argparse
    import threading
    from pathlib import Path

    import structlog
    import uvloop

    from softbounce.errors import SoftbounceError
    from softbounce_config import load

    from .opening import Limits, Timeouts
    from .route import RouteSettings
    from .service import WorkerSettings, run_worker

    parser = argparse.ArgumentParser(prog="softbounce_worker")
    parser.add_argument("--config", type=Path, default=None)
    arguments = parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(os.environ.get("SOFTBOUNCE_LOG", "info")),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        config = load(arguments.config, environ=os.environ)
    except SoftbounceError as error:
        print(error, file=sys.stderr)
        return 2
    timeouts = config.smtp.timeouts
    hostname = own_hostname(config.identity.hostname)
    settings = WorkerSettings(
        store_url=config.store_url,
        jobs_url=config.jobs.url,
        shards=config.store.shards,
        journal=config.data_dir / "journal",
        limits=Limits(
            hostname=hostname,
            port=config.smtp.port,
            timeouts=Timeouts(
                **{name: getattr(timeouts, name).total_seconds() for name in Timeouts.__dataclass_fields__}
            ),
        ),
        route=RouteSettings(
            nameservers=tuple(config.dns.nameservers),
            timeout=config.dns.timeout,
            own_hostname=hostname,
            allow_private=config.smtp.allow_private_addresses,
        ),
        sessions=config.worker.sessions,
        drain=config.worker.drain,
        lease=config.worker.lease,
    )
    parent = os.environ.get("SOFTBOUNCE_PARENT_FD")
    if parent is not None:
        threading.Thread(target=follow_parent, args=(int(parent),), daemon=True).start()
    try:
        return uvloop.run(run_worker(settings))
    except SoftbounceError as error:
        print(error, file=sys.stderr)
        return 3


def own_hostname(configured: str) -> str:
    """Our name in EHLO: the configured one, else the machine's."""
    import socket

    return configured or socket.getfqdn() or "localhost"


def follow_parent(file: int) -> None:
    """End in good order when the parent has died: its end of the pipe is closed then."""
    while os.read(file, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
