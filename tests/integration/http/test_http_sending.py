"""Handing mail over by HTTP, in each of its forms."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
from calling import MESSAGES, calling, part
from service import Service

if TYPE_CHECKING:
    from conftest import StartService, StartStore
    from service import PlaygroundProcess

CURL = "/usr/bin/curl"
PROBLEM = "application/problem+json"


WRONG: tuple[tuple[dict[str, Any], int, str], ...] = (
    (part(to=["a@@example.net"]), 422, "to[0]"),
    (part(to=["a@example.net", 3]), 400, "to[1]"),
    (part(to=[]), 422, "to"),
    (part(cc=["x@example.net", "a\r\nb@example.net"]), 422, "cc[1]"),
    (part(**{"from": "nobody"}), 422, "from"),
    (part(subject="a\r\nBcc: evil@example.net"), 422, "subject"),
    (part(subject="a\u2028b"), 422, "subject"),
    (part(**{"from": "A\nB <app@shop.test>"}), 422, "from"),
    (part(headers={"X-A": "1\r\nX-B: 2"}), 422, "headers.X-A"),
    (part(headers={"X-A\r\nX-B": "2"}), 422, "headers"),
    (part(headers={"bcc": "evil@example.net"}), 422, "headers.bcc"),
    (part(headers={"Content-Type": "text/html"}), 422, "headers.Content-Type"),
    (part(attachments=[{"filename": "a\r\nb", "content": ""}]), 422, "attachments[0].filename"),
    (part(attachments=[{"filename": "a", "content": "", "content_type": "x"}]), 422, "attachments[0].content_type"),
    (part(attachments=[{"filename": "a", "content": "%%"}]), 400, "attachments[0].content"),
    (part(stream="Not One"), 422, "stream"),
    (part(window="soon"), 422, "window"),
    (part(at="2026-01-31T08:00:00"), 422, "at"),
    (part(at="soon"), 400, "at"),
    (part(colour="red"), 400, "colour"),
    (part(tags=["a\r\nb"]), 422, "tags[0]"),
    (part(tags=["a"] * 21), 400, "tags"),
    (part(metadata={"a b": "c"}), 422, "metadata"),
    (part(metadata={"a": 7}), 400, "metadata[...]"),
    ({"from": "app@shop.test", "to": ["a@example.net"]}, 422, "text"),
    ({"to": ["a@example.net"], "text": "x"}, 400, "from"),
)


def problem(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The details of an answer that has to be a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    details: dict[str, Any] = answer.json()
    assert details["status"] == status
    assert details.get("field") == field
    return details


def test_issue14_curl_hands_over_parts_and_they_arrive(
    start: StartService, port: int, playground: PlaygroundProcess
) -> None:
    """A message in parts becomes one that a reader sees whole; who is in bcc gets it, and nobody reads that he did."""
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n')
    body = {
        "from": "Shop Ä <app@shop.test>",
        "to": ["Ann <ann@example.net>", "bob@example.net"],
        "cc": ["cc@example.net"],
        "bcc": ["hidden@example.net"],
        "reply_to": "help@shop.test",
        "subject": "Größe",
        "text": "plain ü\n",
        "html": "<p>ü</p>",
        "headers": {"X-Order": "7", "List-Unsubscribe": "<https://shop.test/u>"},
        "attachments": [
            {
                "filename": "für.pdf",
                "content_type": "application/pdf",
                "content": base64.b64encode(b"%PDF\0" * 900).decode(),
            }
        ],
        "stream": "otp",
        "window": "15m",
    }
    done = subprocess.run(  # noqa: S603 - a real client
        [CURL, "-sS", "-H", "Content-Type: application/json", "-H", "Idempotency-Key: order-7",
         "--data-binary", "@-", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}{MESSAGES}"],
        input=json.dumps(body).encode(), capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    answer, status = done.stdout.decode().rsplit("\n", 1)
    assert status == "202", answer
    receipt = json.loads(answer)
    assert receipt["key"] == "order-7"
    assert set(receipt["envelopes"]) == {
        "ann@example.net", "bob@example.net", "cc@example.net", "hidden@example.net"
    }  # fmt: skip
    ended = service.wait_final(list(receipt["envelopes"].values()), 30)
    assert {one.state for one in ended.values()} == {"delivered"}
    entries = playground.taken(receipt["envelopes"])
    took = {one: entry.sha256 for entry in entries for one in entry.recipients if entry.kept}
    assert set(took) == set(receipt["envelopes"])
    assert len(set(took.values())) == 1


def test_issue14_octets_as_base64_and_as_a_body(http: httpx.Client, service: Service) -> None:
    """A message of the app's own making goes as `raw`, or as the body itself with query parameters."""
    octets = b"From: app@shop.test\r\nTo: x@example.net\r\nSubject: own\r\n\r\nbody\r\n"
    raw = {"from": "app@shop.test", "to": ["a@example.net"], "raw": base64.b64encode(octets).decode()}
    first = http.post(MESSAGES, json=raw)
    assert first.status_code == 202, first.text
    query = {"from": "app@shop.test", "to": ["a@example.net", "b@example.net"], "stream": "otp", "window": "15m"}
    second = http.post(MESSAGES, params=query, content=octets, headers={"Content-Type": "message/rfc822"})
    assert second.status_code == 202, second.text
    with service.client() as mail:
        shown = [mail.show(one) for one in second.json()["envelopes"].values()]
    assert {(one.recipient, one.stream, one.sender) for one in shown} == {
        ("a@example.net", "otp", "app@shop.test"),
        ("b@example.net", "otp", "app@shop.test"),
    }
    problem(http.post(MESSAGES, json={**raw, "text": "x"}), 422, "text")


