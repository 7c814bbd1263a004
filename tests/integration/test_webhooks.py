"""Webhooks, told by the service as users run it to receivers of the test's own."""

from __future__ import annotations

import json
import signal
import socket
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv6Address
from pathlib import Path
from ssl import TLSVersion
from typing import TYPE_CHECKING, Any

import pytest
from certificates import Authority, server_context
from cryptography import x509
from hooks import SECRET, Got, Hooks, hooks
from service import Service, until
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from softbounce import Client
from softbounce.events import Event, StoredEvent, encode_events
from softbounce.ids import format_id
from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.shards import Shards

if TYPE_CHECKING:
    from conftest import StartService

MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
QUICK = '[policy.webhook]\ndelays = ["200ms", "400ms"]\njitter = 0.0\nwindow = "1h"\n'
LIFE = ["envelope.accepted", "envelope.held", "envelope.released", "envelope.cancelled"]
ENDS = [LIFE[0], LIFE[3]]
OTHER = f"whsec_{b64encode(bytes(range(32))).decode()}"


def table(receiver: Hooks | str, *more: str) -> str:
    """A receiver's table."""
    url = receiver if isinstance(receiver, str) else receiver.url
    lines = [f'url = "{url}"', *more]
    if not any(one.startswith("secret") for one in more):
        lines.append(f'secret = "{SECRET}"')
    return "[[webhook]]\n" + "\n".join(lines) + "\n"


def begin(start: StartService, *tables: str, policy: str = QUICK) -> Service:
    """A store and whoever tells; nobody delivers."""
    return start(policy + "".join(tables), "store", "gateway")


def reload(service: Service) -> int | None:
    """Have the file applied; which process was asked to tell others than it does."""
    asked: int | None = json.loads(service.cli("config", "reload", "--json").stdout)["asked"]
    return asked


def lives(mail: Client, number: int, *, stream: str = "") -> list[str]:
    """So many envelopes, each accepted, held, released and cancelled; their ids."""
    sent = [{"sender": "a@app.test", "recipients": [f"u{one}@x.test"], "message": MESSAGE, "stream": stream}
            for one in range(number)]  # fmt: skip
    ids = [one for receipt in mail.send_many(sent) for one in receipt.envelopes.values()]
    for act in (mail.hold, mail.release, mail.cancel):
        for one in ids:
            act(one)
    return ids


