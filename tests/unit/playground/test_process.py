from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import pytest
from softbounce_playground import read_ledger
from softbounce_playground.__main__ import main

END_SECONDS = 10


def start(*arguments: str, **options: object) -> tuple[subprocess.Popen[str], int, int]:
    """Start a playground; its process, DNS port and SMTP port."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "softbounce_playground", *arguments], stdout=subprocess.PIPE, text=True, **options
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"ready dns=127\.0\.0\.1:(\d+) smtp=(\d+)\n", line)
    assert found, line
    return process, int(found[1]), int(found[2])


def end(process: subprocess.Popen[str]) -> int:
    """Wait for the process; its exit code."""
    assert process.stdout is not None
    process.stdout.close()
    return process.wait(END_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_process_says_ready_serves_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """The ready line names the ports, mail is taken there, and a signal ends it with 0 and a whole ledger."""
    ledger = tmp_path / "ledger.jsonl"
    process, dns_port, smtp_port = start("--dns", "127.0.0.1:0", "--smtp-port", "0", "--ledger", str(ledger))
    reply = dns.query.udp(dns.message.make_query("mx1.a.test", "A"), "127.0.0.1", port=dns_port, timeout=5)
    with smtplib.SMTP(str(reply.answer[0][0]), smtp_port, "client.test") as client:
        client.sendmail("app@sender.test", ["accept@a.test"], "Subject: x\n\nhi\n")
        process.send_signal(number)
        assert end(process) == 0
        client.close()
    (entry,) = read_ledger(ledger)
    assert (entry.recipients, entry.is_taken) == (("accept@a.test",), True)


def test_a_process_ends_with_its_parent() -> None:
    """The end of the parent's pipe is the end of the playground; what is written to it is not."""
    reading, writing = os.pipe()
    process, _, _ = start("--parent-pipe", str(reading), pass_fds=(reading,))
    os.close(reading)
    os.write(writing, b"still here")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    os.close(writing)
    assert end(process) == 0


def test_a_port_that_is_taken_is_a_plain_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use ends the process with 1 and the reason."""
    with socket.create_server(("127.77.0.5", 0)) as taken:
        assert main(["--smtp-port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen" in capsys.readouterr().err


@pytest.mark.parametrize("endpoint", ["0.0.0.0:0", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x", ":53"])
def test_a_bad_endpoint_is_wrong_usage(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint is one address with a port, never all addresses of the machine."""
    with pytest.raises(SystemExit) as ended:
        main(["--dns", endpoint])
    assert ended.value.code == 2
    assert "--dns" in capsys.readouterr().err
