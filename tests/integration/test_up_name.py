"""On a machine whose name is none to other hosts no real mail is tried, and that is said at start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from service import PlaygroundProcess, Service
from softbounce_config.identity import PLAYGROUND_NAME

pytestmark = pytest.mark.usefixtures("store_binary")

NAMELESS = """
import socket, sys
socket.getfqdn = lambda name="": {machine!r}
from {module} import main
sys.exit(main())
"""


@pytest.fixture
def service(playground: PlaygroundProcess) -> Iterator[Service]:
    """A service without a name in its configuration, not started."""
    one = Service("", playground)
    one.config.write_text(one.config.read_text().replace('hostname = "client.test"\n', ""))
    yield one
    one.clean()


def run(service: Service, module: str, machine: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end on a machine called so."""
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", NAMELESS.format(machine=machine, module=module), *arguments],
        capture_output=True,
        text=True,
        cwd=service.folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE__")},
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("machine", ["my_machine", "a_b.example.com", "3f2a9c1b7d4e", "localhost"])
def test_issue10_02_up_refuses_real_mail_without_a_name(service: Service, machine: str) -> None:
    """It ends with 2 before anything is started, and says what to set; so does a worker by itself."""
    for module, arguments in (("softbounce.__main__", ("up",)), ("softbounce_worker.__main__", ())):
        done = run(service, module, machine, *arguments)
        assert done.returncode == 2, done.stderr
        assert f"this machine's name '{machine}'" in done.stderr
        assert "[identity] hostname" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (service.folder / "var").exists()


def test_issue10_02_what_mails_nobody_needs_no_name(service: Service) -> None:
    """A playground starts, and the parts that open no session with a mail host."""
    sitecustomize = service.folder / "sitecustomize.py"
    sitecustomize.write_text('import socket\nsocket.getfqdn = lambda name="": "my_machine"\n')
    service.environ["PYTHONPATH"] = str(service.folder)
    service.start("--roles", "store,scheduler")
    assert service.stop() == 0
    service.start("--playground")
    with service.client() as mail:
        receipt = mail.send(sender="app@example.com", recipients=["accept@a.test"], message=b"Subject: x\n\nx\n")
    service.wait_final(list(receipt.envelopes.values()), 20)
    assert service.stop() == 0
    ledger = (service.folder / "var" / "playground" / "ledger.jsonl").read_text()
    assert f'"{PLAYGROUND_NAME}"' in ledger