def by_envelope(got: Iterable[Got]) -> dict[str, list[str]]:
    """The types of each envelope's events, in the order in which they were taken."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in got:
        found[one.envelope].append(one.type)
    return found


def wait_taken(receiver: Hooks, number: int, seconds: float = 20) -> list[Got]:
    """Wait until it took so many events."""
    until(lambda: len(receiver.taken) >= number, seconds, f"{number} events; {len(receiver.taken)} came")
    return receiver.taken


def row(service: Service, name: str) -> dict[str, object]:
    """What `webhooks` says of a receiver."""
    found: dict[str, object] = next(one for one in service.json("webhooks") if one["name"] == name)
    return found


def test_issue14_7_events_are_told_in_order_and_the_public_library_verifies_each(start: StartService) -> None:
    """Signed as Standard Webhooks has it; by two secrets while one is changed, each of which verifies."""
    with hooks() as one, hooks() as two:
        service = begin(start, table(one), table(two, f'secret = ["{OTHER}", "{SECRET}"]'))
        with service.client() as mail:
            ids = lives(mail, 10)
        got, twice = wait_taken(one, 40), wait_taken(two, 40)
        assert by_envelope(got) == dict.fromkeys(ids, LIFE) == by_envelope(twice)
        assert len({event.id for event in got}) == 40
        for event in got:
            assert Webhook(SECRET).verify(event.body, dict(event.headers))["type"] == event.type
            with pytest.raises(WebhookVerificationError):
                Webhook(OTHER).verify(event.body, dict(event.headers))
        for event in twice:
            Webhook(SECRET).verify(event.body, dict(event.headers))
            Webhook(OTHER).verify(event.body, dict(event.headers))
        assert [event.id for event in got if event.envelope == ids[0]] == [
            event.id for event in twice if event.envelope == ids[0]
        ]
        told = got[0].json
        assert told["timestamp"] == told["data"]["at"]
        assert {"cursor", "kind", "message_id", "recipient", "stream", "tenant", "metadata", "tags"} < set(told["data"])


def test_A19_an_overheard_event_cannot_be_changed_or_sent_again_later(start: StartService) -> None:
    """The signature is over id, time and body, and the time is that of the attempt."""
    answers = iter([500])
    with hooks(lambda _got: next(answers, 200)) as receiver:
        service = begin(start, table(receiver), policy='[policy.webhook]\ndelays = ["1500ms"]\nwindow = "1h"\n')
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        wait_taken(receiver, 1)
        first, again = receiver.got
        assert (first.id, first.body) == (again.id, again.body)
        assert int(first.headers["webhook-timestamp"]) < int(again.headers["webhook-timestamp"])
        for name, value in (
            ("webhook-id", "evt_other"),
            ("webhook-timestamp", str(int(again.headers["webhook-timestamp"]) + 1)),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(again.body, {**again.headers, name: value})
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(again.body.replace(b"u@x", b"v@x"), dict(again.headers))
        old = {**again.headers, "webhook-timestamp": str(int(time.time()) - 301)}
        with pytest.raises(WebhookVerificationError, match="too old"):
            Webhook(SECRET).verify(again.body, old)


def test_issue14_7_each_receiver_gets_the_kinds_and_streams_that_it_asks_for(start: StartService) -> None:
    """Kinds by either of their names, streams by globs."""
    with hooks() as kinds, hooks() as streams:
        service = begin(
            start,
            table(kinds, 'kinds = ["accepted", "envelope.cancelled"]'),
            table(streams, 'streams = ["otp*"]'),
        )
        with service.client() as mail:
            plain = lives(mail, 2)
            codes = lives(mail, 2, stream="otp.sms")
        assert by_envelope(wait_taken(kinds, 8)) == dict.fromkeys([*plain, *codes], ENDS)
        assert by_envelope(wait_taken(streams, 8)) == dict.fromkeys(codes, LIFE)
        assert (len(kinds.got), len(streams.got)) == (8, 8)


def test_issue14_7_trouble_of_one_envelope_holds_up_its_own_events_only(start: StartService) -> None:
    """500 for one envelope's events: all others go by, and its own come in order when they are taken."""
    poison: list[str] = []
    is_mended = False

    def answer(got: Got) -> int:
        return 500 if got.envelope in poison and not is_mended else 200

    with hooks(answer) as receiver:
        service = begin(start, table(receiver, 'name = "app"'))
        with service.client() as mail:
            receipt = mail.send(sender="a@app.test", recipients=["bad@x.test"], message=MESSAGE)
            poison += receipt.envelopes.values()
            for act in (mail.hold, mail.release, mail.cancel):
                act(poison[0])
            ids = lives(mail, 30)
        assert by_envelope(wait_taken(receiver, 120)) == dict.fromkeys(ids, LIFE)
        refused = [one.type for one in receiver.got if one.status == 500]
        assert set(refused) == {LIFE[0]}
        until(lambda: row(service, "app")["waiting"] == 4, 5, "the four are noted")
        assert row(service, "app")["state"] == "told"
        is_mended = True
        wait_taken(receiver, 124)
        assert by_envelope(receiver.taken)[poison[0]] == LIFE


def test_issue14_7_a_receiver_that_hangs_makes_no_other_wait(start: StartService) -> None:
    """It has few connections open, and the other gets its events within a second or two."""
    with hooks(lambda _got: _hangs) as hanging, hooks() as quick:
        service = begin(start, table(hanging, 'timeout = "1s"', 'name = "slow"'), table(quick))
        with service.client() as mail:
            began = time.monotonic()
            lives(mail, 50)
            wait_taken(quick, 200)
            assert time.monotonic() - began < 10
        until(lambda: row(service, "slow")["state"] == "away", 10, "it is found away")
        assert hanging.most_open <= 2 * 8  # it hears late that we have left one
        seen = len(hanging.got)
        time.sleep(2.5)
        assert len(hanging.got) - seen <= 8