def test_issue14_fields_for_us_in_octets_are_refused_where_a_request_says_it(http: httpx.Client) -> None:
    """As `raw` and as a body: a key that does nothing doubles mail, and one that is obeyed is chosen by strangers."""
    octets = b"From: app@shop.test\nX-Softbounce-Key: k\nSubject: own\n\nbody\n"
    raw = {"from": "app@shop.test", "to": ["a@example.net"], "raw": base64.b64encode(octets).decode()}
    query = {"from": "app@shop.test", "to": "a@example.net"}
    for answer in (
        http.post(MESSAGES, json=raw),
        http.post(MESSAGES, params=query, content=octets, headers={"Content-Type": "message/rfc822"}),
    ):
        assert "`key`" in problem(answer, 422, "X-Softbounce-Key")["detail"]


def test_report_openmediavault_1058_a_raw_header_reaches_hosts_without_smtputf8(start: StartService, port: int) -> None:
    """As a shell writes it, in both ways in which octets come, and by the command."""
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n')
    octets = "From: Büro <app@shop.test>\nSubject: Grüße\n\nbody\n".encode()
    raw = {"from": "app@shop.test", "to": ["a@nosmtputf8.test"], "raw": base64.b64encode(octets).decode()}
    query = {"from": "app@shop.test", "to": ["b@nosmtputf8.test"]}
    with calling(port) as http:
        answers = [
            http.post(MESSAGES, json=raw),
            http.post(MESSAGES, params=query, content=octets, headers={"Content-Type": "message/rfc822"}),
        ]
    ids = [one for answer in answers for one in answer.json()["envelopes"].values()]
    sent = service.cli("send", "--from", "app@shop.test", "--to", "c@nosmtputf8.test", "-", stdin=octets)
    ids.append(sent.stdout.decode().strip())
    assert [one.state for one in service.wait_final(ids, 30).values()] == ["delivered"] * 3


def test_issue14_a_key_sends_once(http: httpx.Client, service: Service) -> None:
    """The same key with the same content gives the same ids; with other content it is 409, and nothing is stored."""
    first = http.post(MESSAGES, json=part(), headers={"Idempotency-Key": "k"})
    again = http.post(MESSAGES, json=part(), headers={"Idempotency-Key": "k"})
    assert again.status_code == 202
    assert again.json()["envelopes"] == first.json()["envelopes"]
    details = problem(http.post(MESSAGES, json=part(text="other"), headers={"Idempotency-Key": "k"}), 409)
    assert details["type"].endswith("KeyReused")
    with service.client() as mail:
        assert mail.queue().total == 1
    problem(http.post(MESSAGES, json=part(key="a"), headers={"Idempotency-Key": "b"}), 400, "key")


