"""Acts over HTTP: by id, and by filter with preview, progress, undo and the list of who did what."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import httpx
from calling import calling
from service import Service, until

if TYPE_CHECKING:
    from conftest import StartService

MESSAGES = "/api/v1/messages"
ACTIONS = "/api/v1/actions"


def send(http: httpx.Client, number: int, domain: str = "example.net") -> list[str]:
    """So many envelopes."""
    batch = [{"from": "a@shop.example", "to": [f"r{one}@{domain}"], "text": "hi"} for one in range(number)]
    answer = http.post(f"{MESSAGES}/batch", json=batch).json()
    return [one for receipt in answer for one in receipt["envelopes"].values()]


def begun(http: httpx.Client, **asked: Any) -> str:  # noqa: ANN401 - JSON
    """Preview it and have it done: where it is."""
    preview = http.post(ACTIONS, json=asked).json()
    started = http.post(ACTIONS, json={"token": preview["token"]})
    assert started.status_code == 202
    return f"{ACTIONS}/{started.json()['id']}"


def states(http: httpx.Client) -> dict[str, int]:
    """How many envelopes are in which state, of those that have some."""
    found: dict[str, int] = http.get("/api/v1/queue").json()["states"]
    return {state: number for state, number in found.items() if number}


def test_issue14_an_envelope_is_bounced_and_sent_again(http: httpx.Client) -> None:
    """The answers of both, the links, and what stands in the way, as problems."""
    one, two = send(http, 2)
    place = f"/api/v1/envelopes/{one}"
    assert http.post(f"{place}/resend").json() == {"id": one, "answer": "not_ended", "envelope": None}
    bounced = http.post(f"{place}/bounce", params={"reason": "the list was stolen"})
    assert bounced.json() == {"id": one, "answer": "bounced"}
    shown = http.get(place).json()
    assert (shown["state"], shown["bounce"]["cause"]) == ("bounced", "operator")
    gone = http.post(f"{place}/resend")  # no scheduler runs here, so nothing was kept
    assert (gone.status_code, gone.headers["content-type"]) == (409, "application/problem+json")
    assert "no longer stored" in gone.json()["detail"]
    assert http.post(f"/api/v1/envelopes/{two}/bounce", params={"reason": "x" * 201}).status_code == 400
    assert http.post(f"/api/v1/envelopes/{two}/resend", params={"force": "perhaps"}).json()["field"] == "force"


def test_issue14_who_acted_on_one_thing_is_listed(http: httpx.Client) -> None:
    """Of an envelope, an address, a list of them; the latest first, without what was refused."""
    (one,) = send(http, 1)
    assert http.post(f"/api/v1/envelopes/{one}/hold").json()["answer"] == "held"
    assert http.post(f"/api/v1/envelopes/{one}/release", params={"past_gate": "true"}).json()["answer"] == "released"
    assert http.post(f"/api/v1/envelopes/{one}/bounce", params={"reason": "x" * 201}).status_code == 400
    both = [{"address": "a@b.test", "reason": "asked us"}, {"address": "c@d.test"}]
    assert http.post("/api/v1/suppressions", json=both).json() == {"added": 2, "replaced": 0}
    assert http.post("/api/v1/suppressions", json=[]).status_code == 200
    assert http.delete("/api/v1/suppressions", params={"address": "a@b.test"}).json() == {"removed": 1}
    assert http.delete("/api/v1/suppressions", params={"address": "a@b.test"}).status_code == 404
    found = http.get(ACTIONS, params={"limit": 4}).json()["actions"]
    told = {one["action"]: (one["filter"], one["answers"], one["detail"], one["by"]) for one in found}
    nobody = "HTTP without a token"
    assert told == {
        "unsuppress": ({"address": "a@b.test"}, {"removed": 1}, "", nobody),
        "suppress": ({"address": "a@b.test and 1 more"}, {"added": 2, "replaced": 0}, "", nobody),
        "release": ({"id": one}, {"released": 1}, "past the staging gate", nobody),
        "hold": ({"id": one}, {"held": 1}, "", nobody),
    }
    single = http.get(f"{ACTIONS}/{found[-1]['id']}").json()
    assert (single["action"], single["can_undo"]) == ("hold", False)
    refused = http.post(f"{ACTIONS}/{single['id']}/undo")
    assert (refused.status_code, "to one thing alone" in refused.json()["detail"]) == (409, True)


def test_issue14_an_action_waits_and_is_undone(http: httpx.Client) -> None:
    """A preview says what will happen; a cancel holds at once; undone in its grace all goes on; and it is listed."""
    send(http, 12)
    send(http, 3, "other.test")
    asked = {"action": "cancel", "filter": {"domain": "example.net"}, "arguments": {"grace": "1h"}}
    preview = http.post(ACTIONS, json=asked).json()
    assert (preview["count"], len(preview["sample"])) == (12, 10)
    assert preview["effect"].startswith("They are held at once and cancelled after 1 h")
    place = begun(http, **asked)
    until(lambda: states(http) == {"held": 12, "scheduled": 3}, 10, "they are held")
    waiting = http.get(place).json()
    assert (waiting["state"], waiting["count"], waiting["can_undo"]) == ("waiting", 12, True)
    assert http.post(f"{place}/undo").status_code == 202
    until(lambda: http.get(place).json()["state"] == "undone", 10, "it is undone")
    assert states(http) == {"scheduled": 15}
    assert http.post(f"{place}/undo").json()["state"] == "undone"
    listed = http.get(ACTIONS).json()["actions"]
    assert [(one["action"], one["state"], one["released"]) for one in listed] == [("cancel", "undone", 12)]


def test_issue14_the_same_token_begins_one_action_at_any_gateway(start: StartService, port: int) -> None:
    """Also at one that began anew since the preview."""
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    with calling(port) as http:
        send(http, 5)
        token = http.post(ACTIONS, json={"action": "retry", "filter": {"domain": "*"}}).json()["token"]
        first = http.post(ACTIONS, json={"token": token}).json()["id"]
    for gateway in service.pids("softbounce_gateway.http"):
        os.kill(gateway, signal.SIGKILL)

    def answers() -> bool:
        try:
            with calling(port) as http:
                return http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    until(answers, 20, "the gateway is there again")
    with calling(port) as http:
        assert http.post(ACTIONS, json={"token": token}).json()["id"] == first
        until(lambda: http.get(f"{ACTIONS}/{first}").json()["state"] == "done", 30, "it ends")
        assert len(http.get(ACTIONS).json()["actions"]) == 1


def test_issue14_what_cannot_be_asked_of_an_action(http: httpx.Client) -> None:
    """Each by its field; what cannot be undone is 409, what is not there 404."""
    send(http, 1)
    for wrong, field in (
        ({"action": "delete"}, "action"),
        ({}, "action"),
        ({"action": "hold", "arguments": {"moon": "full"}}, "arguments"),
        ({"action": "hold", "arguments": {"grace": "1h"}}, "grace"),
        ({"action": "cancel", "arguments": {"grace": "soon"}}, "grace"),
        ({"action": "cancel", "arguments": {"grace": True}}, "grace"),
        ({"action": "bounce", "arguments": {"reason": "a\nb"}}, "reason"),
        ({"action": "cancel", "filter": {"domain": "x" * 700}}, "domain"),
        ({"token": "AAAA"}, "token"),
        ({"token": "é"}, "token"),
    ):
        answer = http.post(ACTIONS, json=wrong)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
    place = begun(http, action="retry", filter={"domain": "example.net"})
    until(lambda: http.get(place).json()["state"] == "done", 10, "it ends")
    assert http.post(f"{place}/undo").status_code == 409
    assert http.post(f"{ACTIONS}/0000/undo").status_code == 404
    assert http.get(f"{ACTIONS}/{'0' * 16}").status_code == 404


def test_issue14_who_did_it_is_the_token(service: Service, http: httpx.Client) -> None:
    """Its name stands with the action, and in the words of a bounce; reading the list needs no more than reading."""
    (one, *_) = send(http, 3)
    ann, bob = (
        service.cli("token", "new", "--name", name, "--scope", scope).stdout.decode().split()[-1]
        for name, scope in (("ann", "operate"), ("bob", "read"))
    )
    until(lambda: http.get("/api/v1/queue").status_code == 401, 10, "a token is needed")
    http.headers["Authorization"] = f"Bearer {ann}"
    place = begun(http, action="bounce", filter={"recipient": "r0@*"}, arguments={"grace": "0s", "reason": "stolen"})
    until(lambda: http.get(place).json()["state"] == "done", 10, "it ends")
    http.headers["Authorization"] = f"Bearer {bob}"
    (listed,) = (one for one in http.get(ACTIONS).json()["actions"] if one["by"] == "ann")  # two tokens were made, too
    assert (listed["by"], listed["reason"], listed["answers"]) == ("ann", "stolen", {"bounced": 1})
    assert http.post(f"{place}/undo").status_code == 403
    events = http.get("/api/v1/events", params={"kind": "bounced"}).json()["events"]
    assert [(event["id"], event["why"]) for event in events] == [(one, "ann ended it: stolen")]


def test_issue15_2_terms_by_hand_over_http(http: httpx.Client) -> None:
    """Of one, with who did it; previewed for many with what ends; and what there is not is named."""
    one, two = send(http, 2, "terms.test")
    place = f"/api/v1/envelopes/{one}"
    changed = http.post(f"{place}/change", params={"window": "2d"})
    assert changed.json() == {"id": one, "answer": "changed"}
    assert http.get(place).json()["set_window"] == "2d"
    (noted,) = http.get(ACTIONS, params={"limit": 1}).json()["actions"]
    assert (noted["action"], noted["filter"], noted["detail"]) == ("change", {"id": one}, "window 2d")
    for path, query, field, words in (
        ("change", {"policy": "fast"}, "policy", "none that is published"),
        ("change", {}, "policy", "is missing"),
        ("change", {"window": "soon"}, "window", "a duration is a number"),
        ("redirect", {"route": "backup"}, "route", "no route has a name"),
        ("redirect", {}, "route", "is no name"),
    ):
        refused = http.post(f"{place}/{path}", params=query)
        assert (refused.status_code, refused.json()["field"], words in refused.json()["detail"]) == (400, field, True)
    asked = {"action": "change", "filter": {"domain": "terms.test"}, "arguments": {"window": "1ms", "grace": "1h"}}
    preview = http.post(ACTIONS, json=asked).json()
    assert (preview["count"], preview["ends"], len(preview["sample"])) == (2, 2, 2)
    assert "held at once, bounced (promoted) after 1 h" in preview["effect"]
    place = f"{ACTIONS}/{http.post(ACTIONS, json={'token': preview['token']}).json()['id']}"
    until(lambda: http.get(f"/api/v1/envelopes/{two}").json()["state"] == "held", 10, "what ends by it is held")
    assert http.get(place).json()["chosen"] == {"window": "1ms"}
    http.post(f"{place}/undo")
    until(lambda: http.get(f"/api/v1/envelopes/{two}").json()["state"] == "scheduled", 10, "it goes on")
    later = {"action": "hold", "filter": {"domain": "terms.test"}}
    preview = http.post(ACTIONS, json=later).json()
    (three,) = send(http, 1, "terms.test")
    place = f"{ACTIONS}/{http.post(ACTIONS, json={'token': preview['token']}).json()['id']}"
    until(lambda: http.get(place).json()["state"] == "done", 10, "it is done")
    assert (preview["count"], http.get(place).json()["answers"]) == (2, {"held": 2})
    assert http.get(f"/api/v1/envelopes/{three}").json()["state"] == "scheduled", "nobody saw it in the preview"
    wrong = http.post(ACTIONS, json={**asked, "arguments": {"route": "backup"}})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "route")