def test_issue14_7_a_service_ends_in_time_though_receivers_hang(start: StartService) -> None:
    """What was under way is told again by the next, by the same id."""
    hang = True
    with hooks(lambda _got: _hangs if hang else 200) as receiver:
        service = begin(start, table(receiver, 'timeout = "60s"'))
        with service.client() as mail:
            ids = lives(mail, 20)
        until(lambda: receiver.open == 8, 10, "they hang")
        assert service.stop() == 0
        assert "is killed" not in service.log
        hang = False
        service.start("--roles", "store,gateway")
        assert by_envelope(wait_taken(receiver, 80)) == dict.fromkeys(ids, LIFE)


def _hangs(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.settimeout(30)
    handler.connection.recv(1)  # until the other side has enough of it


def _endless_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


def _slow_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.2)


def _huge_header(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x-more: " + b"y" * 4000 + b"\r\n")


def _interim_for_ever(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.05)


def _nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\x00\xff\r\n\r\n")


def _hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [
        (_endless_body, True),
        (_slow_body, True),
        (_huge_header, False),
        (_interim_for_ever, False),
        (_nonsense, False),
        (_hangs_up, False),
    ],
    ids=["endless body", "slow body", "huge header", "interim answers for ever", "no HTTP", "hangs up"],
)
def test_A18_hostile_answers_cost_bounded_time_and_memory(
    start: StartService, answer: object, *, is_taken: bool
) -> None:
    """A status that came counts, whatever follows it; without one the event is tried again, and taken then."""
    hostile = iter([answer])
    with hooks(lambda _got: next(hostile, 200)) as receiver:  # type: ignore[arg-type, return-value]
        service = begin(start, table(receiver, 'timeout = "2s"', 'name = "app"'))
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
            until(lambda: row(service, "app")["told"] == 1, 20, "it is told")
            mail.send(sender="a@app.test", recipients=["v@x.test"], message=MESSAGE)
            until(lambda: row(service, "app")["told"] == 2, 20, "the next is told")
        assert len(receiver.got) == (2 if is_taken else 3)
        (pid,) = service.pids("softbounce_gateway.webhooks")
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 200_000


def test_issue14_7_410_disables_for_good_until_somebody_enables(start: StartService) -> None:
    """Also over a restart; nothing that happened meanwhile is missing then, and it is told as an event to others."""
    status = 410
    with hooks(lambda _got: status) as receiver, hooks() as other:
        service = begin(start, table(receiver, 'name = "app"'), table(other))
        with service.client() as mail:
            ids = lives(mail, 3)
            until(lambda: row(service, "app")["state"] == "disabled", 10, "it is disabled")
        until(lambda: any(one.type == "webhook.disabled" for one in other.taken), 10, "the others are told")
        assert '"event": "webhook_disabled"' in service.log
        assert service.stop() == 0
        seen, status = len(receiver.got), 200
        service.start("--roles", "store,gateway")
        with service.client() as mail:
            ids += lives(mail, 3)
            time.sleep(1)
        assert len(receiver.got) == seen
        assert b"410" in service.cli("webhooks").stderr
        assert service.cli("webhooks", "enable", "app").returncode == 0
        assert by_envelope(wait_taken(receiver, 24)) == dict.fromkeys(ids, LIFE)
        assert not any(one.type.startswith("webhook.") for one in receiver.got)


