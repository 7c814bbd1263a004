"""The counters agree with the event log, one by one, after mail of every kind has come to every end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from calling import MESSAGES, calling, part
from metrics_agree import counters_of, differences
from prometheus_client.parser import text_string_to_metric_families
from service import Service, until

if TYPE_CHECKING:
    from conftest import StartService

WORDS = ("accept", "greylist", "defer", "full", "reject", "busy", "dropdata1", "dropdot1", "dotdefer", "dotreject")
POLICY = """
[gateway]
http = "127.0.0.1:{port}"
[policy.default]
window = "8s"
delays = ["1s"]
jitter = 0.0
[policy.owned]
window = "8s"
delays = ["1s"]
on_uncertain = "bounce"
[policy.kept]
window = "8s"
on_uncertain = "hold"
[[assign]]
stream = "owned"
policy = "owned"
[[assign]]
stream = "kept"
policy = "kept"
"""
NAME_ERROR = "who@nxdomain.test"


def samples(text: str) -> dict[str, float]:
    """What a scrape says, by the sample's whole name."""
    return {
        f"{one.name}{{{','.join(f'{name}={value}' for name, value in sorted(one.labels.items()))}}}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_issue15_metrics_agree_with_the_event_log(start: StartService, port: int) -> None:
    """Delivered, promoted, rejected, unroutable, uncertain, cancelled and held mail, by two ways in."""
    service: Service = start(POLICY.format(port=port))
    batch = [part(to=[f"{word}@a{n}.test"], key=f"{word}-{n}") for word in WORDS for n in range(3)]
    with calling(port) as http, service.client() as mail:
        answers = http.post(f"{MESSAGES}/batch", json=batch).json()
        ids = [one for answer in answers for one in answer["envelopes"].values()]
        message = b"Subject: Hi\r\n\r\nhello\r\n"
        for stream in ("owned", "kept"):
            one = {"sender": "app@shop.test", "recipients": ["dropdot9@b.test"], "message": message, "stream": stream}
            ids += mail.send(**one).envelopes.values()
        three = {"sender": "app@shop.test", "recipients": ["a@c.test", "reject@c.test", NAME_ERROR], "message": message}
        several = mail.send(**three)
        ids += several.envelopes.values()
        assert mail.send(**three, key=several.key).known
        (later,) = mail.send(
            sender="app@shop.test", recipients=["a@d.test"], message=message, at=datetime.now(UTC) + timedelta(hours=1)
        ).envelopes.values()
        assert mail.cancel(later) == "cancelled"
        until(lambda: mail.queue(state="held").total == 1, 20, "what may be a copy is held")
        mail.act_on_matching("cancel", state="held")
        service.wait_final(ids, 40)
        ids.append(later)
        shown = [mail.show(one) for one in ids]
        assert {one.state for one in shown} == {"delivered", "bounced", "cancelled"}
        assert {one.bounce.cause for one in shown if one.bounce} == {"rejected", "unroutable", "promoted", "uncertain"}
        events = list(mail.events())
        assert differences(counters_of(service.url), events, shown) == []
        seen = samples(http.get("/metrics").text)
    assert seen["softbounce_accepted_total{way=http}"] == len(batch)
    assert seen["softbounce_accepted_total{way=python}"] == len(ids) - len(batch)
    assert seen["softbounce_uncertain_total{}"] == sum(event.kind == "uncertain" for event in events)
    for state in ("delivered", "bounced", "cancelled", "scheduled", "ready", "attempting", "held"):
        assert seen[f"softbounce_envelopes{{state={state}}}"] == sum(one.state == state for one in shown)
    delivered = sum(one.state == "delivered" for one in shown)
    assert seen["softbounce_delivery_seconds_count{}"] == delivered
    assert seen["softbounce_ended_total{cause=,end=delivered}"] == delivered
    assert seen["softbounce_smtp_seconds_count{stage=end_of_data}"] >= delivered
    assert seen["softbounce_processes{role=worker}"] == 2
    assert seen["softbounce_processes{role=scheduler}"] == 1
