"""Real clients that hand mail over: a Postfix with its queue, swaks, msmtp and curl.

``script/receivers`` installs them; a test is skipped where one is missing, and fails for it in CI.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from ports import free_ports
from real_hosts import RelayingPostfix
from service import Service, until
from submitting import letter, listening

if TYPE_CHECKING:
    from conftest import StartService

HERE = "127.0.0.1"
WORKERS = "[worker]\nprocesses = 1\n"


def need(program: str) -> str:
    """Its path; without it the test is skipped, or in CI fails."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is not None:
        return path
    words = f"{program} is not installed: script/receivers does that"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


def run(*command: str, stdin: bytes = b"") -> None:
    """One client, to its end."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)  # noqa: S603 - clients
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("key", ["submission", "lmtp"])
def test_issue14_postfix_hands_over_its_queue(start: StartService, key: str) -> None:
    """By SMTP, with all that it does unasked, and by LMTP; what comes while the service is away waits with it."""
    need("postfix")
    port, mine = free_ports(2)
    service = start(listening(port, key))
    transport = f"lmtp:inet:{HERE}:{port}" if key == "lmtp" else f"smtp:[{HERE}]:{port}"

    async def hand_over() -> None:
        host = RelayingPostfix(transport)
        await host.listen(HERE, mine)
        try:
            await asyncio.to_thread(send, host, mine, service)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{host.said()}") from None
        finally:
            await host.close()

    asyncio.run(hand_over())


def send(host: RelayingPostfix, port: int, service: Service) -> None:
    """30 messages to Postfix, a third of them while the service is away."""
    with smtplib.SMTP(HERE, port, timeout=30) as client:
        for number in range(20):
            to = [f"accept-{number}@a.test", f"accept-{number}@b.test"]
            client.sendmail("app@shop.test", to, letter(X_Softbounce_Key=f"first-{number}"))
        with service.client() as mail:
            until(lambda: mail.queue().states.get("delivered") == 40, 60, "20 messages to two are delivered")
        assert service.stop() == 0
        for number in range(10):
            client.sendmail("app@shop.test", [f"accept-{number}@a.test"], letter(X_Softbounce_Key=f"second-{number}"))
        service.start()
    with service.client() as mail:

        def all_came() -> bool:
            host.flush()
            return mail.queue().states.get("delivered") == 50

        until(all_came, 60, "all are delivered", pause=1.0)
        assert mail.queue().total == 50


def test_issue14_swaks_and_msmtp_and_curl_by_tls_with_a_login(start: StartService, tmp_path: Path) -> None:
    """Each by STARTTLS and by TLS from the first octet on, with a token, verifying the certificate where it can."""
    swaks, msmtp, curl = (need(one) for one in ("swaks", "msmtp", "curl"))
    authority = Authority(tmp_path)
    pem = authority.sign("localhost")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(authority.pem)
    starttls, tls = free_ports(2)
    service = start(f'[gateway]\nsubmission = "{HERE}:{starttls}"\n{WORKERS}')
    token = service.cli("token", "new", "--name", "app").stdout.decode().strip()
    assert service.stop() == 0
    service.configure(
        f'[gateway]\nsubmission = "0.0.0.0:{starttls}"\nsubmissions = "0.0.0.0:{tls}"\n'
        f'tls_certificate = "{pem}"\ntls_key = "{pem}"\n{WORKERS}'
    )
    service.start()
    message = tmp_path / "message"
    message.write_bytes(letter())
    for port, is_implicit in ((starttls, False), (tls, True)):
        for mechanism in ("PLAIN", "LOGIN"):
            run(
                *(swaks, "--server", "localhost", "--port", str(port), "--from", "app@shop.test", "--to", "a@b.test"),
                *("--tlsc" if is_implicit else "--tls", "--auth", mechanism, "--auth-user", "app"),
                *("--auth-password", token, "--data", f"@{message}"),
            )
        run(
            *(msmtp, "--host=localhost", f"--port={port}", "--tls=on", f"--tls-trust-file={trusted}"),
            *(f"--tls-starttls={'off' if is_implicit else 'on'}", "--auth=on", "--user=app"),
            *(f"--passwordeval=echo {token}", "--from=app@shop.test", "--domain=shop.test", "a@b.test"),
            stdin=letter(),
        )
        scheme = "smtps" if is_implicit else "smtp"
        run(
            *(curl, "-sS", "--url", f"{scheme}://localhost:{port}/shop.test", "--ssl-reqd", "--cacert", str(trusted)),
            *("--user", f"app:{token}", "--mail-from", "app@shop.test", "--mail-rcpt", "a@b.test"),
            *("--upload-file", str(message)),
        )
    with service.client() as mail:
        until(lambda: mail.queue().states.get("delivered") == 8, 30, "all are delivered")