@pytest.mark.parametrize("status", [429, 503])
def test_issue14_7_retry_after_is_kept(start: StartService, status: int) -> None:
    """Nothing comes before, whatever the policy says; then all of it."""
    times: list[float] = []

    def answer(_got: Got) -> int | tuple[int, dict[str, str]]:
        times.append(time.monotonic())
        return (status, {"retry-after": "3"}) if len(times) == 1 else 200

    with hooks(answer) as receiver:
        service = begin(start, table(receiver, "connections = 1"))
        with service.client() as mail:
            ids = lives(mail, 3)
        assert by_envelope(wait_taken(receiver, 12)) == dict.fromkeys(ids, LIFE)
        assert 2.9 <= times[1] - times[0] < 5


def test_issue14_7_what_is_not_taken_within_its_window_is_dead_told_once_and_can_be_sent_again(
    start: StartService,
) -> None:
    """The dead letters say why; one event tells, to others too, and not to whom it is about."""
    status = 400
    quick = '[policy.short]\ndelays = ["300ms"]\njitter = 0.0\nwindow = "1s"\n'
    with hooks(lambda _got: status) as receiver, hooks() as other:
        service = begin(
            start,
            table(receiver, 'name = "app"', 'policy = "short"', 'kinds = ["accepted", "webhook_exhausted"]'),
            table(other),
            policy=quick,
        )
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        until(lambda: row(service, "app")["given_up"] == 1, 15, "it is given up")
        (dead,) = service.json("webhooks", "dead", "app")
        assert (dead["type"], dead["answer"], dead["data"]["recipient"]) == (LIFE[0], "400 Bad Request", "u@x.test")
        assert dead["attempts"] >= 3
        until(lambda: any(one.type == "webhook.exhausted" for one in other.taken), 10, "the others are told")
        (told,) = [one.json["data"] for one in other.taken if one.type == "webhook.exhausted"]
        assert (told["host"], told["code"], told["id"]) == ("app", 400, "")
        time.sleep(1)
        assert {one.type for one in receiver.got} == {LIFE[0]}
        status = 200
        assert service.cli("webhooks", "replay", "app", "--dead").returncode == 0
        assert [one.id for one in wait_taken(receiver, 1)] == [dead["webhook_id"]]
        until(lambda: service.json("webhooks", "dead", "app") == [], 5, "it is dead no more")


def test_issue14_7_events_are_told_again_from_a_time_or_a_cursor(start: StartService) -> None:
    """Each with the id that it had, in order for each envelope."""
    with hooks() as receiver:
        service = begin(start, table(receiver, 'name = "app"'))
        with service.client() as mail:
            first = lives(mail, 3)
            wait_taken(receiver, 12)
            cursor = max((one.json["data"]["at"], one.json["data"]["cursor"]) for one in receiver.taken)[1]
            second = lives(mail, 3)
        once = [one.id for one in wait_taken(receiver, 24)]
        with receiver.lock:
            receiver.got.clear()
        assert service.cli("webhooks", "replay", "app", "--after", cursor).returncode == 0
        assert by_envelope(wait_taken(receiver, 12)) == dict.fromkeys(second, LIFE)
        with receiver.lock:
            receiver.got.clear()
        assert service.cli("webhooks", "replay", "app", "--after", "1h").returncode == 0
        assert by_envelope(wait_taken(receiver, 24)) == dict.fromkeys([*first, *second], LIFE)
        assert sorted(one.id for one in receiver.taken) == sorted(once)
        wrong = service.cli("webhooks", "replay", "app", "--after", "yesterday")
        assert (wrong.returncode, b"not a cursor" in wrong.stderr) == (2, True)


