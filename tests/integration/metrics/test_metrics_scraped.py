"""How `/metrics` is asked for, by whom, and what it says of a store that holds nonsense, or is away."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import redis
from calling import calling
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from service import Service, until

from softbounce.store.keys import HOME, key
from softbounce.store.shards import Shards
from softbounce.store.webhooks import Receiver, hold_receiver

if TYPE_CHECKING:
    from conftest import StartService

PLAIN, OPEN = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
AS_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.25,*/*;q=0.1"
)
ACCEPTS = {
    "": PLAIN,
    "*/*": PLAIN,
    "text/html": PLAIN,
    "text/plain;version=1.0.0;escaping=allow-utf-8": PLAIN,
    "nonsense;q=high": PLAIN,
    "application/openmetrics-text; version=99": OPEN,
    AS_PROMETHEUS: OPEN,
}
NONSENSE = {"accepted|http": "-5", "accepted|smtp": "nan", "accepted|lmtp": "9" * 40, "accepted|new": "7", "ended": "x"}


def asked(http: httpx.Client, accept: str = "*/*") -> dict[str, float]:
    """The samples of a scrape without labels, once the last reading is old."""
    time.sleep(1.05)
    text = http.get("/metrics", headers={"Accept": accept}).text
    read: Any = read_openmetrics if accept == AS_PROMETHEUS else text_string_to_metric_families
    return {sample.name: sample.value for family in read(text) for sample in family.samples if not sample.labels}


def scripts_run(store: Any) -> int:  # noqa: ANN401 - redis' answers have many types
    """How often a counter was read of the store."""
    return int(store.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"])


def test_issue15_a_scrape_whatever_asks_and_whatever_is_stored(start: StartService, port: int) -> None:
    """Formats, HEAD, a crowd, hostile values, keys of other types, tokens: each scrape is whole, or refused."""
    service: Service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    store = redis.Redis.from_url(service.url)
    with calling(port) as http:
        for accept, kind in ACCEPTS.items():
            answer = http.get("/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
            assert "content-encoding" not in answer.headers
            assert answer.text.endswith("# EOF\n") == (kind == OPEN)
        head = http.head("/metrics")
        assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", PLAIN)
        assert http.post("/metrics").status_code == 405
        assert http.get("/metrics", headers={"Origin": "http://other.example"}).status_code == 403

        own = Shards(service.url)
        for name, lease_ms in (("told", 60_000), ("taken-out", 1)):
            noted = Receiver(cursor="0-0", waiting_ms=1, noted_ms=1)
            own.run(hold_receiver(name, bytes(8), lease_ms=lease_ms, receiver=noted))
        own.close()
        time.sleep(1.05)
        text = http.get("/metrics").text
        assert 'softbounce_webhook_lag_seconds{endpoint="told"}' in text
        assert "taken-out" not in text

        before = scripts_run(store)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: http.get("/metrics").status_code, range(64)))
        assert set(answers) == {200}
        assert scripts_run(store) - before < 64

        store.hset(key(HOME, "metrics"), mapping=NONSENSE)
        for wrong in ("sessions", "closed", "owner"):
            store.set(key(HOME, wrong), "a string")
        for accept in ("*/*", AS_PROMETHEUS):
            seen = asked(http, accept)
            assert seen["softbounce_store_up"] == 1
            assert seen["softbounce_sessions"] == 0
            assert min(seen.values()) >= 0
        text = http.get("/metrics").text
        for way in ("http", "smtp", "lmtp"):
            assert f'softbounce_accepted_total{{way="{way}"}} 0.0' in text
        assert "new" not in {value for line in text.splitlines() for value in line.split('"')[1::2]}
        store.set(key(HOME, "metrics"), "a string")
        assert asked(http)["softbounce_store_up"] == 1

        send, read = (
            service.cli("token", "new", "--scope", scope).stdout.split()[-1].decode() for scope in ("send", "read")
        )
        until(lambda: http.get("/metrics").status_code == 401, 20, "a token is asked for")
        assert http.get("/metrics", headers={"Authorization": "Bearer nonsense"}).status_code == 401
        for token, status in ((send, 403), (read, 200)):
            with calling(port, token) as let_in:
                assert let_in.get("/metrics").status_code == let_in.head("/metrics").status_code == status


def test_issue15_3_a_store_that_hangs_is_told_of_before_a_scrape_gives_up(start: StartService, port: int) -> None:
    """It takes connections and answers nothing: a scrape, which waits ten seconds, and *Now* say that it is away."""
    service: Service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    store = int(redis.Redis.from_url(service.url).info()["process_id"])
    with calling(port) as http:
        assert asked(http)["softbounce_store_up"] == 1
        time.sleep(2.05)
        os.kill(store, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert asked(http)["softbounce_store_up"] == 0
            assert time.monotonic() - began < 9
            began = time.monotonic()
            assert http.get("/api/v1/now").json()["flows"] == "no"
            assert time.monotonic() - began < 9
        finally:
            os.kill(store, signal.SIGCONT)
        until(lambda: asked(http)["softbounce_store_up"] == 1, 20, "the store is back")
