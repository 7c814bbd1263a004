"""Authorities of one's own: read and checked with the configuration, and published with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from certificates import Authority
from softbounce_config import check_file, load, to_plain

from softbounce.settings import TlsRule

RULES = """\
[[tls]]
mode = "verified"
domain = "*.example.org"
roots = "own.pem"
[[tls]]
site = "example.net"
mode = "required"
minimum_version = "1.3"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A config file that names an authority, which lies beside it."""
    path = tmp_path / "softbounce.toml"
    path.write_text(RULES)
    return path


def test_issue12_what_the_file_of_authorities_says_is_published(file: Path) -> None:
    """Relative to the config file, whatever the working directory; shown is the path."""
    pem = Authority(file.parent).pem
    (file.parent / "own.pem").write_text(pem)
    assert check_file(file, {}) == []
    config = load(file, environ={})
    assert config.settings().tls == (
        TlsRule(mode="verified", domain="*.example.org", roots=pem),
        TlsRule(mode="required", site="example.net", minimum_version="1.3"),
    )
    assert to_plain(config)["tls"][0] == {
        "mode": "verified",
        "domain": "*.example.org",
        "minimum_version": "1.2",
        "roots": str(file.parent / "own.pem"),
        "dane": True,
        "mta_sts": True,
    }


def test_issue12_the_first_rule_that_fits_wins(file: Path) -> None:
    """By the recipient's domain and the site, whatever their case; where none fits, TLS is taken if offered."""
    (file.parent / "own.pem").write_text(Authority(file.parent).pem)
    settings = load(file, environ={}).settings()
    found = [
        (name, rule.mode)
        for name, rule in (
            settings.tls_rule_for(domain="A.Example.org", site="example.net"),
            settings.tls_rule_for(domain="b.test", site="example.net"),
            settings.tls_rule_for(domain="b.test", site=None),
        )
    ]
    assert found == [("tls[0]", "verified"), ("tls[1]", "required"), ("default", "opportunistic")]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (None, "there is no such file"),
        (b"", "holds no certificates in PEM"),
        (b"nonsense", "holds no certificates in PEM"),
        (b"\xff\xfe", "holds no certificates in PEM"),
        (b"x" * 65537, "has more than 64 KiB"),
        (b"-----BEGIN PRIVATE KEY-----", "holds a private key"),
    ],
    ids=["none", "empty", "nonsense", "not text", "large", "a key"],
)
def test_issue12_a_file_of_authorities_that_cannot_be_used_is_refused(
    file: Path, octets: bytes | None, reason: str
) -> None:
    """It is said at once, and not where mail would wait for it."""
    if octets is not None:
        (file.parent / "own.pem").write_bytes(octets)
    (line,) = check_file(file, {})
    assert "tls[0].roots = " in line
    assert reason in line


def test_issue12_authorities_are_for_mail_that_may_go_by_TLS(file: Path) -> None:
    """Elsewhere they would change nothing, which somebody might not expect; a domain's own policy asks for them too."""
    (file.parent / "own.pem").write_text(Authority(file.parent).pem)
    file.write_text(RULES.replace('"verified"', '"opportunistic"'))
    assert check_file(file, {}) == []
    file.write_text(RULES.replace('"verified"', '"none"'))
    (line,) = check_file(file, {})
    assert "roots = " in line
    assert 'has no meaning with mode = "none"' in line