def test_issue14_7_what_the_log_did_not_keep_is_said_loudly_and_counted(start: StartService) -> None:
    """The receiver is told of what is kept, and goes on; a cursor that is gone is refused with what to do."""
    with hooks() as receiver, hooks() as other:
        receiver.stop()
        service = start(
            '[store]\nkeep_events_max = 1000\n[scheduler]\nsweep = "500ms"\n' + table(receiver, 'name = "app"')
            + table(other, 'kinds = ["webhook_exhausted"]'),
            "store", "scheduler", "gateway",
        )  # fmt: skip
        with service.client() as mail:
            (first,) = (event.cursor for _, event in zip(range(1), _after(mail, lives(mail, 1)), strict=False))
            until(lambda: row(service, "app")["state"] == "away", 20, "it is away")
            for _ in range(3):
                lives(mail, 300)
            until(lambda: sum(1 for _ in mail.events()) < 1400, 20, "the log is trimmed")
            kept = {event.id for event in mail.events()}
        receiver.start()
        assert service.cli("webhooks", "enable", "app").returncode == 0
        until(lambda: bool(row(service, "app")["lost"]), 20, "it is counted")
        until(lambda: row(service, "app")["lag_seconds"] == 0, 30, "it has caught up")
        assert kept <= set(by_envelope(receiver.taken))
        assert '"event": "webhook_events_lost"' in service.log
        assert b"were trimmed before it was told of them" in service.cli("webhooks").stderr
        until(lambda: bool(other.taken), 10, "the others are told")
        assert other.taken[0].json["data"]["reason"] == "events_lost"
        gone = service.cli("webhooks", "replay", "app", "--after", first)
        assert (gone.returncode, b"read on with --after" in gone.stderr) == (1, True)


def test_issue10_what_a_new_primary_has_before_a_place_is_told(start: StartService) -> None:
    """While a primary is replaced both servers take writes: what the new one has of that moment is told as well.

    So is once more what both have of the minute before, by the ids that it had.
    """
    name = keys.key(0, "events")
    with hooks() as receiver:
        service = begin(start, table(receiver, 'name = "app"'))
        with service.client() as mail, closing(Shards(service.url)) as store:

            def ask(command: bytes, *arguments: bytes | str | int) -> Any:  # noqa: ANN401
                (answer,) = store.call([Call.read(0, command, name, *arguments)])
                assert not isinstance(answer, Exception), answer
                return answer

            both = lives(mail, 1)
            wait_taken(receiver, 4)
            kept = ask(b"DUMP")
            (last, _), *_ = ask(b"XREVRANGE", b"+", b"-", b"COUNT", 1)
            old = lives(mail, 1)
            wait_taken(receiver, 8)
            until(lambda: row(service, "app")["lag_seconds"] == 0, 10, "all is settled")
            identity = bytes(15) + b"n"
            told = encode_events([StoredEvent(kind="accepted", id=identity, recipient="new@a.test")])
            ask(b"RESTORE", 0, kept, b"REPLACE")
            ask(b"XADD", last + b"7", b"b", told, b"n", b"7")
            until(lambda: format_id(identity) in by_envelope(receiver.taken), 20, "what the new primary has is told")
            later = lives(mail, 1)
            until(lambda: by_envelope(receiver.taken).get(later[0]) == LIFE, 20, "it goes on")
            taken = by_envelope(receiver.got)
            assert (taken[both[0]], taken[old[0]]) == (LIFE * 2, LIFE)
            assert len(receiver.taken) == 13
        assert '"event": "webhook_log_moved"' in service.log


def _after(mail: Client, ids: list[str]) -> Iterator[Event]:
    """The events of these envelopes."""
    return (event for event in mail.events() if event.id in ids)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_A18_redirections_are_not_followed(start: StartService, status: int) -> None:
    """They count as what is not taken."""
    with hooks() as inside:
        answers = iter([(status, {"location": inside.url})])
        with hooks(lambda _got: next(answers, 200)) as receiver:
            service = begin(start, table(receiver))
            with service.client() as mail:
                mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
            wait_taken(receiver, 1)
            assert ([one.status for one in receiver.got], inside.got) == ([status, 200], [])


