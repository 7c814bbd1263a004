"""A change of policy reaches mail that is queued already, by `config reload` and by SIGHUP."""

from __future__ import annotations

import signal
import time

import pytest
from conftest import StartService
from service import Service, until
from softbounce_config import load
from softbounce_gateway.up.published_settings import publish

from softbounce.store.shards import Shards

LONG = """
[worker]
processes = 1
[scheduler]
sweep = "1s"
[policy.default]
window = "5d"
delays = ["1h"]
jitter = 0.0
"""


@pytest.fixture
def service(start: StartService) -> Service:
    """The service, whose policy waits an hour."""
    return start(LONG)


def deferred(service: Service, recipient: str) -> str:
    """An envelope whose next attempt is an hour away."""
    with service.client() as mail:
        receipt = mail.send(sender="app@app.test", recipients=[recipient], message=b"Subject: x\r\n\r\nHello\r\n")
        identity = receipt.envelopes[recipient]
        until(lambda: len(mail.show(identity).attempts) == 1, 10, "the first attempt")
    return identity


def test_a_shorter_window_promotes_queued_mail_within_one_sweep(service: Service) -> None:
    """Next attempt in an hour, then window = 10s: promoted 10 s after creation, with the reply of its attempt."""
    identity = deferred(service, "defer@a.test")
    began = time.monotonic()
    service.configure(LONG.replace('"5d"', '"10s"'))
    assert service.cli("config", "reload").returncode == 0
    assert '"10s"' in service.config.read_text()
    shown = service.wait_final([identity], 13)[identity]
    assert time.monotonic() - began < 12
    assert shown.bounce is not None
    assert (shown.bounce.cause, shown.bounce.code) == ("promoted", 450)
    assert shown.bounce.own_attempts == len(shown.attempts)
    plan = service.cli("plan").stdout.decode()
    assert "10 s" in plan or "10s" in plan


def test_shorter_delays_move_the_next_attempt(service: Service) -> None:
    """With delays of 1 h, then 2 s, the second attempt comes at once."""
    identity = deferred(service, "greylist1@b.test")
    time.sleep(2)
    service.configure(LONG.replace('"1h"', '"2s"'))
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    shown = service.wait_final([identity], 8)[identity]
    assert (shown.state, len(shown.attempts)) == ("delivered", 2)


def test_a_longer_window_saves_an_envelope_about_to_be_promoted(service: Service) -> None:
    """Between its last attempt and the end of its window, a longer window keeps an envelope alive."""
    longer = load(service.config, environ={}).settings()
    service.configure(LONG.replace('"5d"', '"10s"'))
    assert service.cli("config", "reload").returncode == 0
    identity = deferred(service, "defer@c.test")
    with service.client() as mail:
        until(lambda: len(mail.show(identity).attempts) == 2, 12, "the last attempt, half a second before the end")
        assert mail.show(identity).next_attempt_at is None
        publish(Shards(service.url), longer)
        time.sleep(2)
        shown = mail.show(identity)
    assert shown.state == "scheduled"
    assert shown.next_attempt_at is not None
    assert (shown.expires_at - shown.created_at).days == 5


def test_a_broken_file_changes_nothing(service: Service) -> None:
    """A reload of a file with errors says where and why, and the old settings stay."""
    service.configure(LONG.replace("delays", "delay"))
    done = service.cli("config", "reload")
    assert done.returncode == 2
    assert b"policy.default.delay" in done.stderr
    assert b"did you mean" in done.stderr


OWN_WAIT = LONG.replace('delays = ["1h"]', 'first = "1h"\nwait = "own_waits:soon"')


def test_issue10_F_only_the_service_s_own_file_says_what_it_imports(start: StartService) -> None:
    """A wait of its file counts, a new one after a reload too; one that stands in the store alone is not imported."""
    service = start(OWN_WAIT)
    service.stop()
    imported = service.folder / "imported"
    (service.folder / "own_waits.py").write_text("def soon(_): return 0.3\ndef sooner(_): return 0.2\n")
    (service.folder / "planted.py").write_text(f"open({str(imported)!r}, 'w').close()\ndef soon(_): return 0.1\n")
    service.environ["PYTHONPATH"] = str(service.folder)
    service.start()
    assert service.wait_final([deferred(service, "greylist1@a.test")], 8)
    service.configure(OWN_WAIT.replace("own_waits:soon", "own_waits:sooner"))
    assert service.cli("config", "reload").returncode == 0
    assert service.wait_final([deferred(service, "greylist1@b.test")], 8)
    service.configure(OWN_WAIT.replace("own_waits:soon", "planted:soon"))
    foreign = load(service.config, environ={}).settings()
    service.configure(OWN_WAIT)
    store = Shards(service.url)
    try:
        publish(store, foreign)
    finally:
        store.close()
    until(lambda: service.log.count("wait_not_ours") == 2, 10, "worker and scheduler read it")
    identity = deferred(service, "greylist1@c.test")
    words = " ".join(service.cli("explain", identity).stdout.decode().split())
    assert "its wait planted:soon is named by no policy of this process's own configuration" in words
    assert not imported.exists()
