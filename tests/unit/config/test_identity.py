from __future__ import annotations

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_config.hosts import check_hostname
from softbounce_config.identity import PLAYGROUND_NAME, ehlo_name, host_label, machine_name
from softbounce_worker.smtp.wire import hello_lines

from softbounce.errors import ConfigError


@pytest.mark.parametrize("name", ["mail.example.com", "a.b", "[192.0.2.1]", "[IPv6:2001:db8::1]", PLAYGROUND_NAME])
def test_issue10_02_a_full_name_or_an_address_literal_is_what_we_say(name: str) -> None:
    """What is configured and full is taken, and nobody asks for the machine's name."""

    def never() -> str:
        raise AssertionError

    assert ehlo_name(name, never) == name


@pytest.mark.parametrize("name", ["localhost", "mailer", "mail.localhost", "localhost.localdomain", "mail.invalid"])
def test_issue10_02_a_configured_name_that_is_not_full_is_refused(name: str) -> None:
    """What other hosts refuse is refused here too, whoever chose it."""
    with pytest.raises(ConfigError, match=re.escape(repr(name))):
        ehlo_name(name)


def test_issue10_02_a_machine_with_a_full_name_needs_no_other() -> None:
    """The machine's own name is taken where it is one, in lower case."""
    assert ehlo_name("", lambda: "Mail7.Example.NET") == "mail7.example.net"


MACHINES = {
    "underscore": "my_machine.example.com",
    "underscore_alone": "web_1",
    "container": "3f2a9c1b7d4e",
    "localhost": "localhost",
    "localdomain": "localhost.localdomain",
    "localhost6": "localhost6.localdomain6",
    "single_label": "mailer",
    "mdns": "laptop.local",
    "cluster": "pod-7f.default.svc.cluster.local",
    "cloud": "ip-10-0-0-7.ec2.internal",
    "router": "pc.home.arpa",
    "reverse": "1.0.0.127.in-addr.arpa",
    "address": "192.0.2.7",
    "ipv6": "::1",
    "trailing_dot": "mail.example.com.",
    "empty": "",
    "too_long": ".".join(["abcdefghi"] * 27),
    "long_label": "a" * 64 + ".example.com",
    "not_ascii": "büro.example.com",
    "surrogate": "\udcff.example.com",
    "space": "a b.example.com",
    "two_lines": "a.example.com\r\nRSET",
    "literal": "[127.0.0.1",
}


@pytest.mark.parametrize("machine", MACHINES)
def test_issue10_02_a_machine_without_a_full_name_is_told_what_to_set(machine: str) -> None:
    """What is no name to other hosts is refused, and one line of text says why and what to do."""
    with pytest.raises(ConfigError) as refused:
        ehlo_name("", lambda: MACHINES[machine])
    text = str(refused.value)
    assert "[identity] hostname" in text
    assert "SOFTBOUNCE__IDENTITY__HOSTNAME" in text
    assert "--playground" in text
    assert text.isprintable()


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[a-z0-9._\[\]:%-]{1,30}", fullmatch=True)))
def test_issue10_02_what_is_taken_can_be_said(name: str) -> None:
    """Whatever passes the check at start is a name that a session says; none can fail for it later."""
    for is_configured in (False, True):
        try:
            taken = ehlo_name(check_hostname(name) if is_configured else "", lambda: name)
        except (ConfigError, ValueError):
            continue
        assert hello_lines(taken)[0] == f"EHLO {taken}\r\n".encode()


@pytest.mark.parametrize(
    "name", ["[fe80::1%eth0]", "[IPv6:fe80::1%eth0]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]", "[IPv6:]"]
)
def test_issue10_02_an_odd_address_literal_is_refused(name: str) -> None:
    """With a zone, without the tag or with the wrong one it is no address literal (RFC 5321 4.1.3)."""
    with pytest.raises(ValueError, match="address literal"):
        check_hostname(name)


@pytest.mark.parametrize(
    ("machine", "label"),
    [
        ("vm", "vm"),
        ("web-1.example", "web-1.example"),
        ("a|b/../c d", "a-b-..-c-d"),
        ("\udcff", "host"),
        ("x" * 99, "x" * 64),
    ],
)
def test_issue10_02_nothing_of_a_machine_s_name_means_anything_in_a_key(
    monkeypatch: pytest.MonkeyPatch, machine: str, label: str
) -> None:
    """Names of processes, keys and files are made of letters, digits, dots and hyphens."""
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    assert host_label() == label


def test_issue10_02_a_name_that_cannot_be_looked_up_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that is too long for a look-up is no error but a name that is refused."""
    monkeypatch.setattr(socket, "gethostname", lambda: "a" * 64)
    assert machine_name() == "a" * 64
