from __future__ import annotations

import pytest
from softbounce_config.hosts import check_endpoint, check_hostname, split_nameserver


@pytest.mark.parametrize(
    "name", ["mail.example.com", "localhost", "xn--bcher-kva.example", "[192.0.2.1]", "[IPv6:::1]"]
)
def test_S04_hostname_is_a_domain_or_an_address_literal(name: str) -> None:
    """What EHLO may say is a domain or an address literal."""
    assert check_hostname(name) == name


def test_hostname_is_lower_case() -> None:
    """The case of a host name means nothing, so there is one."""
    assert check_hostname("Mail.Example.COM") == "mail.example.com"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mail.example.com.", "letters, digits and hyphens"),
        ("under_score.example", "letters, digits and hyphens"),
        ("-a.example", "letters, digits and hyphens"),
        ("a..example", "letters, digits and hyphens"),
        ("mail example", "letters, digits and hyphens"),
        ("mail\r\nMAIL FROM:<>", "letters, digits and hyphens"),
        ("a" * 64 + ".example", "letters, digits and hyphens"),
        (".".join(["abcdefg"] * 40), "letters, digits and hyphens"),
        ("bücher.example", "xn--"),
        ("192.0.2.1", "brackets"),
        ("[192.0.2]", "address literal"),
        ("[]", "address literal"),
    ],
)
def test_S04_other_hostnames_are_refused(name: str, reason: str) -> None:
    """A name that a mail host could refuse, or that could carry a command, is refused here."""
    with pytest.raises(ValueError, match=reason):
        check_hostname(name)


@pytest.mark.parametrize("text", ["127.0.0.1:8026", "0.0.0.0:1", "[::]:65535", "localhost:25", "gateway.internal:8026"])
def test_endpoint_is_host_and_port(text: str) -> None:
    """Something can listen at a host and a port."""
    assert check_endpoint(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "8026",
        ":8026",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "::1:8026",
        "[::g]:1",
        "256.1.1.1:1",
    ],
)
def test_other_endpoints_are_refused(text: str) -> None:
    """An endpoint without host or port, or with a false one, is refused."""
    with pytest.raises(ValueError, match=r"host:port|brackets|not an IP address"):
        check_endpoint(text)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5300", ("127.0.0.1", 5300)),
        ("::1", ("::1", 53)),
        ("[::1]", ("::1", 53)),
        ("[::1]:5300", ("::1", 5300)),
        ("2001:DB8::53", ("2001:db8::53", 53)),
    ],
)
def test_nameserver_is_an_address_with_port_53_unless_given(text: str, server: tuple[str, int]) -> None:
    """A nameserver is an address, and its port is 53 where none is given."""
    assert split_nameserver(text) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example", "dns.example:53", "127.0.0.1:", "127.0.0.1:99999", "[::1", "1:2:3"]
)
def test_nameserver_is_no_name(text: str) -> None:
    """A nameserver that is a name, or no address, is refused: nothing could look it up."""
    with pytest.raises(ValueError, match=r"not an IP address|host:port|brackets"):
        split_nameserver(text)
