"""Routes by the whole service: a smarthost with a login, from the config file to the wire; and none in a playground."""

from __future__ import annotations

from conftest import StartService
from hosting import listening
from ports import free_ports
from service import Service, run_cli, until
from smarthost import Smarthost

HERE = "127.88.5.1"
SECRET = "canary-w0rd-in-a-file"
CONFIG = """
[store]
url = "embedded"
[worker]
processes = 1
[[lane]]
site = "{here}"
close_first = "500ms"
close_cap = "500ms"
[[route]]
domain = "*"
host = "{here}"
port = {port}
tls = "none"
user = "me"
password_file = "relay.password"
"""


def configure(service: Service, port: int, password: str) -> None:
    """A route to the smarthost for all mail."""
    file = service.folder / "relay.password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    service.configure(CONFIG.format(here=HERE, port=port))


def send(service: Service, *recipients: str) -> list[str]:
    """The ids of some mail."""
    with service.client() as mail:
        receipt = mail.send(sender="a@b.test", recipients=recipients, message=b"From: a@b.test\r\n\r\nHello\r\n")
    return list(receipt.envelopes.values())


def test_issue12_A17_mail_leaves_by_the_smarthost_and_its_password_is_nowhere(start: StartService) -> None:
    """Refused at first: it waits, and everybody says why; mended in its file it flows, without any restart."""
    relay, (port,) = Smarthost(users={"me": SECRET}), free_ports(1)
    service = start("", "store")
    service.stop()
    service.configure(CONFIG.format(here=HERE, port=port))
    done = run_cli("up", "--config", service.config, folder=service.folder)
    assert done.returncode == 2
    assert b"route to 127.88.5.1 as me: password_file" in done.stderr
    configure(service, port, f"not-{SECRET}")
    with listening(relay, HERE, port):
        service.start("--workers", "1")
        ids = send(service, "x@a.test", "y@no-such-domain.test")
        until(lambda: relay.tries > 0, 20, "somebody tries to log in")
        until(lambda: "login_refused" in service.log, 10, "it is said")
        with service.client() as mail:
            until(lambda: bool(mail.show(ids[0]).attempts), 10, "it is committed")
        said = [service.cli(command, ids[0]).stdout for command in ("explain", "show")]
        assert b"the smarthost 127.88.5.1 (route[0])" in said[0]
        assert b"535 5.7.8" in said[0]
        (service.folder / "relay.password").write_text(f"{SECRET}\n")
        shown = service.wait_final(ids, 20)
        assert {one.state for one in shown.values()} == {"delivered"}
        said += [service.cli("config", "show").stdout, service.cli("config", "check").stdout]
        assert service.stop() == 0
    assert relay.logins
    assert not [one for one in said if SECRET.encode() in one]
    written = [path for path in service.folder.rglob("*") if path.is_file() and path.name != "relay.password"]
    assert len(written) > 3
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_issue12_a_playground_takes_no_route(start: StartService) -> None:
    """All mail goes to its hosts, whatever the file says, and also when somebody publishes it."""
    relay, (port,) = Smarthost(users={"me": SECRET}), free_ports(1)
    service = start("", "store")
    service.stop()
    service = Service("")
    try:
        configure(service, port, SECRET)
        with listening(relay, HERE, port):
            service.start("--playground", "--workers", "1")
            assert any("routes are left out" in line for line in service.said)
            ids = send(service, "accept+x@a.test")
            assert {one.state for one in service.wait_final(ids, 20).values()} == {"delivered"}
            assert service.cli("config", "reload").returncode == 0
            later = send(service, "accept+y@b.test")
            until(lambda: "road_refused" in service.log, 15, "its worker refuses the road")
            with service.client() as mail:
                assert mail.show(later[0]).state == "ready"
            assert service.stop() == 0
        assert relay.connections == 0
    finally:
        service.clean()
