"""The stream brake, on the running service: a bad list is stopped, other mail goes on, a person lets it go on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from conftest import StartService
from service import Service, until

from softbounce.client import Client
from softbounce.client.flow import run_flow
from softbounce.client.held_streams import release_streams

CONFIG = """
[store]
shards = {shards}
[scheduler]
sweep = "1s"
[worker]
lease = "3s"
[[lane]]
site = "*"
rate = "{rate}/s"
[[brake]]
stream = "news*"
of = 500
at_least = 100
hard = "10%"
"""
BODY = b"Subject: hello\r\n\r\nHello.\r\n"


def configured(*, shards: int = 1, rate: int = 250) -> str:
    """The configuration."""
    return CONFIG.format(shards=shards, rate=rate)


def send(service: Service, stream: str, words: Sequence[str], name: str) -> list[str]:
    """A message each to as many domains of one site as there are tens of them."""
    with service.client() as mail:
        receipts = mail.send_many(
            {
                "sender": "app@app.test",
                "recipients": [f"{word}-{number}@{name}.test"],
                "message": BODY,
                "stream": stream,
            }
            for number, word in enumerate(words)
        )
    return [next(iter(receipt.envelopes.values())) for receipt in receipts]


def bad_list(number: int) -> list[str]:
    """Of which 15 % are dead addresses, all over it."""
    return ["reject" if at % 20 in {3, 9, 17} else "accept" for at in range(number)]


def held_streams(service: Service) -> list[str]:
    """The streams that are held."""
    with service.client() as mail:
        return [one.stream for one in mail.held_streams()]


def kinds(service: Service) -> Counter[tuple[str, str]]:
    """The events, by kind and stream."""
    with service.client() as mail:
        return Counter((event.kind, event.stream) for event in mail.events())


def states(mail: Client, stream: str) -> dict[str, int]:
    """How many envelopes of a stream there are in each state."""
    return {word: number for word, number in mail.queue(stream=stream).states.items() if number}


@pytest.mark.parametrize("shards", [1, 3])
def test_issue13_07_a_list_with_dead_addresses_is_stopped_within_its_first_few_hundred(
    start: StartService, shards: int
) -> None:
    """Its mail is held, with the figures; other mail goes on; what comes later is held; released by hand it goes on."""
    service = start(configured(shards=shards))
    ids = send(service, "newsletter", bad_list(3000), f"list{shards}")
    others = send(service, "otp", ["accept"] * 50, f"login{shards}")
    until(lambda: held_streams(service) == ["newsletter"], 20, "the stream is held")
    with service.client() as mail:
        until(lambda: set(states(mail, "newsletter")) == {"delivered", "bounced", "held"}, 20, "all that waits is held")
        now = states(mail, "newsletter")
        tried = now["delivered"] + now["bounced"]
        assert 100 <= tried <= 600, now
        service.wait_final(others, 20)
        (later,) = send(service, "newsletter", ["accept"], f"list{shards}")
        until(lambda: mail.show(later).state == "held", 10, "mail that comes later is held")
        assert mail.show(later).held_for == "brake"
        words = mail.explain(later)
        assert "Brake" in words
        assert "messages were refused for good, and the brake allows 10 %" in " ".join(words.split())
        assert "softbounce release --stream newsletter" in words
        assert str(mail.release(later)) == "stream_held"
        until(lambda: states(mail, "newsletter")["held"] == 3001 - tried, 10, "none was lost, and none is tried")
    assert (kinds(service)["stream_held", "newsletter"], kinds(service)["held", "newsletter"]) == (1, 0)
    assert '"event": "stream_held"' in service.log
    assert '"level": "error"' in next(line for line in service.log.splitlines() if '"stream_held"' in line)
    queue = service.json("queue", "--state", "held")
    assert queue["held_for"] == {"brake": 3001 - tried}
    assert [one["stream"] for one in queue["held_streams"]] == ["newsletter"]
    assert "stream newsletter, held by its brake since" in service.cli("queue").stdout.decode()

    done = service.cli("release", "--stream", "newsletter")
    said = done.stdout.decode()
    assert (done.returncode, "refused for good" in said) == (0, True), said
    assert "1  held as a whole by the brake go on" in said
    until(lambda: kinds(service)["stream_released", "newsletter"] == 1, 5, "its release is told")
    # It is counted anew, so good mail goes out; of the rest of the list too much is dead still, and it is held again.
    until(lambda: held_streams(service) == ["newsletter"], 20, "the rest is as bad")
    with service.client() as mail:
        until(lambda: set(states(mail, "newsletter")) == {"delivered", "bounced", "held"}, 20, "it is held anew")
        assert sum(states(mail, "newsletter").values()) == 3001
        assert states(mail, "newsletter")["held"] < 3001 - tried - 100
    assert kinds(service)["stream_held", "newsletter"] == 2
    assert len(ids) == 3000


def test_issue13_07_killed_in_between_it_is_all_the_same(start: StartService) -> None:
    """Scheduler and workers are killed while the list goes out, and again while it is held; nothing is lost."""
    service = start(configured(rate=60))
    send(service, "newsletter", bad_list(1500), "killed")
    with service.client() as mail:
        until(lambda: states(mail, "newsletter").get("delivered", 0) >= 40, 20, "some went out")
        for word in ("softbounce_scheduler", "softbounce_worker"):
            for pid in service.pids(word):
                os.kill(pid, signal.SIGKILL)
        until(lambda: held_streams(service) == ["newsletter"], 40, "the stream is held all the same")
        for word in ("softbounce_scheduler", "softbounce_worker"):
            for pid in service.pids(word):
                os.kill(pid, signal.SIGKILL)
        until(lambda: set(states(mail, "newsletter")) == {"delivered", "bounced", "held"}, 40, "what waits is held")
        now = states(mail, "newsletter")
        assert now["delivered"] + now["bounced"] <= 600, now
        # A client that dies in the middle of a release: the stream is released, its mail is not.
        with service.client() as other:
            known = run_flow(other._knowledge.current(), other._store)
            assert run_flow(release_streams(known, "newsletter"), other._store) == 1
        before = states(mail, "newsletter")["held"]
        until(lambda: states(mail, "newsletter").get("held", 0) < before, 40, "the scheduler sees to the rest")
        assert sum(states(mail, "newsletter").values()) == 1500
    assert kinds(service)["stream_held", "newsletter"] >= 1


def test_issue13_07_a_healthy_stream_is_not_held(start: StartService) -> None:
    """Five in a hundred dead, and a stream of a dozen messages all of which are: neither is."""
    service = start(configured(rate=2000))
    ids = send(service, "newsletter", ["reject" if at % 20 == 7 else "accept" for at in range(1500)], "healthy")
    few = send(service, "news-small", ["reject"] * 12, "small")
    service.wait_final([*ids, *few], 60)
    time.sleep(1.0)  # the brake looks four times a second
    assert held_streams(service) == []


def test_issue13_07_old_mail_promoted_after_an_outage_is_no_evidence(start: StartService) -> None:
    """A window that closes over two hundred soft bounces holds nothing."""
    service = start(configured() + '[policy.default]\nwindow = "4s"\ndelays = ["1s"]\n')
    ended = service.wait_final(send(service, "newsletter", ["defer"] * 200, "away"), 60)
    assert {one.bounce.cause for one in ended.values() if one.bounce} == {"promoted"}
    time.sleep(1.0)
    assert held_streams(service) == []


def test_issue13_07_a_hold_stops_the_window(start: StartService) -> None:
    """What the brake holds does not age; released, it has the time that it had."""
    service = start(configured(rate=40) + '[policy.default]\nwindow = "40s"\n')
    send(service, "newsletter", bad_list(400), "aging")
    until(lambda: held_streams(service) == ["newsletter"], 30, "the stream is held")
    (held,) = (one for one in service.json("queue", "--list", "--state", "held", "--limit", "1")["envelopes"][:1])
    with service.client() as mail:
        left = mail.show(held["id"]).expires_at - mail.queue().at
        time.sleep(3.0)
        now = mail.show(held["id"]).expires_at - mail.queue().at
        assert abs((now - left).total_seconds()) < 0.5
    said = json.loads(service.cli("release", "--stream", "newsletter", "--dry-run", "--json").stdout)
    assert [one["stream"] for one in said["held_streams"]] == ["newsletter"]
    assert held_streams(service) == ["newsletter"]
