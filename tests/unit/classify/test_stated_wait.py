"""A wait is read where a reply states one, and nowhere else."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.classify.stated_wait import stated_wait
from softbounce.settings import BUILT_IN, ReplyRule, Settings
from softbounce.stage import Stage

STATED = {
    "Greylisting in action, please come back in 00:09:00": 540,
    "Greylisted for 5 minutes": 300,
    "Recipient address rejected: Greylisted for 300 seconds (see http://greylist.example/5minutes)": 300,
    "greylisted, try again in 300 seconds": 300,
    "Try again in 5 min.": 300,
    "Retry in 4m59s": 299,
    "retry-after: 120": 120,
    "Please retry after 1 hour and 5 minutes": 3900,
    "You are being limited. Try again in an hour": 3600,
    "Your IP is blocked for 2 hours": 7200,
    "please wait 5 minutes and try again": 300,
    "wait 300s": 300,
    "Greylisted, please retry after 4hs": 14400,
    "try again in 1 minute(s)": 60,
    "please try again 10 minutes later": 600,
    "please try again 00:20:00 later": 1200,
    "idle hosts must now retry in 5 minutes": 300,
    "try again in 5-10 minutes": 600,
    "try again in about 20 minutes": 1200,
    "limit of 10 messages in 5 minutes exceeded, try again in 20 minutes": 1200,
    "Deferred: all mail from 192.0.2.1 for 1 hr": 3600,
    "Greylisted for 5 minutes; try again in 4 minutes 30 seconds": 300,
    "In 5 Min. erneut versuchen": 300,
    "Bitte versuchen Sie es in 5 Minuten erneut": 300,
    "Veuillez réessayer dans 5 minutes": 300,
    "Veuillez patienter 10 minutes": 600,
    "Por favor, intente de nuevo en 15 minutos": 900,
    "Espere 30 segundos": 30,
    "Tente novamente em 2 horas": 7200,
    "Riprovare tra 5 minuti": 300,
    "Probeer het over 5 minuten opnieuw": 300,
    "Повторите попытку через 5 минут": 300,
    "Please retry in 01:30:30": 5430,
    "try again in 00:20:00 please": 1200,
    "try again in two minutes": 120,
    "10 minutes later please try again": 600,
    "Bitte in drei Minuten erneut versuchen": 180,
    "Veuillez réessayer dans cinq minutes": 300,
    "Por favor, intente de nuevo en diez minutos": 600,
    "Veuillez réessayer dans quinze minutes": 900,
    "Bitte versuchen Sie es in zwanzig Minuten erneut": 1200,
    "Riprovare tra trenta minuti": 1800,
    "please try again in sixty minutes": 3600,
    "Connection timeout, so please try again in 5 minutes": 300,
}
NOT_STATED = [
    "limit 1 message in 5 minutes, try again later",
    "retry-after: 120 ago",
    "retry-after: in 120",
    "5 recipients per 5 minutes, retry later",
    "You sent 100 messages in 60 minutes, try again later",
    "too many connections in 60 seconds, try again later",
    "limit 100 in 5 minutes, try again later",
    "timeout after 300 seconds, try again later",
    "connection timed out in 30 seconds. Try again later",
    "idle for 300 seconds, try again",
    "in the last 60 minutes you were deferred",
    "try again in a few hours",
    "try again within 24 hours",
    "try again after 15:30:00 UTC",
    "mailbox full for 3 days",
    "deferred 5 minutes ago",
    "you tried 00:10:00 ago, try again later",
    "Retry-After: see rfc 7231",
    "10 minutes, try again",
    "10 minutes try again",
    "Try again later (2024-01-01 00:05:00)",
    "",
    "try again in",
    "in 5",
]


@pytest.mark.parametrize(("text", "seconds"), STATED.items())
def test_a_stated_wait_is_read_and_lengthened_by_a_twentieth(text: str, seconds: int) -> None:
    """Who counts from his own moment must not be met a moment early."""
    assert stated_wait(text) == timedelta(seconds=seconds) * 1.05


@pytest.mark.parametrize("text", NOT_STATED)
def test_a_rate_a_past_and_a_vague_word_state_no_wait(text: str) -> None:
    """Only where the words say so."""
    assert stated_wait(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 2 seconds", 10),
        ("try again in 0 seconds", 10),
        ("try again in 3 days", 6 * 3600),
        (f"try again in {'9' * 500} seconds", 6 * 3600),
    ],
)
def test_what_is_stated_is_believed_within_bounds(text: str, seconds: int) -> None:
    """From ten seconds to six hours."""
    assert stated_wait(text) == timedelta(seconds=seconds) * 1.05


@pytest.mark.parametrize(
    "hostile",
    [
        "in 5 minutes " * 6000,
        "1 h 1 m " * 9000,
        "try again in " + "at least " * 9000,
        "0:0:" * 20_000,
        "٣" * 70_000,
        "retry-after: " * 6000,
        "a " * 40_000 + "minutes",
        "5 - 5 - " * 9000,
    ],
    ids=range(8),
)
def test_a_hostile_text_is_read_in_a_moment(hostile: str) -> None:
    """64 KiB cost what 1 KiB costs."""
    began = time.process_time()
    for _ in range(20):
        stated_wait(hostile)
    assert (time.process_time() - began) / 20 < 0.005  # a fifth of that on an idle machine


def with_rule(**answers: object) -> Settings:
    """Settings with one reply rule."""
    return Settings(reply=(ReplyRule(name="mine", code="4*", **answers),))  # type: ignore[arg-type]


def test_the_users_own_delays_go_before_what_a_reply_states() -> None:
    """Who writes delays for a reply wants these."""
    reply = parse_reply_text("450 4.7.1 Greylisted, try again in 300 seconds")
    delayed = classify(reply, stage=Stage.RCPT, site=None, settings=with_rule(delays=(timedelta(hours=1),)))
    renamed = classify(reply, stage=Stage.RCPT, site=None, settings=with_rule(reason="greylist"))
    assert (delayed.stated, renamed.stated) == (None, timedelta(seconds=315))


def test_a_final_refusal_states_no_wait() -> None:
    """It is not tried again."""
    reply = parse_reply_text("550 5.1.1 no such user, try again in 300 seconds")
    assert classify(reply, stage=Stage.RCPT, site=None, settings=BUILT_IN).stated is None