def test_issue14_A02_what_cannot_be_sent_is_named(http: httpx.Client, service: Service) -> None:
    """No value makes another header field; each error names the field at fault, and nothing is stored."""
    for body, status, field in WRONG:
        problem(http.post(MESSAGES, json=body), status, field)
    with service.client() as mail:
        assert mail.queue().total == 0


def test_issue14_other_types_are_refused(http: httpx.Client) -> None:
    """A form, which any web page can post, is no message; nor is a body that has to be unpacked, nor broken JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        problem(http.post(MESSAGES, content=json.dumps(part()), headers={"Content-Type": kind}), 415, "Content-Type")
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    problem(http.post(MESSAGES, content=b"x", headers=packed), 415)
    for octets in (b"{", b"\xff", b"[" * 100_000, b'{"headers": ' * 50_000):
        answer = http.post(MESSAGES, content=octets, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)


def test_issue14_a_batch_answers_each(http: httpx.Client, service: Service) -> None:
    """Each message of a batch gets its receipt or its problem, in order; with atomic one that is wrong refuses all."""
    batch = [part(key="1"), part(to=["bad"]), part(key="1"), part(key="1", text="other"), part(key="2")]
    refused = problem(http.post(f"{MESSAGES}/batch", params={"atomic": "true"}, json=batch[:2]), 422, "to[0]")
    assert refused["index"] == 1
    reused = problem(http.post(f"{MESSAGES}/batch", params={"atomic": "true"}, json=batch[2:]), 409)
    assert reused["index"] == 1
    with service.client() as mail:
        assert mail.queue().total == 0
    answers = http.post(f"{MESSAGES}/batch", json=batch)
    assert answers.status_code == 202, answers.text
    first, bad, again, reused, last = answers.json()
    assert (bad["status"], bad["field"]) == (422, "to[0]")
    assert again["envelopes"] == first["envelopes"]
    assert reused["status"] == 409
    assert last["key"] == "2"
    with service.client() as mail:
        assert mail.queue().total == 2
    problem(http.post(f"{MESSAGES}/batch", json=[part()] * 501), 422, "body")


def test_issue14_a_store_that_is_away_is_503(start: StartService, port: int, start_store: StartStore) -> None:
    """While the store is away nothing is taken, and the answer says so; readiness says what is missing."""
    store = start_store()
    start(f'[store]\nurl = "{store.url}"\ndurability = "none"\n[gateway]\nhttp = "127.0.0.1:{port}"\n', "gateway")
    with calling(port) as client:
        assert client.post(MESSAGES, json=part()).status_code == 202
        missing = client.get("/readyz")
        assert missing.status_code == 503
        assert missing.json()["checks"] == {
            "store": "ok", "scheduler": "no scheduler listens", "worker": "no worker has a lease"
        }  # fmt: skip
        store.kill()
        assert client.get("/healthz").status_code == 200
        details = problem(client.post(MESSAGES, json=part(), headers={"Idempotency-Key": "k"}), 503)
        assert details["type"].endswith(("StoreUnavailable", "StoreUncertain"))
        assert "uncertain" in details


def test_issue14_a_quota_that_is_used_up_is_429(start: StartService, port: int) -> None:
    """The answer says which one, and when to come again; in a batch each message has its own."""
    quota = '[[quota]]\nname = "few"\nmessages = "3/h"\nover = "refuse"\n'
    start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n{quota}', "store", "gateway")
    with calling(port) as client:
        statuses = [one.get("status", 202) for one in client.post(f"{MESSAGES}/batch", json=[part()] * 5).json()]
        assert statuses == [202, 202, 202, 429, 429]
        refused = client.post(MESSAGES, json=part())
        assert "few" in problem(refused, 429)["detail"]
        assert 0 < int(refused.headers["retry-after"]) <= 3600
