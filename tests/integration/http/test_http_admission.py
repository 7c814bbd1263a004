"""Who gets in, and for what."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
from calling import MESSAGES, calling, part
from ports import free_ports
from service import Service, run_cli, until
from softbounce_gateway.http.operations import OPERATIONS

if TYPE_CHECKING:
    from conftest import StartService


def new_token(service: Service, *options: str) -> str:
    """A token, as the command prints it."""
    done = service.cli("token", "new", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def test_issue14_tokens_are_for_their_scopes_and_senders(service: Service, port: int) -> None:
    """From the first token on everybody needs one; each is for what it was made for, until it is revoked."""
    with calling(port) as nobody:
        assert nobody.get("/api/v1/queue").status_code == 200
        send = new_token(service, "--scope", "send", "--sender", "*@shop.test", "--name", "app")
        relay = new_token(service, "--sender", "*@shop.test", "--any-author", "--name", "relay")
        admin = new_token(service, "--scope", "admin")
        until(lambda: nobody.get("/api/v1/queue").status_code == 401, 5, "tokens are known")
        refused = nobody.post(MESSAGES, json=part())
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert nobody.get("/healthz").status_code == 200
        assert nobody.get("/api/v1/openapi.json").status_code == 200
    for wrong in ("x", "sbt_" + "A" * 43, "", "a" * 20_000):
        with calling(port, wrong or None) as client:
            assert client.get("/api/v1/queue").status_code == 401
    with calling(port, send) as app:
        taken = app.post(MESSAGES, json=part())
        assert taken.status_code == 202, taken.text
        other = app.post(MESSAGES, json=part(**{"from": "ceo@bank.test"}))
        assert (other.status_code, other.json()["field"]) == (403, "from")
        batch = app.post(f"{MESSAGES}/batch", json=[part(), part(**{"from": "ceo@bank.test"})])
        assert [one.get("status", 202) for one in batch.json()] == [202, 403]
        boss = b"From: CEO <ceo@bank.test>\r\nTo: a@b.test\r\nSubject: x\r\n\r\nx\r\n"
        said = {"from": "app@shop.test", "to": "a@b.test"}
        raw = {**said, "to": ["a@b.test"], "raw": b64encode(boss).decode()}
        octets = {"params": said, "content": boss, "headers": {"Content-Type": "message/rfc822"}}
        for refused in (app.post(MESSAGES, json=raw), app.post(MESSAGES, **octets)):
            assert (refused.status_code, refused.json()["field"]) == (403, "From"), refused.text
        assert [one["status"] for one in app.post(f"{MESSAGES}/batch", json=[raw]).json()] == [403]
        with calling(port, relay) as any_author:
            assert any_author.post(MESSAGES, json=raw).status_code == 202
            assert any_author.post(MESSAGES, json=raw | {"from": "ceo@bank.test"}).status_code == 403
        assert app.get("/api/v1/queue").status_code == 403
        (identity,) = taken.json()["envelopes"].values()
        assert app.post(f"/api/v1/envelopes/{identity}/cancel").status_code == 403
        with calling(port, admin) as boss:
            assert boss.post(f"/api/v1/envelopes/{identity}/cancel").json()["answer"] == "cancelled"
        assert service.cli("token", "revoke", "app").returncode == 0
        until(lambda: app.post(MESSAGES, json=part()).status_code == 401, 5, "the token is gone")
    assert send not in service.log
    assert admin not in service.log


def test_issue14_each_call_is_for_the_tokens_of_its_scope(service: Service, port: int) -> None:
    """All of them: nobody without a token, each scope for its own calls, `admin` for all; what is open to all is so."""
    tokens = {
        scope: new_token(service, "--scope", scope, "--name", scope) for scope in ("send", "read", "operate", "admin")
    }
    with calling(port) as nobody:
        until(lambda: nobody.get("/api/v1/queue").status_code == 401, 5, "tokens are known")
    tried = Counter[str]()
    with ExitStack() as clients:
        callers = {scope: clients.enter_context(calling(port, token)) for scope, token in tokens.items()}
        callers["nobody"] = clients.enter_context(calling(port))
        for one in OPERATIONS:
            path = re.sub(r"\{[a-z]+\}", "x", one.path)
            may = {one.scope, "admin"} if one.scope else {*tokens, "nobody"}
            for scope, client in callers.items():
                with client.stream(one.method, path, params={"after": "x"}) as answer:  # so that no stream begins
                    status = answer.status_code
                wanted = "in" if scope in may else "401" if scope == "nobody" else "403"
                assert ("in" if status not in {401, 403} else str(status)) == wanted, (one.name, scope, status)
                tried[wanted] += 1
    assert min(tried.values()) > 20, tried


def test_issue14_no_web_page_mails_through_localhost(http: httpx.Client, port: int) -> None:
    """Without tokens a page in a browser on this machine gets in neither by a form nor by a name that it rebinds."""
    for headers in (
        {"Host": "evil.test"},
        {"Host": f"evil.test:{port}"},
        {"Host": "127.0.0.1.evil.test"},
        {"Host": "localhost@evil.test"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for answer in (http.post(MESSAGES, json=part(), headers=headers), http.get("/api/v1/queue", headers=headers)):
            assert answer.status_code == 403, headers
            assert "access-control-allow-origin" not in answer.headers
    assert http.get("/api/v1/queue").json()["total"] == 0
    for own in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
        assert http.get("/api/v1/queue", headers={"Host": own}).status_code == 200, own
    page = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert http.post(MESSAGES, json=part(), headers=page).status_code == 202


def test_issue14_other_machines_get_in_by_token_only(start: StartService) -> None:
    """Beyond loopback there is no gateway without a token: exit code 2, which says what to do; with one there is."""
    (port,) = free_ports(1)
    service = start("", "store")
    service.stop()
    service.configure(f'[gateway]\nhttp = "0.0.0.0:{port}"\n')
    refused = run_cli("up", "--config", service.config, "--roles", "store,gateway", folder=service.folder)
    assert refused.returncode == 2, refused.stderr
    assert b"softbounce token new" in refused.stderr
    service.start("--roles", "store")
    token = new_token(service)
    service.stop()
    service.start("--roles", "store,gateway")
    with calling(port, token) as client:
        assert client.post(MESSAGES, json=part(), headers={"Host": "mail.shop.test"}).status_code == 202
    with calling(port) as nobody:
        assert nobody.post(MESSAGES, json=part()).status_code == 401
