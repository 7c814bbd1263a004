"""*Now* and *Sites* show what strangers wrote as text, cost the same whatever waits, and tell a full disk. Issue 15."""

from __future__ import annotations

import time

import httpx
import pytest
from redis import Redis
from screens import Screen

from softbounce.client.now.look import LANES
from softbounce.envelope import Attempt, Body, Envelope, Record, State
from softbounce.ids import envelope_id, new_message_id
from softbounce.store.lanes import LaneState, save_lanes
from softbounce.store.shards import Shards

HOSTILE = '550 <img src=x onerror="alert(1)">'
MANY = 3 * LANES


def fill(screen: Screen) -> None:
    """Many lanes that closed, with one envelope each."""
    now_ms = time.time_ns() // 1_000_000
    state = LaneState(
        closed_until_ms=now_ms + 300_000, failures=2, code=550, text=HOSTILE, stage="rcpt", host="mx.test"
    )
    names = [f"s{number}.test~{number:016x}" for number in range(MANY)]
    store = Shards(screen.service.url)
    try:
        store.run(save_lanes("nobody", dict.fromkeys(names, state), keep_events=1000))
    finally:
        store.close()
    attempt = Attempt(number=1, started_ms=now_ms, ended_ms=now_ms, stage="rcpt", verdict="soft", text=HOSTILE)
    records: dict[bytes, bytes] = {}
    for lane in names:
        record = Record(id=envelope_id(new_message_id(0), 0), state=State.READY, created_ms=now_ms, lane=lane)
        record.envelope = Envelope(
            sender="a@shop.test",
            recipient="r@x.test",
            domain="x.test",
            key="k",
            body=Body(octets=1),
            attempts=[attempt],
        )
        records[record.id] = record.pack()
    with Redis(unix_socket_path=screen.service.url.removeprefix("unix://")) as server:
        server.hset("sb:{0}:e", mapping=records)  # type: ignore[arg-type]  # octets, as all that is stored
        server.zadd("sb:{0}:exp", dict.fromkeys(records, float(now_ms)))


@pytest.fixture(scope="module")
def filled(screen: Screen) -> Screen:
    """The service with them."""
    fill(screen)
    return screen


def test_issue15_now_and_sites_show_hostile_words_as_text(filled: Screen, http: httpx.Client) -> None:
    """A reply with a tag in it is escaped on each page; a site that was not looked at is found by its name."""
    del filled
    for path in ("/ui", "/ui/sites", f"/ui/sites/s{MANY - 1}.test"):
        page = http.get(path)
        assert page.status_code == 200, page.text
        assert "&lt;img src=x" in page.text
        assert "<img" not in page.text


def test_issue15_a_look_is_bounded_and_says_what_it_left_out(filled: Screen, http: httpx.Client) -> None:
    """More lanes and envelopes than it reads: counts by state are exact, and the rest is said to be an estimate."""
    del filled
    now = http.get("/api/v1/now").json()
    assert now["is_estimate"]
    assert sum(number for state, number in now["states"].items() if state != "ended") == MANY
    assert {one["kind"] for one in now["findings"][:2]} == {"no_worker", "no_scheduler"}
    assert len(now["findings"]) <= 40
    assert now["more"] > LANES
    sites = http.get("/api/v1/sites", params={"limit": 10}).json()
    assert len(sites["sites"]) == 10
    assert LANES - 10 < sites["more"] < MANY
