"""The frame of the screen: who gets in, what the forms bear, and the headers that let nothing else run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from http.cookies import SimpleCookie

import httpx
import pytest
from redis import Redis
from screens import WORD, Screen
from service import until

from softbounce.ids import parse_id

PAGES = ("/ui",)
MESSAGE = b"Subject: x\r\n\r\nx\r\n"


def test_issue15_1_each_page_lets_nothing_run_that_is_not_its_own(http: httpx.Client) -> None:
    """No inline script or style, nothing from elsewhere, in no frame; what it loads is there, and may be kept."""
    for path in PAGES:
        page = http.get(path)
        assert page.status_code == 200, page.text
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?! src=\"/ui/)|<style|\sstyle=|\son\w+=|https?://", page.text)
    for asset in re.findall(r'(?:href|src)="(/ui/[a-z]+\.(?:css|js|svg)\?v=[0-9a-f]+)"', http.get("/ui").text):
        answer = http.get(asset)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert http.get("/", follow_redirects=True).url.path == "/ui"


def test_issue15_1_errors_are_pages(http: httpx.Client) -> None:
    """What is not there, and what cannot be asked so, is told in words, and what was asked stays text."""
    missing = http.get("/ui/<b>nothing")
    assert missing.status_code == 404
    assert "&lt;b&gt;nothing" in missing.text
    asked = http.get("/ui", params={"<b>": "1"})
    assert asked.status_code == 400
    assert "<b>" not in asked.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ui/message/a/b/c/<i>", 404),
        ("POST", "/ui/no/such", 404),
        ("GET", "/ui/logout", 405),
        ("POST", "/ui/events", 405),
        ("DELETE", "/ui", 405),
    ],
)
def test_issue15_1_what_is_no_page_is_told_on_a_page(http: httpx.Client, method: str, path: str, status: int) -> None:
    """Below ``/ui`` somebody looks, however little is there: in the screen's look, with a way back."""
    page = http.request(method, path)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert '<a href="/ui">Now</a>' in page.text
    assert "<i>" not in page.text
    assert ("allow" in page.headers) == (status == 405)


def test_issue15_1_a_program_is_told_in_its_own_form(http: httpx.Client) -> None:
    """Where nobody looks, problem details; a browser that was led astray gets a page."""
    for path, accept in (("/api/v1/no/such", "text/html"), ("/no/such", "*/*")):
        told = http.get(path, headers={"Accept": accept})
        assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")
    browsed = http.get("/no/such", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (browsed.status_code, '<a href="/ui">Now</a>' in browsed.text) == (404, True)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.test"}, id="a name that was rebound"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site's form"),
        pytest.param({"X-Forwarded-For": "192.0.2.7"}, id="a proxy before it"),
        pytest.param({"Forwarded": "for=192.0.2.7"}, id="a proxy before it, RFC 7239"),
    ],
)
def test_issue15_1_without_tokens_only_this_machine_looks(http: httpx.Client, headers: dict[str, str]) -> None:
    """As the rest of the interface has it."""
    assert http.get("/ui").status_code == 200
    assert http.get("/ui", headers=headers).status_code == 403


def test_issue15_1_a_link_in_a_mail_leads_to_the_page(http: httpx.Client) -> None:
    """What another site leads to shows nothing yet, and asks again by itself, as a page of our own: only a page."""
    came = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    page = http.get("/ui/events?kind=held", headers=came)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert '<meta http-equiv="refresh" content="0">' in page.text
    assert "Events" not in page.text
    assert http.post("/ui/suppressed", data={"address": "a@b.test"}, headers=came).status_code == 403
    assert http.get("/api/v1/queue", headers=came).status_code == 403


def test_issue15_1_the_head_of_a_stream_holds_no_connection(http: httpx.Client) -> None:
    """It has no end, so its head alone is not to be had; what is asked next on the same connection is answered."""
    head = http.head("/ui/events/stream")
    assert head.status_code == 405
    assert "HEAD" not in head.headers["allow"]
    assert http.head("/ui").status_code == 200


def stream_of(http: httpx.Client) -> str:
    """Where the page of events, as it is now, reads on."""
    found = re.search(r'data-stream="([^"]+)"', http.get("/ui/events").text)
    assert found is not None
    return unescape(found[1])


def rows_of(stream: httpx.Response) -> Iterator[str]:
    """What comes for its table."""
    return (line for line in stream.iter_lines() if line.startswith("data: "))


