"""The service signs: with the keys of its file and its environment, which are looked at when it starts."""

from __future__ import annotations

from conftest import StartService
from service import PlaygroundProcess, run_cli, until
from signing import ED25519_PEM, RSA_PEM
from softbounce_playground import read_ledger

MESSAGE = b"From: a@app.test\r\nSubject: signed\r\n\r\nHello\r\n"
CONFIG = """
[store]
url = "embedded"
[[dkim]]
domain = "app.test"
selector = "r"
key_file = "rsa.pem"
[[dkim]]
domain = "app.test"
selector = "e"
key_env = "KEY_OF_APP_TEST"
"""


def test_issue12_the_service_signs_by_its_file_and_its_environment(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """What arrives is larger by two signatures; mail from elsewhere is not. No key is in the store or in a log."""
    service = start("", "store")
    service.stop()
    (service.folder / "rsa.pem").write_bytes(RSA_PEM)
    (service.folder / "rsa.pem").chmod(0o600)
    service.configure(CONFIG)
    done = run_cli("up", "--config", service.config, folder=service.folder)
    assert done.returncode == 2
    assert b"dkim[1] (e, app.test): key_env: the variable KEY_OF_APP_TEST is not set" in done.stderr
    service.environ = {"KEY_OF_APP_TEST": ED25519_PEM.decode()}
    service.start("--workers", "1")
    with service.client() as mail:
        signed = mail.send(sender="x@y.test", recipients=["accept+s@d1.test"], message=MESSAGE)
        plain = mail.send(
            sender="x@y.test", recipients=["accept+p@d1.test"], message=MESSAGE.replace(b"@app.test", b"@bpp.test")
        )
        ids = [*signed.envelopes.values(), *plain.envelopes.values()]
        until(lambda: all(mail.show(one).state == "delivered" for one in ids), 20, "both are delivered")

    def taken() -> dict[str, int]:
        return {entry.recipients[0]: entry.octets for entry in read_ledger(playground.ledger) if entry.kept}

    until(lambda: len(taken()) == 2, 5, "the ledger is written")
    sizes = taken()
    assert 700 < sizes["accept+s@d1.test"] - sizes["accept+p@d1.test"] < 1500
    assert service.stop() == 0
    secrets = [pem.splitlines()[1] for pem in (RSA_PEM, ED25519_PEM)]
    written = [path for path in service.folder.rglob("*") if path.is_file() and path.name != "rsa.pem"]
    assert written
    assert not [path for path in written for secret in secrets if secret in path.read_bytes()]
