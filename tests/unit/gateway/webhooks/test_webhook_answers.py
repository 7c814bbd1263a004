"""What answers mean, when an event is tried again, and how it is signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from softbounce_gateway.webhooks.answer import Answer, Meaning, meaning_of, read_retry_after
from softbounce_gateway.webhooks.deciding import note_try, pause_of
from softbounce_gateway.webhooks.posting import _printable
from softbounce_gateway.webhooks.signing import body_of, signature_of
from standardwebhooks.webhooks import Webhook

from softbounce.events import StoredEvent
from softbounce.settings import Policy
from softbounce.store.webhooks import Untold
from softbounce.webhooks import KINDS, WEBHOOK_POLICY, kind_of, type_of

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "is_connected", "meaning"),
    [
        (200, True, Meaning.TAKEN),
        (204, True, Meaning.TAKEN),
        (299, True, Meaning.TAKEN),
        (0, False, Meaning.AWAY),
        (0, True, Meaning.REFUSED),
        (301, True, Meaning.REFUSED),
        (400, True, Meaning.REFUSED),
        (404, True, Meaning.REFUSED),
        (410, True, Meaning.GONE),
        (429, True, Meaning.AWAY),
        (500, True, Meaning.REFUSED),
        (502, True, Meaning.REFUSED),
        (503, True, Meaning.AWAY),
        (999, True, Meaning.REFUSED),
    ],
)
def test_issue14_7_an_answer_has_one_meaning(code: int, meaning: Meaning, *, is_connected: bool) -> None:
    """For the event alone, or for the receiver."""
    assert meaning_of(Answer(code=code, words="", is_connected=is_connected)) is meaning


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 1),
        ("99999999999999999999", 3600),
        ("Sat, 31 Jan 2026 08:02:00 GMT", 120),
        ("Sat, 31 Jan 2026 07:00:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_issue14_7_a_stated_wait_is_believed_within_bounds(text: str, seconds: int | None) -> None:
    """In seconds or as a date; what is neither states none."""
    wait = read_retry_after(text, NOW)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def event() -> Untold:
    """One that was never tried."""
    return Untold(stored=StoredEvent(kind="bounced", id=bytes(16)), at_ms=0, cursor="")


def schedule(policy: Policy, answer: Answer) -> list[float]:
    """Seconds from the first attempt at which all others are made, until it is given up."""
    one, now, times = event(), 10_000_000, []
    while not note_try(one, b"place", answer, policy, (now, now)):
        now = one.next_ms
        times.append((now - 10_000_000) / 1000)
        assert len(one.tries) <= 4
    return times


def test_issue14_7_the_waits_are_those_of_the_policy_and_the_last_attempt_is_at_the_window_s_end() -> None:
    """As mail has them."""
    policy = Policy(
        name="p", window=timedelta(minutes=10), delays=(timedelta(seconds=30), timedelta(minutes=2)), jitter=0
    )
    assert schedule(policy, Answer(code=500, words="")) == [30, 150, 270, 390, 510, 570, 600]


def test_issue14_7_the_usual_policy_tries_for_three_days() -> None:
    """From five seconds to four hours."""
    times = schedule(
        Policy(name="w", window=WEBHOOK_POLICY.window, delays=WEBHOOK_POLICY.delays, jitter=0),
        Answer(code=500, words=""),
    )
    assert times[:9] == [5, 35, 155, 755, 2555, 6155, 13_355, 27_755, 42_155]
    assert times[-1] == 3 * 86_400
    assert len(times) < 30


def test_issue14_7_a_stated_wait_goes_before_the_policy_s_three_times_in_a_row() -> None:
    """After that the longer one counts, so that nobody is asked every second for days."""
    policy = Policy(name="p", window=timedelta(hours=1), delays=(timedelta(minutes=5),), jitter=0)
    times = schedule(policy, Answer(code=503, words="", stated=timedelta(seconds=10)))
    assert times[:4] == [10, 20, 30, 330]


def test_issue14_7_max_attempts_ends_it_too() -> None:
    """Whichever comes first."""
    policy = Policy(name="p", window=timedelta(hours=1), delays=(timedelta(seconds=1),), jitter=0, max_attempts=3)
    assert schedule(policy, Answer(code=500, words="")) == [1, 2]


def test_issue14_7_no_policy_makes_us_call_without_a_pause() -> None:
    """Not even one with waits of a millisecond."""
    policy = Policy(name="p", delays=(timedelta(milliseconds=1),), jitter=0)
    assert pause_of(policy, "app", 1) == timedelta(milliseconds=100)
    one = event()
    note_try(one, b"place", Answer(code=500, words=""), policy, (1000, 1000))
    assert one.next_ms == 1100


def test_A19_two_secrets_make_two_signatures_each_of_which_verifies() -> None:
    """By the public library, for a body with every kind of character."""
    secrets = [bytes(range(24)), bytes(range(32, 64))]
    body = body_of("envelope.bounced", NOW, {"text": "Ünbekannt \u2028 \0 \U0001f4a9 </script>"})
    seconds = int(datetime.now(UTC).timestamp())
    signature = signature_of("evt_1", seconds, body, secrets)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(seconds), "webhook-signature": signature}
    for secret in secrets:
        Webhook(secret).verify(body, headers)
    assert [one[:3] for one in signature.split(" ")] == ["v1,", "v1,"]


def test_issue14_7_each_kind_has_a_type_and_is_found_by_it() -> None:
    """What happened to an envelope says so; streams, sites and receivers speak for themselves."""
    assert {type_of(kind): kind for kind in KINDS} == {type_of(kind): kind_of(type_of(kind)) for kind in KINDS}
    assert [
        type_of(kind) for kind in ("deferred", "delivered_late", "stream_held", "site_closed", "webhook_exhausted")
    ] == [
        "envelope.deferred",
        "envelope.delivered_late",
        "stream.held",
        "site.closed",
        "webhook.exhausted",
    ]


def test_issue14_7_what_a_receiver_says_is_printed_as_text() -> None:
    """No control character of it gets anywhere."""
    assert _printable("500 \x1b[31mred\r\nwebhook-id: x" + "y" * 500) == "500 ?[31mred??webhook-id: x" + "y" * 133
