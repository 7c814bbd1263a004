from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_playground.dns_labels import read_name
from softbounce_playground.host_behaviour import EXTENSIONS, PLAIN


@pytest.mark.parametrize("label", ["nxdomain", "servfail", "refused", "timeout"])
def test_a_label_anywhere_makes_dns_fail(label: str) -> None:
    """The place of a label in the name does not matter."""
    assert read_name(f"{label}.a.test").error == label
    assert read_name(f"mx1.x.{label}.test").error == label


def test_a_label_must_match_whole() -> None:
    """A name that merely contains a word is an ordinary name."""
    for name in ("nxdomains.test", "my-servfail.test", "slow.test", "slow500x.test", "shareds.test", "a.test"):
        assert read_name(name).behaviour == PLAIN
        assert read_name(name).error is None
        assert read_name(name).route is None


CASES = [
    ("greet554", {"greeting": "554 5.7.1"}),
    ("greet421", {"greeting": "421 4.3.2"}),
    ("greet521", {"greeting": "521 5.0.0"}),
    ("noehlo", {"ehlo": "502 5.5.1"}),
    ("drop", {"greeting": "drop"}),
    ("c451at-mail", {"mail": "451 4.0.0"}),
    ("hangat-greeting", {"greeting": "hang"}),
    ("dropat-quit", {"quit": "drop"}),
]


@pytest.mark.parametrize(("label", "replies"), CASES, ids=[case[0] for case in CASES])
def test_a_host_label_scripts_a_reply(label: str, replies: dict[str, str]) -> None:
    """Labels of hosts say what is answered at which point."""
    found = read_name(f"{label}.a.test").behaviour.replies
    assert {str(point): reply[: len(replies[str(point)])] for point, reply in found.items()} == replies


def test_host_labels_add_up() -> None:
    """Several labels of one name all have their effect, and are one set whatever their order."""
    reading = read_name("slow250.nopipelining.size1000.rcptmax5.maxconn2.blinddata.a.test")
    behaviour = reading.behaviour
    assert behaviour.delay == timedelta(milliseconds=250)
    assert behaviour.extensions == tuple(word for word in EXTENSIONS if word != "PIPELINING")
    assert (behaviour.max_message_octets, behaviour.max_recipients, behaviour.max_connections) == (1000, 5, 2)
    assert behaviour.data_without_recipients
    hurried = read_name("rate20per60.a.test").behaviour
    assert (hurried.max_messages, hurried.per) == (20, timedelta(minutes=1))
    assert read_name("noehlo.drop.a.test").host_labels == read_name("drop.b.noehlo.test").host_labels