def test_A18_a_name_that_leads_to_our_own_network_is_not_called(start: StartService) -> None:
    """Nor is an address of it; with ``allow_private`` both are, and link-local ones never."""
    here = socket.gethostname()  # the one name of a machine, beside localhost, that leads to it without a DNS
    with hooks(host=socket.gethostbyname(here)) as receiver:
        name = f"http://{here}:{receiver.port}/hook"
        closed = [
            table(f"https://10.0.0.1:{receiver.port}/", 'name = "private"'),
            table(f"https://[::ffff:127.0.0.1]:{receiver.port}/", 'name = "mapped"'),
            table("https://169.254.169.254/latest/", 'name = "link"', "allow_private = true"),
            table(name, 'name = "named"', "allow_http = true"),
        ]
        service = begin(start, *closed, table(name, 'name = "open"', "allow_http = true", "allow_private = true"))
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        wait_taken(receiver, 1)
        for one in ("private", "mapped", "link", "named"):
            until(lambda one=one: row(service, one)["state"] == "away", 10, f"{one} is not called")  # type: ignore[misc]
            assert "not called" in str(row(service, one)["last_answer"])
        assert len(receiver.got) == 1


def test_A18_no_proxy_of_the_environment_is_asked(start: StartService) -> None:
    """Where one is named, receivers are called all the same, and it hears nothing."""
    del start
    with hooks() as receiver, hooks() as proxy:
        service = Service(
            QUICK + table(receiver),
            environ=dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), proxy.url),
        )
        try:
            service.start("--roles", "store,gateway")
            with service.client() as mail:
                mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
            wait_taken(receiver, 1)
            assert proxy.connections == 0
        finally:
            service.clean()


def test_issue14_7_a_receiver_at_an_address_of_ipv6_is_called_as_such(tmp_path: Path) -> None:
    """Its Host field has the brackets of the URL (RFC 9110 §7.2), and its certificate has to be for that address."""
    authority = Authority(tmp_path)
    (tmp_path / "roots.pem").write_text(authority.pem)
    certificate = authority.sign("here", names=[x509.IPAddress(IPv6Address("::1"))])
    with ExitStack() as stack:
        good, other, clear = (
            stack.enter_context(hooks(tls=context, host="::1"))
            for context in (server_context(certificate), server_context(authority.sign("localhost")), None)
        )
        tables = [table(one, f'name = "{name}"') for name, one in (("good", good), ("other", other), ("clear", clear))]
        service = Service(QUICK + "".join(tables), environ={"SSL_CERT_FILE": str(tmp_path / "roots.pem")})
        stack.callback(service.clean)
        service.start("--roles", "store,gateway")
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        for one in (good, clear):
            (got,) = wait_taken(one, 1)
            assert got.headers["host"] == f"[::1]:{one.port}"
        until(lambda: row(service, "other")["state"] == "away", 10, "another's certificate is not taken")
        assert ("not valid for '::1'" in str(row(service, "other")["last_answer"]), other.got) == (True, [])