def test_issue15_1_a_page_that_slept_too_long_is_sent_no_flood(screen: Screen, http: httpx.Client) -> None:
    """It is told that it fell behind, with a link to what it was not sent, and goes on with what comes then."""
    asleep = stream_of(http)
    with screen.service.client() as mail:
        for number in range(301):
            mail.send(sender="app@shop.test", recipients=[f"u{number}@a.test"], message=MESSAGE)
        with http.stream("GET", asleep) as woken:
            rows = rows_of(woken)
            gap = next(rows)
            mail.send(sender="app@shop.test", recipients=["new@a.test"], message=MESSAGE)
            assert "new@a.test" in next(rows)
    assert "fell behind" in gap
    link = re.search(r'href="(/ui/events[^"]+)"', gap)
    assert link is not None
    missed = http.get(unescape(link[1])).text
    assert ("u300@a.test" in missed, "new@a.test" in missed) == (True, False)
    assert "Earlier" in missed


def test_issue15_1_a_page_that_missed_little_has_it(screen: Screen, http: httpx.Client) -> None:
    """Each row, and no word of rows that it was not sent."""
    place = stream_of(http)
    with screen.service.client() as mail:
        for number in range(20):
            mail.send(sender="app@shop.test", recipients=[f"w{number}@a.test"], message=MESSAGE)
    with http.stream("GET", place) as stream:
        rows = rows_of(stream)
        assert [f"w{number}@a.test" in next(rows) for number in range(20)] == [True] * 20


