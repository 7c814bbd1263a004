"""A real Prometheus: it reads our metrics, our rules and our dashboard, and sees no counter go back.

Debian's package ``prometheus`` has both programs (``script/receivers``). ``METRICS_MINUTES=5``: workers are killed for
that long.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from calling import calling
from metrics_agree import counters_of, differences
from ports import free_ports
from service import Service, until

if TYPE_CHECKING:
    from conftest import StartService

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
COUNTER = re.compile(r"softbounce_\w+_(total|count|sum|bucket)")
WORDS = ("accept", "greylist", "reject", "dotdefer", "dropdot1", "slow200")
POLICY = '[policy.default]\nwindow = "20s"\ndelays = ["2s"]\n[worker]\nprocesses = 3\nlease = "3s"\n'

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="no Prometheus is installed")


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(  # noqa: S603 - a fixed program
        ["promtool", *map(str, arguments)],  # noqa: S607 - where the system has it
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[httpx.Client]:
    """One that scrapes the gateway each second, with our rules; a client of it."""
    (own,) = free_ports(1)
    config = folder / "prometheus.yml"
    scrape = f"scrape_configs: [{{job_name: softbounce, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    config.write_text(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{ALERTS}']\n{scrape}")
    where = [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{own}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a fixed program
            ["prometheus", f"--config.file={config}", *where],  # noqa: S607
            stderr=log,
        )
    try:
        with calling(own) as client:
            until(lambda: is_ready(client), 30, "Prometheus is ready")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def is_ready(client: httpx.Client) -> bool:
    """Whether it answers."""
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def ask(client: httpx.Client, query: str) -> list[Any]:
    """The samples that a query has."""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def test_issue15_alert_rules_hold_and_come_when_they_should() -> None:
    """``promtool check rules`` and ``promtool test rules``: the tests of the rules ship beside them."""
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", ALERTS.with_name("alerts_test.yml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_issue15_prometheus_sees_no_counter_go_back_while_workers_are_killed(
    start: StartService, tmp_path: Path
) -> None:
    """Three workers, one of which is killed again and again, with mail of all kinds; and all agrees in the end."""
    seconds = float(os.environ.get("METRICS_MINUTES", "0.6")) * 60
    pause = 10.0 if seconds >= 120 else 6.0
    (port,) = free_ports(1)
    service: Service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n{POLICY}')
    ids: list[str] = []
    with prometheus(tmp_path, port) as asked, service.client() as mail:
        until(lambda: bool(ask(asked, "softbounce_store_up == 1")), 20, "a scrape")
        end, kill_at, killed = time.monotonic() + seconds, time.monotonic() + pause, 0
        while time.monotonic() < end:
            batch = [
                {
                    "sender": "app@shop.test",
                    "recipients": [f"{word}@a{number}.test"],
                    "message": b"Subject: Hi\r\n\r\nhello\r\n",
                }
                for number, word in enumerate(WORDS)
            ]
            ids += [one for receipt in mail.send_many(batch) for one in receipt.envelopes.values()]
            if time.monotonic() >= kill_at:
                kill_at += pause
                workers = service.pids("softbounce_worker")
                if workers:
                    os.kill(workers[killed % len(workers)], signal.SIGKILL)
                    killed += 1
            time.sleep(0.5)
        service.wait_final(ids, 120)
        time.sleep(2)  # two more scrapes
        span = f"[{round(seconds) + 200}s]"
        names = [name for name in asked.get("/api/v1/label/__name__/values").json()["data"] if COUNTER.fullmatch(name)]
        assert len(names) == 10  # four counters, and three of each of two histograms
        assert [ask(asked, f"resets({name}{span}) > 0") for name in names] == [[]] * len(names)
        (taken,) = ask(asked, "sum(softbounce_accepted_total)")
        assert float(taken["value"][1]) == len(ids)
        (ended,) = ask(asked, "sum(softbounce_ended_total)")
        assert float(ended["value"][1]) == len(ids)
        assert killed >= seconds // pause - 1
        shown = [mail.show(one) for one in ids]
        assert differences(counters_of(service.url), mail.events(), shown, is_by_label=False) == []
        with calling(port) as http:
            text = http.get("/metrics").text
            as_openmetrics = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        rules = asked.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
        assert {one["health"] for one in rules} == {"ok"}
        board = json.loads((ROOT / "deploy/grafana/softbounce.json").read_text())
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        for query in queries:
            ask(asked, query.replace("$__rate_interval", "1m"))
    checked = promtool("check", "metrics", text=text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert as_openmetrics.text.endswith("# EOF\n")
