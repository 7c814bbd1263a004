"""What `/metrics` shows of a reading, and that what ships beside it asks for nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from softbounce_gateway.doctor.checks import STANDING
from softbounce_gateway.metrics.families import Reading, families, registry

from softbounce.counting import COUNTERS
from softbounce.envelope import State
from softbounce.store.clock import StoreTime
from softbounce.store.health import CHECKS, Checkup, KeptFinding
from softbounce.store.membership import Leases
from softbounce.store.metrics import Heads, Presence

ROOT = Path(__file__).parents[3]
BOARD = json.loads((ROOT / "deploy/grafana/softbounce.json").read_text())
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
RULES = re.findall(r"expr: (>\n(?: {10,}.*\n)+|.*\n)", (ROOT / "deploy/prometheus/alerts.yml").read_text())
SELECTED = re.compile(r"(softbounce_\w+)(?:\{([^}]*)\})?")
MATCHED = re.compile(r'(\w+)(?:=~|!=|=)"([^"]*)"')
ODD = 'a"b\\c\nd{}#\u2028é'
NOW = 1_700_000_000_000


def finding(check: str, known: str, state: str = "") -> KeptFinding:
    """One thing that was looked at."""
    return KeptFinding(check=check, what=ODD, state=state or known, known=known)


FULL = Reading(
    counters=dict.fromkeys(COUNTERS, 1),
    presence=Presence(Leases(StoreTime(NOW), {}, {}), frozenset(), 1, {"gone": 5}, 0, is_restored=False),
    heads=Heads(dict.fromkeys(State, 1), NOW + 5_000, {State.READY: NOW - 2_500}, (1, 3, 0), 0),
    webhook_lags={ODD: 1.5},
    untold={ODD: 2},
    checkups=(
        Checkup(at_ms=NOW - 9_000, findings=(finding("name", "fail"), finding("name", "fail"), finding(ODD, "warn"))),
        Checkup(at_ms=NOW - 60_000, findings=(finding("lists", "ok", "unknown"), finding("disk", "fail", "unknown"))),
        Checkup(at_ms=NOW - 30 * 3_600_000, findings=(finding("clock", "fail"),)),
        Checkup(),
    ),
)


def shown(reading: Reading) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of a scrape, as a reader of the format has them."""
    text = generate_latest(registry(reading)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_issue15_of_a_store_that_is_away_nothing_else_is_shown() -> None:
    """A 0 would be a lie, and an old value a worse one."""
    assert shown(Reading()) == {("softbounce_store_up", ()): 0}


def test_issue15_labels_are_escaped_and_series_bounded() -> None:
    """A name that an operator chose comes out as it is in both formats; all counters at once stay 1,500 series."""
    seen = shown(FULL)
    assert seen["softbounce_webhook_lag_seconds", (("endpoint", ODD),)] == 1.5
    text = openmetrics.generate_latest(registry(FULL)).decode()  # type: ignore[no-untyped-call]
    as_openmetrics = {sample.name: sample for family in read_openmetrics(text) for sample in family.samples}
    assert as_openmetrics["softbounce_webhook_lag_seconds"].labels == {"endpoint": ODD}
    assert len(seen) <= 1_500
    assert len(seen) > len(COUNTERS) / 2


def test_issue15_4_health_is_counted_by_check_and_nothing_of_strangers_is_a_label() -> None:
    """What is known counts, also where it could not be looked at last; a machine that is gone for a day does not."""
    seen = {labels: value for (name, labels), value in shown(FULL).items() if name == "softbounce_health"}
    red = {(dict(labels)["check"], dict(labels)["state"]): value for labels, value in seen.items() if value}
    assert red == {
        ("name", "fail"): 2,
        ("other", "warn"): 1,
        ("lists", "unknown"): 1,
        ("disk", "fail"): 1,
        ("disk", "unknown"): 1,
    }
    assert len(seen) == 3 * (len(CHECKS) + 1)
    assert shown(FULL)["softbounce_health_looked_seconds", ()] == 9
    assert set(CHECKS) == set(STANDING)
    unseen = replace(FULL, checkups=(Checkup(),))
    assert not [name for name, _ in shown(unseen) if name.startswith("softbounce_health")]


def test_issue15_nothing_is_negative_and_buckets_add_up() -> None:
    """What is due later, closed lanes that nobody owns, and a process without a lease count as nothing."""
    seen = shown(FULL)
    assert min(seen.values()) == 0
    assert seen["softbounce_oldest_due_seconds", ()] == 0
    assert seen["softbounce_oldest_accepted_seconds", (("state", "ready"),)] == 2.5
    assert seen["softbounce_lanes", (("state", "open"),)] == 0
    assert seen["softbounce_sessions", ()] == 0
    for name, labels in {key for key in seen if key[0].endswith("_seconds_count")}:
        family = name.removesuffix("_count")
        buckets = [
            value
            for (one, others), value in seen.items()
            if one == f"{family}_bucket" and {*others} - {item for item in others if item[0] == "le"} == {*labels}
        ]
        assert all(before <= after for before, after in pairwise(buckets))
        assert buckets[-1] == seen[name, labels] == len(buckets)


def test_issue15_a_counter_of_another_version_is_not_shown() -> None:
    """Names and labels are closed sets, whatever stands in the store."""
    odd = {"attempts|new|rcpt|other": 4, "ended|bounced|new": 4, "accepted|new": 4, "new": 4, "smtp|rcpt|7": 4}
    labels = [
        value
        for _, pairs in shown(Reading(counters=odd, presence=FULL.presence, heads=FULL.heads))
        for _, value in pairs
    ]
    assert "new" not in labels


@pytest.mark.parametrize("query", [*QUERIES, *RULES])
def test_issue15_dashboard_and_alerts_ask_for_what_there_is(query: str) -> None:
    """Each name, each label and each word that a label is compared to."""
    there: dict[str, dict[str, set[str]]] = {}
    for name, labels in shown(FULL):
        values = there.setdefault(name, {})
        for label, value in labels:
            values.setdefault(label, set()).add(value)
    selections = SELECTED.findall(query)
    assert selections
    for name, matchers in selections:
        assert name in there
        for label, words in MATCHED.findall(matchers):
            assert set(words.split("|")) <= there[name][label]
    for by in re.findall(r"by \(([\w, ]+)\)", query):
        assert set(by.split(", ")) <= {label for name, _ in selections for label in there[name]}


def test_issue15_the_dashboard_is_one_that_grafana_takes() -> None:
    """What its importer insists on: ids once, panels within 24 columns, none over another, a source to be chosen."""
    panels = BOARD["panels"]
    assert BOARD["uid"]
    assert BOARD["schemaVersion"] >= 36
    assert [one["name"] for one in BOARD["templating"]["list"] if one["type"] == "datasource"] == ["source"]
    assert len({one["id"] for one in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & squares
        taken |= squares
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0


def test_issue15_docs_name_every_metric_and_every_alert() -> None:
    """And no other."""
    text = (ROOT / "docs/metrics.md").read_text()
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families(FULL)}
    rows = set(re.findall(r"^\| `(softbounce_\w+)` \|", text, re.MULTILINE))
    assert rows == names
    alerts = set(re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text()))
    assert set(re.findall(r"`(Softbounce\w+)`", text)) == alerts
