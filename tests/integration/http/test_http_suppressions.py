"""Who gets no mail, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from calling import MESSAGES, part

PATH = "/api/v1/suppressions"
CSV = {"Content-Type": "text/csv"}


def listed(http: httpx.Client, **query: str) -> dict[str, Any]:
    """The suppressions, by address."""
    found = http.get(PATH, params={"limit": 1000, **query}).json()
    return {one["address"]: one for one in found["suppressions"]}


def test_issue14_10_one_is_added_shown_and_taken_off(http: httpx.Client) -> None:
    """With who said so, for what, and until when; a send to it says that it went nowhere."""
    said = {"address": "Joe@Example.com", "stream": "news", "reason": "asked for it", "expires": "30d"}
    assert http.post(PATH, json=said).json() == {"added": 1, "replaced": 0}
    assert http.post(PATH, json=said).json() == {"added": 0, "replaced": 1}
    one = listed(http)["joe@example.com"]
    assert (one["scope"], one["stream"], one["tenant"], one["source"]) == ("address", "news", None, "operator")
    assert (one["reason"], one["expires_at"] > one["since"]) == ("asked for it", True)
    answer = http.post(MESSAGES, json=part(to=["JOE@example.com", "ann@example.com"], stream="news")).json()
    assert list(answer["suppressed"]) == ["JOE@example.com"]
    shown = http.get(f"/api/v1/envelopes/{answer['envelopes']['JOE@example.com']}").json()
    assert (shown["state"], shown["bounce"]["cause"]) == ("bounced", "suppressed")
    kinds = [event["kind"] for event in http.get("/api/v1/events").json()["events"] if event["id"] == shown["id"]]
    assert kinds == ["accepted", "suppressed", "bounced"]
    assert http.delete(PATH, params={"address": "joe@example.com", "stream": "other"}).status_code == 404
    assert http.delete(PATH, params={"address": "joe@EXAMPLE.com"}).json() == {"removed": 1}
    gone = http.delete(PATH, params={"address": "joe@example.com"})
    assert (gone.status_code, gone.json()["field"]) == (404, "address")
    assert "suppressed" in gone.json()["detail"]
    assert http.post(MESSAGES, json=part(to=["joe@example.com"], stream="news")).json()["suppressed"] == {}


def test_issue14_10_what_is_forced_goes_past_a_verdict_and_past_no_person(http: httpx.Client) -> None:
    """In parts, and as octets."""
    http.post(PATH, json=[{"address": "a@v.test", "source": "verdict"}, {"address": "a@o.test"}])
    for to, stopped in (("a@v.test", False), ("a@o.test", True)):
        assert bool(http.post(MESSAGES, json=part(to=[to], force=True)).json()["suppressed"]) == stopped
        octets = {"content": b"Subject: x\r\n\r\nx\r\n", "headers": {"Content-Type": "message/rfc822"}}
        query = {"from": "app@shop.test", "to": to}
        assert http.post(MESSAGES, params=query, **octets).json()["suppressed"]
        assert bool(http.post(MESSAGES, params=query | {"force": "true"}, **octets).json()["suppressed"]) == stopped


def test_issue14_10_a_list_comes_and_goes_as_csv(http: httpx.Client) -> None:
    """What was got is put back as it was, in pages or as a whole."""
    lines = [f"user{number}@list.test,news,moved" for number in range(2500)]
    text = "\n".join(["email,stream,reason", *lines, "@gone.test,,"])
    assert http.post(PATH, content=text.encode(), headers=CSV).json() == {"added": 2501, "replaced": 0}
    seen: list[str] = []
    after = None
    while True:
        page = http.get(PATH, params={"limit": 100} | ({"after": after} if after else {})).json()
        seen += [one["address"] for one in page["suppressions"]]
        assert len(page["suppressions"]) <= 100
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 2501
    whole = http.get(PATH, headers={"Accept": "text/csv"})
    assert whole.headers["content-type"].startswith("text/csv")
    assert len(whole.text.splitlines()) == 2502
    assert http.post(PATH, content=whole.content, headers=CSV).json() == {"added": 0, "replaced": 2501}
    assert listed(http, domain="gone.*").keys() == {"@gone.test"}
    assert listed(http, address="user7@list.test")["user7@list.test"]["source"] == "import"
    assert listed(http, source="verdict") == {}


@pytest.mark.parametrize("query", [{}, {"address": "many@x.test"}, {"domain": "x.test"}])
def test_issue14_10_a_page_has_no_more_than_its_limit(http: httpx.Client, query: dict[str, str]) -> None:
    """Also of one address that is suppressed for many streams: each is on one page, once."""
    streams = [f"s{number}" for number in range(7)]
    http.post(PATH, json=[{"address": "many@x.test", "stream": one} for one in streams])
    http.post(PATH, json=[{"address": "a@y.test"}, {"address": "\u00fc@y.test"}])
    seen: list[tuple[str, str]] = []
    after = ""
    while True:
        page = http.get(PATH, params={"limit": 2, "after": after} | query).json()
        assert len(page["suppressions"]) <= 2
        seen += [(one["address"], one["stream"]) for one in page["suppressions"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == (7 if query else 9)
    assert http.get(PATH, params={"after": "0.0.!.1"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "field", "detail"),
    [
        ({}, 400, "address", "missing"),
        ({"address": "nobody"}, 422, "address", "has no @; nothing was added"),
        ([{"address": "a@b.test"}, {"address": "x@@y"}], 422, "address", "nothing was added"),
        ({"address": "a@b.test", "expires": "soon"}, 422, "expires", "soon"),
        ({"address": "a@b.test", "expires": "1d", "expires_at": "2030-01-01T00:00:00Z"}, 422, "expires", "expires_at"),
        ({"address": "a@b.test", "expires_at": "2001-01-01T00:00:00Z"}, 422, "expires", "over already"),
        ({"address": "a@b.test", "stream": "x" * 65}, 422, "stream", "up to 64"),
        ({"address": "a@b.test", "source": "me"}, 400, "source", "me"),
        ({"address": "a@b.test", "colour": "red"}, 400, "colour", "colour"),
    ],
)
def test_issue14_10_what_cannot_be_suppressed_is_told(
    http: httpx.Client, body: object, status: int, field: str, detail: str
) -> None:
    """With the field, and nothing is added."""
    answer = http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert detail in answer.json()["detail"]
    assert listed(http) == {}


def test_issue14_10_a_list_with_times_that_cannot_be_read_is_added(http: httpx.Client) -> None:
    """The answer tells of them, the first ten; where there is none it has no such member."""
    text = "address,since\n" + "".join(f"u{number}@list.test,01/02/2026\n" for number in range(12))
    answer = http.post(PATH, content=text.encode(), headers=CSV)
    assert (answer.status_code, answer.json()["added"]) == (200, 12)
    told = answer.json()["unread"]
    assert told[0].startswith("line 2: since: '01/02/2026' is no time")
    assert (len(told), told[-1]) == (11, "and 2 more")
    assert len(listed(http)) == 12


def test_issue14_10_a_bad_list_adds_nobody_and_names_its_lines(http: httpx.Client) -> None:
    """The first ten of them."""
    text = "address\n" + "ok@list.test\n" + "bad\n" * 12
    answer = http.post(PATH, content=text.encode(), headers=CSV)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("line 3: address: has no @; line 4: ")
    assert "and 2 more; nothing was added" in answer.json()["detail"]
    assert http.post(PATH, content=b"a@b.test\n", headers=CSV).json()["detail"].startswith("line 1: ")
    assert http.post(PATH, content=b"<x/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert http.get(PATH, params={"after": "nonsense"}).json()["field"] == "after"
    assert http.get(PATH, params={"source": "nonsense"}, headers={"Accept": "text/csv"}).status_code == 400
    assert http.delete(PATH).json()["field"] == "address"
    assert http.delete(PATH, params={"address": "nobody"}).json()["field"] == "address"
    assert listed(http) == {}