def test_issue15_1_a_token_opens_a_session_that_ends_with_it(screen: Screen, http: httpx.Client) -> None:
    """Wrong tokens and such as may not read open none; a changed, old or other token's cookie is none."""
    text = screen.add_token("night", "read")
    sending = screen.add_token("app", "send")
    until(lambda: http.get("/ui").status_code == 303, 10, "the tokens are known")
    asked = http.get("/ui?x=1")
    assert asked.headers["location"] == "/ui/login?to=%2Fui%3Fx%3D1"
    assert http.get(asked.headers["location"]).text.count('value="/ui?x=1"') == 1
    for wrong, status in (("", 401), (text[:-1], 401), (sending, 403)):
        refused = http.post("/ui/login", data={"token": wrong, "to": "/ui"})
        assert refused.status_code == status
        assert "set-cookie" not in refused.headers
    assert http.post("/ui/login", data={"token": text}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    for to, path in (("/ui?x=1", "/ui?x=1"), ("//evil.test", "/ui"), ("https://evil.test/ui", "/ui"), ("/uix", "/ui")):
        entered = http.post("/ui/login", data={"token": text, "to": to})
        assert (entered.status_code, entered.headers["location"]) == (303, path)
    cookie = SimpleCookie(entered.headers["set-cookie"])["softbounce_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/ui", "")
    assert text not in cookie.value
    secured = http.post("/ui/login", data={"token": text}, headers={"Origin": "https://mail.test"})
    assert secured.headers["set-cookie"].endswith("; Secure")
    page = http.get("/ui", headers={"Cookie": f"softbounce_session={cookie.value}"})
    assert page.status_code == 200
    assert "night, read only" in page.text
    name, until_at, nonce, mark = cookie.value.split(":")
    for other in (
        f"app:{until_at}:{nonce}:{mark}",
        f"{name}:{int(until_at) + 1}:{nonce}:{mark}",
        f"{name}:{until_at}:{nonce}:{mark[:-1]}",
        f"{name}:{until_at}:{nonce}:",
        "x" * 5000,
    ):
        http.cookies.clear()
        assert http.get("/ui", headers={"Cookie": f"softbounce_session={other}"}).status_code == 303
    assert 11 * 3600 < int(until_at) - time.time() < 13 * 3600
    mine = {"Cookie": f"softbounce_session={cookie.value}"}
    word = WORD.search(page.text)
    assert word is not None
    assert http.post("/ui/logout", data={"word": "x"}, headers=mine).status_code == 403
    left = http.post("/ui/logout", data={"word": word[1]}, headers=mine)
    assert "Max-Age=0" in left.headers["set-cookie"]
    screen.revoke("night")
    until(lambda: http.get("/ui", headers=mine).status_code == 303, 10, "the session has ended")
    screen.revoke("app")
    until(lambda: http.get("/ui").status_code == 200, 10, "there is no token any more")


def test_A21_no_other_site_acts_in_an_operators_name(screen: Screen, http: httpx.Client) -> None:
    """A form without the word of its session does nothing, nor does one from another site, nor a GET."""
    page, fields = "/ui/suppressed", {"address": "victim@example.net"}
    for headers, word in (
        ({}, {}),
        ({}, {"word": "0" * 64}),
        ({"Origin": "https://evil.test"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Host": "evil.test"}, None),
    ):
        known = WORD.search(http.get(page).text)
        assert known is not None
        made = {**fields, **({"word": known[1]} if word is None else word)}
        refused = http.post(page, data=made, headers=headers)
        assert refused.status_code == 403, (headers, word)
    assert http.post(page, json=fields).status_code == 415
    http.get(page, params=fields)
    assert "Take off" not in http.get(page).text
    assert "Take off" in screen.submit(page, fields).text
    assert http.get(page).headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_issue15_1_one_suppression_of_several_is_taken_off(screen: Screen, http: httpx.Client) -> None:
    """That of mail of no stream, too: its form names it."""
    page = "/ui/suppressed?address=two@example.net"
    for stream in ("", "news"):
        assert (
            http.post("/api/v1/suppressions", json={"address": "two@example.net", "stream": stream}).status_code == 200
        )
    assert 'value="(none)"' in http.get(page).text
    screen.submit("/ui/suppressed/remove", {"address": "two@example.net", "stream": "(none)"}, page=page)
    left = http.get(page).text
    assert ("stream news" in left, "stream (none)" in left) == (True, False)


def test_issue15_1_a_list_that_is_cut_says_so(http: httpx.Client) -> None:
    """Of the acts the latest 200 are there, and the command has all; with fewer there is no such word."""
    told = "These are the latest 200"
    assert told not in http.get("/ui/actions").text
    for number in range(201):
        assert http.post("/api/v1/suppressions", json={"address": f"c{number}@cut.test"}).status_code == 200
    page = http.get("/ui/actions").text
    assert (told in page, "softbounce actions --limit 1000" in page) == (True, True)
    assert page.count('data-name="matched"') == 200


def test_issue15_1_an_envelope_whose_record_went_meanwhile_breaks_no_page(screen: Screen, http: httpx.Client) -> None:
    """Nor one whose record nobody can read: what is left is shown, and its own page says that it is not there."""
    recipients = [f"r{number}@gone.test" for number in range(4)]
    message = b"From: a@shop.test\r\n\r\nHello\r\n"
    with screen.service.client() as mail:
        ids = mail.send(sender="a@shop.test", recipients=recipients, message=message).envelopes
    with Redis(unix_socket_path=screen.service.url.removeprefix("unix://")) as server:
        server.hdel("sb:{0}:e", parse_id(ids["r0@gone.test"]))  # type: ignore[arg-type]  # octets, as all that is stored
        server.hset("sb:{0}:e", parse_id(ids["r1@gone.test"]), b"\x00nonsense")  # type: ignore[arg-type]
    for path in (
        "/ui",
        "/ui/search?domain=gone.test",
        "/ui/search",
        "/ui/act?action=hold&domain=gone.test",
        "/ui/events",
    ):
        assert http.get(path).status_code == 200, path
    found = http.get("/ui/search?domain=gone.test").text
    assert ("r2@gone.test" in found, "r0@gone.test" in found) == (True, False)
    assert http.get(f"/ui/message/{ids['r0@gone.test']}").status_code == 404
    unread = http.get(f"/ui/message/{ids['r1@gone.test']}")
    assert (unread.status_code, "this version cannot read" in unread.text) == (503, True)
    assert http.get("/ui/sites/gone.test").status_code in {200, 404}


@pytest.mark.parametrize("value", ["", "\u202e", "'\"<x>", "*" * 600, "[", "-1", "9" * 30, "%00", "a=b&c"])
def test_issue15_1_whatever_a_filter_says_is_no_fault_of_ours(screen: Screen, http: httpx.Client, value: str) -> None:
    """Each filter of each page: it fits nothing, or is refused with its name."""
    del screen
    names = ("recipient", "sender", "domain", "site", "stream", "tenant", "tag", "meta", "reply", "older", "younger")
    asked = {
        "/ui/search": (*names, "state", "held_for", "after"),
        "/ui/act": (*names, "action", "grace"),
        "/ui/events": ("kind", "before"),
        "/ui/suppressed": ("address", "domain", "stream", "source", "after"),
        "/ui/policies": ("base", "window", "first", "factor", "cap", "delays", "max_attempts"),
        "/ui/find": ("q",),
    }
    for path, fields in asked.items():
        for name in fields:
            more = {"action": "hold"} if path == "/ui/act" and name != "action" else {}
            answer = http.get(path, params={name: value, **more})
            assert answer.status_code < 500, (path, name, answer.text)