def test_issue14_7_the_certificate_has_to_be_valid_for_the_name(tmp_path: Path) -> None:
    """One of an authority that is trusted, for the name of the URL, not ended, by TLS 1.2 or later; no other."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path)
    with ExitStack() as stack:
        good, other, untrusted, ended, old = (
            stack.enter_context(hooks(tls=context))
            for context in (
                server_context(authority.sign("localhost")),
                server_context(authority.sign("other.test")),
                server_context(stranger.sign("localhost")),
                server_context(authority.sign("localhost", days=-1)),
                server_context(authority.sign("localhost"), newest=TLSVersion.TLSv1_1, ciphers="DEFAULT:@SECLEVEL=0"),
            )
        )
        (tmp_path / "roots.pem").write_text(authority.pem)
        tables = [
            table(one.url.replace("127.0.0.1", "localhost"), f'name = "{name}"')
            for name, one in (
                ("good", good),
                ("other", other),
                ("untrusted", untrusted),
                ("ended", ended),
                ("old", old),
            )
        ]
        service = Service(QUICK + "".join(tables), environ={"SSL_CERT_FILE": str(tmp_path / "roots.pem")})
        stack.callback(service.clean)
        service.start("--roles", "store,gateway")
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        wait_taken(good, 1)
        for name, why in (
            ("other", "not valid for 'localhost'"),
            ("untrusted", "certificate verify failed"),
            ("ended", "certificate has expired"),
            ("old", "version"),
        ):
            until(lambda name=name: row(service, name)["state"] == "away", 10, f"{name} is not told")  # type: ignore[misc]
            assert why in str(row(service, name)["last_answer"])
        assert (other.got, untrusted.got, ended.got, old.got) == ([], [], [], [])


def test_A17_no_secret_of_a_webhook_is_shown_or_logged(tmp_path: Path, start: StartService) -> None:
    """From the file, the environment or a file of its own; also where it is none."""
    bare = SECRET.removeprefix("whsec_")
    (tmp_path / "secret").write_text(f"{OTHER}\n{SECRET}\n")
    with hooks() as receiver:
        service = begin(
            start, table(receiver), table(receiver, 'name = "two"', f'secret_file = "{tmp_path / "secret"}"')
        )
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
        until(lambda: len(receiver.got) == 2, 10, "both are told")
        Webhook(OTHER).verify(receiver.got[1].body, dict(receiver.got[1].headers)) if " " in receiver.got[1].headers[
            "webhook-signature"
        ] else Webhook(OTHER).verify(receiver.got[0].body, dict(receiver.got[0].headers))
        shown = service.cli("config", "show").stdout + service.cli("config", "show", "--json").stdout
        assert b'secret = ["***"]' in shown
        said = shown.decode() + service.log + json.dumps(service.json("webhooks"))
        assert bare not in said
        assert OTHER.removeprefix("whsec_") not in said
    wrong = tmp_path / "wrong.toml"
    for value in (f'"{bare}x"', f'["{bare}", "{bare}x"]', '"whsec_c2hvcnQ="', "7"):
        wrong.write_text(f'[[webhook]]\nurl = "https://a.test/"\nsecret = {value}\n')
        done = service.cli("config", "check", "--config", wrong)
        assert done.returncode == 2
        assert b"webhook[0].secret = ***: should be secrets of Standard Webhooks" in done.stderr


def test_issue14_7_a_secret_in_a_file_is_changed_without_a_restart(tmp_path: Path, start: StartService) -> None:
    """The next event is signed by what the file says then."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    with hooks() as receiver:
        service = begin(start, table(receiver, f'secret_file = "{path}"'))
        with service.client() as mail:
            mail.send(sender="a@app.test", recipients=["u@x.test"], message=MESSAGE)
            wait_taken(receiver, 1)
            path.write_text(f"{OTHER}\n{SECRET}\n")
            mail.send(sender="a@app.test", recipients=["v@x.test"], message=MESSAGE)
            got = wait_taken(receiver, 2)[1]
        for secret in (OTHER, SECRET):
            Webhook(secret).verify(got.body, dict(got.headers))


def test_issue14_7_a_reload_of_the_file_is_followed_and_nothing_is_lost_or_told_twice(start: StartService) -> None:
    """One begins, one ends, one moves under another secret; where a secret cannot be had all stays as it was."""
    with hooks() as stays, hooks() as moved, hooks() as new:
        kept = table(stays, 'name = "kept"')
        service = begin(start)

        def follow(*tables: str, says: str) -> None:
            service.configure(QUICK + "".join(tables))
            assert service.process is not None
            assert service.process.stdout is not None
            service.process.send_signal(signal.SIGHUP)
            assert any(says in line for line in service.process.stdout)

        with service.client() as mail:
            follow(kept, says="reloaded: 1 webhook")
            first = lives(mail, 5)
            wait_taken(stays, 20)
            follow(kept, table(new, 'name = "new"'), says="reloaded: 2 webhooks")
            second = lives(mail, 5)
            wait_taken(stays, 40)
            wait_taken(new, 20)
            follow(table(moved, 'name = "kept"', f'secret = "{OTHER}"'), says="reloaded: 1 webhook")
            third = lives(mail, 5)
            wait_taken(moved, 20)
            nowhere = 'secret_file = "/nowhere/secret"'
            service.configure(QUICK + table(new, 'name = "kept"', nowhere))
            assert service.process is not None
            service.process.send_signal(signal.SIGHUP)
            until(lambda: "old settings stay:\nwebhook kept: secret_file" in service.log, 10, "what is wrong is said")
            fourth = lives(mail, 5)
            wait_taken(moved, 40)
            service.configure(QUICK)
            assert service.process is not None
            assert service.process.stdout is not None
            assert reload(service) == service.process.pid
            assert any("no webhook is told any more" in line for line in service.process.stdout)
            until(lambda: reload(service) is None, 10, "it tells whom the file names")
        assert by_envelope(stays.got) == dict.fromkeys([*first, *second], LIFE)
        assert by_envelope(new.got) == dict.fromkeys(second, LIFE)
        assert by_envelope(moved.got) == dict.fromkeys([*third, *fourth], LIFE)
        Webhook(OTHER).verify(moved.got[0].body, dict(moved.got[0].headers))


