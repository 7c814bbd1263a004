"""Asking what became of mail, and acting on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from calling import MESSAGES, calling, part
from service import Service, until

if TYPE_CHECKING:
    from conftest import StartService


def test_issue14_an_envelope_is_shown_explained_and_acted_on(http: httpx.Client) -> None:
    """One envelope: as `show` and `explain` tell it, and what each act answers; one that is none is 404."""
    (identity,) = http.post(MESSAGES, json=part(at="2035-01-31T08:00:00Z")).json()["envelopes"].values()
    path = f"/api/v1/envelopes/{identity}"
    shown = http.get(path).json()
    assert (shown["id"], shown["state"], shown["recipient"]) == (identity, "scheduled", "a@example.net")
    assert "2035" in http.get(f"{path}/explanation").json()["explanation"]
    assert http.get(f"{path}/transcript").json() == {"id": identity, "attempts": []}
    answers = [http.post(f"{path}/{act}").json()["answer"] for act in ("hold", "release", "retry", "cancel", "cancel")]
    assert answers == ["held", "released", "scheduled", "cancelled", "cancelled"]
    ended = http.post(f"{path}/retry")
    assert (ended.status_code, ended.headers["content-type"]) == (409, "application/problem+json")
    for wrong in ("nothing", identity[:-1] + "z", "%00", "a" * 5000):
        assert http.get(f"/api/v1/envelopes/{wrong}").status_code == 404
    assert http.get(path, params={"colour": "red"}).json()["field"] == "colour"


def test_issue14_1_a_service_for_the_world_has_no_inbox(http: httpx.Client) -> None:
    """Only a playground keeps copies of mail."""
    assert http.post(MESSAGES, json=part()).status_code == 202
    assert [http.get(path).status_code for path in ("/dev", "/dev/messages")] == [404, 404]
    assert http.get("/").headers["location"] == "/ui"


def test_issue14_6_tags_and_metadata_over_http(http: httpx.Client) -> None:
    """Given with parts or as query parameters, they are shown, told by events, and found by."""
    said = part(key="1", tags=["eu", "a=b"], metadata={"order": "10=42"})
    (first,) = http.post(MESSAGES, json=said).json()["envelopes"].values()
    raw = {"content": b"Subject: x\r\n\r\nx\r\n", "headers": {"Content-Type": "message/rfc822"}}
    query = {"from": "app@shop.test", "to": "b@example.net", "tag": ["us", "new"], "meta": ["order=7", "x=a=b"]}
    (second,) = http.post(MESSAGES, params=query, **raw).json()["envelopes"].values()
    shown = [http.get(f"/api/v1/envelopes/{one}").json() for one in (first, second)]
    assert [one["tags"] for one in shown] == [["eu", "a=b"], ["us", "new"]]
    assert [one["metadata"] for one in shown] == [{"order": "10=42"}, {"order": "7", "x": "a=b"}]
    events = http.get("/api/v1/events").json()["events"]
    assert [(one["tags"], one["metadata"]) for one in events] == [(one["tags"], one["metadata"]) for one in shown]
    for filters, found in (
        ({"tag": "eu"}, first),
        ({"meta": ["order=7", "x=a*"]}, second),
        ({"recipient": "b@*"}, second),
    ):
        page = http.get("/api/v1/envelopes", params=filters).json()["envelopes"]
        assert [one["id"] for one in page] == [found]
        preview = http.post("/api/v1/actions", json={"action": "hold", "filter": filters}).json()
        assert (preview["count"], preview["sample"][0]["id"]) == (1, found)
    for wrong in ("order", "=7", ["a=1", "a=2"]):
        assert http.get("/api/v1/queue", params={"meta": wrong}).json()["field"] == "meta"


def test_issue14_envelopes_and_counts_by_filter(http: httpx.Client) -> None:
    """Pages of what fits, each envelope once; counts, lanes and a lane."""
    batch = [part(to=[f"a{n}@d{n % 2}.example"], stream="otp" if n < 30 else "", key=str(n)) for n in range(50)]
    assert http.post(f"{MESSAGES}/batch", json=batch).status_code == 202
    seen: list[str] = []
    after: str | None = None
    while True:
        query: dict[str, Any] = {"stream": "otp", "limit": 10, **({} if after is None else {"after": after})}
        page = http.get("/api/v1/envelopes", params=query).json()
        seen += [one["recipient"] for one in page["envelopes"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(f"a{n}@d{n % 2}.example" for n in range(30))
    assert http.get("/api/v1/queue", params={"domain": "d1.*"}).json()["total"] == 25
    assert http.get("/api/v1/queue", params={"younger": "1h"}).json()["total"] == 50
    assert http.get("/api/v1/queue", params={"older": "1h"}).json()["total"] == 0
    assert http.get("/api/v1/envelopes", params={"reply": "451"}).json()["envelopes"] == []
    assert http.get("/api/v1/queue", params={"state": "lost"}).json()["field"] == "state"
    assert http.get("/api/v1/queue", params={"older": "2 hours"}).json()["field"] == "older"
    lanes = http.get("/api/v1/lanes").json()["lanes"]
    assert {one["lane"] for one in lanes} == {"?d0.example", "?d1.example"}
    assert http.get("/api/v1/lanes/%3Fd0.example").json()["envelopes"] == {"scheduled": 25}
    assert http.get("/api/v1/lanes/none").status_code == 404
    assert http.get("/api/v1/envelopes", params={"limit": "0"}).json()["field"] == "limit"
    assert http.get("/api/v1/envelopes", params=[("limit", "1"), ("limit", "2")]).json()["field"] == "limit"


def test_issue14_an_action_is_previewed_then_done(http: httpx.Client) -> None:
    """The preview changes nothing and has a token; with that it is done, and progress says to how many."""
    batch = [part(to=[f"a{n}@d{n % 2}.example"], key=str(n)) for n in range(20)]
    http.post(f"{MESSAGES}/batch", json=batch)
    asked = {"action": "cancel", "filter": {"domain": "d1.example", "younger": "1h"}}
    preview = http.post("/api/v1/actions", json=asked).json()
    assert preview["count"] == 10
    assert {one["recipient"].partition("@")[2] for one in preview["sample"]} == {"d1.example"}
    assert http.get("/api/v1/queue", params={"state": "cancelled"}).json()["total"] == 0
    forged = http.post("/api/v1/actions", json={"token": preview["token"][:-4] + "AAAA"})
    assert (forged.status_code, forged.json()["field"]) == (400, "token")
    started = http.post("/api/v1/actions", json={"token": preview["token"]})
    assert started.status_code == 202
    place = f"/api/v1/actions/{started.json()['id']}"
    until(lambda: http.get(place).json()["state"] == "done", 10, "the action ends")
    assert http.get(place).json()["answers"] == {"cancelled": 10}
    assert http.get("/api/v1/queue", params={"state": "cancelled"}).json()["total"] == 10


def test_issue15_2_a_hold_stands_over_http(http: httpx.Client) -> None:
    """Begun, listed, ended; what cannot be so is named; the list of acts has both."""
    asked = {"of": "sender", "value": "Shop.example", "reason": "DMARC", "for": "2h"}
    hold = http.post("/api/v1/holds", json=asked).json()
    assert (hold["hold"], hold["reason"], hold["until"] is None) == ("sender:shop.example", "DMARC", False)
    assert http.get("/api/v1/holds").json() == {"holds": [hold]}
    for wrong, field in (
        ({"for": "2 hours"}, "for"),
        ({"until": "2031-01-01T00:00:00Z"}, "for"),
        ({"of": "lane"}, "of"),
    ):
        refused = http.post("/api/v1/holds", json={**asked, **wrong})
        assert refused.is_client_error
        assert refused.json()["field"] == field
    assert http.delete("/api/v1/holds", params={"hold": "sender:shop.example"}).json() == hold
    assert http.delete("/api/v1/holds", params={"hold": "sender:shop.example"}).status_code == 404
    assert http.get("/api/v1/holds").json() == {"holds": []}
    acts = http.get("/api/v1/actions").json()["actions"]
    assert {one["state"] for one in acts} == {"done"}
    assert [(one["action"], one["filter"], one["can_undo"]) for one in acts[:2]] == [
        ("end_hold", {"held": "sender:shop.example"}, False),
        ("add_hold", {"held": "sender:shop.example"}, False),
    ]


def test_issue14_plan_and_classify(http: httpx.Client) -> None:
    """As the commands tell it."""
    plan = http.get("/api/v1/plan", params={"to": "a@example.net"}).json()
    assert plan["attempts"][1]["offset_ms"] == 330_000  # five minutes, and the jitter of a tenth
    assert http.get("/api/v1/plan", params={"to": "nobody"}).json()["field"] == "to"
    replies = [{"id": 7, "reply": "550 5.1.1 User unknown", "stage": "rcpt"}]
    (judged,) = http.post("/api/v1/classify", json=replies).json()
    assert (judged["id"], judged["retry"], judged["dead_address"]) == (7, False, True)
    assert http.post("/api/v1/classify", json=replies[0]).json() == judged
    assert http.post("/api/v1/classify", json=[{"reply": "550 x", "stage": "lunch"}]).json()["field"] == "body"


def test_issue13_9_a_plan_knows_the_quiet_hours_of_a_tenant(start: StartService, port: int) -> None:
    """As the command does: both are one function."""
    hour = datetime.now(UTC).hour
    begin, end = f"{(hour - 2) % 24:02}:00", f"{(hour + 4) % 24:02}:00"
    quiet = f'[[quiet]]\ntenant = "acme"\nfrom = "{begin}"\nto = "{end}"\nzone = "UTC"\n'
    start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n{quiet}', "store", "gateway")
    with calling(port) as http:
        plans = [http.get("/api/v1/plan", params={"tenant": tenant}).json() for tenant in ("acme", "other")]
    assert [plan["attempts"][0]["offset_ms"] > 0 for plan in plans] == [True, False]


def test_issue14_events_by_page_and_by_stream(http: httpx.Client, service: Service, port: int) -> None:
    """Pages go on from `next`; a stream that was cut goes on behind Last-Event-ID, and nothing comes twice or never."""
    for number in range(30):
        http.post(MESSAGES, json=part(to=[f"a{number}@example.net"]))
    seen: list[str] = []
    after: str | None = None
    while True:
        query: dict[str, Any] = {"limit": 7, **({} if after is None else {"after": after})}
        page = http.get("/api/v1/events", params=query).json()
        if not page["events"]:
            break
        seen += [one["recipient"] for one in page["events"]]
        after = page["next"]
    assert seen == [f"a{number}@example.net" for number in range(30)]
    assert http.get("/api/v1/events", params={"kind": "delivered"}).json()["events"] == []
    names = [http.get("/api/v1/events", params={"kind": kind}).json() for kind in ("accepted", "envelope.accepted")]
    assert names[0]["events"] == names[1]["events"] != []
    for place in ("/api/v1/events", "/api/v1/events/stream"):
        misspelt = http.get(place, params={"kind": ["delivered", "delivred"]})
        assert (misspelt.status_code, misspelt.json()["field"]) == (400, "kind")
        assert "'delivred' is no kind of event" in misspelt.json()["detail"]
    assert http.get("/api/v1/events", params={"after": "nonsense"}).json()["field"] == "after"
    streamed: list[str] = []
    last: str | None = None
    while len(streamed) < 30:
        headers = {} if last is None else {"Last-Event-ID": last}
        with calling(port) as other, other.stream("GET", "/api/v1/events/stream", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            taken = 0
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    last = line.removeprefix("id: ")
                if line.startswith("data: "):
                    streamed.append(json.loads(line.removeprefix("data: "))["recipient"])
                    taken += 1
                    if taken == 10:
                        break
    assert streamed == seen
    assert service.stop() == 0


def test_issue14_a_stream_says_what_was_lost(start: StartService, port: int) -> None:
    """Behind what was trimmed an event of its own says so, and the stream goes on from there; a page is 410."""
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    with calling(port) as http:
        http.post(MESSAGES, json=part())
        first = http.get("/api/v1/events").json()["next"]
        for number in range(5):
            http.post(MESSAGES, json=part(to=[f"a{number}@example.net"]))
        from redis import Redis  # noqa: PLC0415 - here only

        with Redis(unix_socket_path=str(service.folder / "var/store.sock")) as store:
            store.xtrim("sb:{0}:events", maxlen=2, approximate=False)
        gone = http.get("/api/v1/events", params={"after": first})
        assert gone.status_code == 410
        assert gone.json()["resume_after"]
        words: list[str] = []
        with http.stream("GET", "/api/v1/events/stream", headers={"Last-Event-ID": first}) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    words.append(line.removeprefix("event: "))
                    if len(words) == 3:
                        break
        assert words == ["events_lost", "accepted", "accepted"]