def test_issue14_7_a_test_event_is_sent_and_its_answer_printed(start: StartService) -> None:
    """0 where it is taken, 1 where not, with what was answered."""
    status = 200
    with hooks(lambda _got: status) as receiver:
        service = begin(start, table(receiver, 'name = "app"'))
        assert service.json("webhooks", "test", "app") == {"ok": True, "code": 200, "answer": "200 OK", "body": "ok"}
        got = receiver.got[0]
        assert Webhook(SECRET).verify(got.body, dict(got.headers))["type"] == "webhook.test"
        status = 404
        done = service.cli("webhooks", "test", "app")
        assert (done.returncode, done.stdout) == (1, b"404 Not Found\nok\n")
        assert service.cli("webhooks", "test", "nobody").returncode == 1


def test_issue14_7_a_mail_is_told_from_its_acceptance_to_its_end(start: StartService) -> None:
    """Deferred and delivered by real hosts, with what they said."""
    with hooks() as receiver:
        service = start(QUICK + '[policy.default]\ndelays = ["300ms"]\ngreylist = ["300ms"]\n' + table(receiver))
        with service.client() as mail:
            receipt = mail.send(
                sender="a@app.test",
                recipients=[f"greylist2@{service.name}.test", f"u@{service.name}.test"],
                message=MESSAGE,
                stream="news",
                tags=["spring"],
                metadata={"order": "7"},
            )
            service.wait_final(list(receipt.envelopes.values()), 40)
        until(lambda: sum(one.type == "envelope.delivered" for one in receiver.taken) == 2, 20, "both are told")
        for one in by_envelope(receiver.taken).values():
            assert one[0] == "envelope.accepted"
            assert one[-1] == "envelope.delivered"
            assert set(one[1:-1]) <= {"envelope.deferred"}
        data = next(one.json["data"] for one in receiver.taken if one.type == "envelope.delivered")
        assert (data["code"], data["stream"], data["tags"], data["metadata"]) == (
            250,
            "news",
            ["spring"],
            {"order": "7"},
        )


def test_issue14_7_two_processes_never_tell_one_receiver_at_a_time(start: StartService) -> None:
    """One of them has it; the other takes it over when that one ends."""
    with hooks() as receiver:
        first = begin(start, table(receiver, 'name = "app"'))
        second = Service(f'[store]\nurl = "{first.url}"\n' + QUICK + table(receiver, 'name = "app"'))
        try:
            second.start("--roles", "gateway")
            with first.client() as mail:
                ids = lives(mail, 20)
                wait_taken(receiver, 80)
                assert len(receiver.got) == 80
                (pid,) = first.pids("softbounce_gateway.webhooks")
                Path(f"/proc/{pid}").stat()
                ids += lives(mail, 5)
                assert by_envelope(wait_taken(receiver, 100)) == dict.fromkeys(ids, LIFE)
        finally:
            second.clean()
