"""Which keys can be used, and which of them sign a message."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from signing import ED25519, ED25519_PEM, RSA, RSA_PEM, pem_of_bits, rule
from softbounce_config.process_settings import DkimSettings
from softbounce_worker.dkim.keys import parse_key, read_key_file
from softbounce_worker.dkim.rules import SigningRules, load_rules

from softbounce.errors import ConfigError

ELLIPTIC = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SOME = ed25519.Ed25519PrivateKey.generate()
LOCKED = SOME.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
KEY_OF_512_BITS = b"".join(
    [
        b"MIIBUwIBADANBgkqhkiG9w0BAQEFAASCAT0wggE5AgEAAkEAprwlO6R3vJXdTiUb",
        b"MwXNRU0LcF3RB2vO/TN4W59SxVXxkHOYq+LcA7SfgWbYuBXP12YmvxqWpz1lwvBB",
        b"FvzH9wIDAQABAkAKtAMz2+/vxDMLpCgl01aE/1gfo3YaotoLuPUd9JFMp4gnYcwN",
        b"hX8705asFgdLHrTpIQTpgbBBf7m4eZjyd2fxAiEA2IHHdZczxvv8JQCq5tXIOS1Z",
        b"RQ5CQI+NDNwjqUHSUy8CIQDFJinzSxywi6gEtxefyXnTSCU4MFolVuoFR7cl2t1F",
        b"uQIgCLYoHW4pEi+fdKmzNriRZuORPPsW5VwhU8wjzzKr0NcCIDF88fzbdvkuJWAB",
        b"odF/XrBVpNok8Qv8dEQdC3FaLj8pAiB6ckG7PMYEsy8DuQIFFQBhqJE0KJNpywSy",
        b"FwvWM34cOw==",
    ]
)
"""Today's libraries make none any more, and would still sign with it."""
PUBLIC = SOME.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_issue12_a_key_is_read_in_each_of_its_forms() -> None:
    """PEM, PEM with its line ends written out, and base64 in one line."""
    one_line = b64encode(SOME.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    assert parse_key(RSA_PEM).public == RSA.public
    assert parse_key(RSA_PEM.replace(b"\n", b"\\n")).public == RSA.public
    assert parse_key(b"\n" + ED25519_PEM + b"\n\n").public == ED25519.public
    assert parse_key(one_line).type == "ed25519"


ATTRIBUTES = b"Bag Attributes\n    friendlyName: ENCRYPTED\n    localKeyID: 01\nKey Attributes: <No Attributes>\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ATTRIBUTES + RSA_PEM, id="attributes"),
        pytest.param(b"# made in 2026 for the shop\n" + RSA_PEM, id="comment"),
        pytest.param(b"\xef\xbb\xbf" + RSA_PEM.replace(b"\n", b"\r\n"), id="byte_order_mark"),
        pytest.param(b"\n".join(RSA_PEM.splitlines()[1:-1]), id="base64_in_lines"),
        pytest.param(b"\\n".join(RSA_PEM.splitlines()[1:-1]), id="base64_in_written_out_lines"),
        pytest.param(b"\xef\xbb\xbf" + b"\r\n ".join(RSA_PEM.splitlines()[1:-1]), id="base64_behind_a_mark"),
    ],
)
def test_issue15_what_stands_around_a_key_is_no_part_of_it(text: bytes) -> None:
    """As OpenSSL, editors and secret stores write it: text before it, a byte order mark, lines without armor."""
    assert parse_key(text).public == RSA.public


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is empty"),
        (b"x" * 100_000, "too long"),
        (b"not a key", "is none"),
        (b"AAAA", "is none"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is none"),
        (PUBLIC, "holds a public key"),
        (LOCKED, "is encrypted"),
        (ELLIPTIC, "neither an RSA nor an Ed25519"),
    ],
)
def test_issue12_what_is_no_key_is_refused_and_not_quoted(text: bytes, why: str) -> None:
    """The error says what is wrong, and nothing of what was read."""
    with pytest.raises(ValueError, match=why) as refused:
        parse_key(text)
    assert "AAAA" not in str(refused.value)
    assert "not a key" not in str(refused.value)


def test_issue12_small_keys_are_refused_below_1024_and_warned_of_below_2048() -> None:
    """RFC 8301: nobody may count the first, and some do not count the second."""
    assert "1024 bits" in (parse_key(pem_of_bits(1024)).warning or "")
    assert RSA.warning is None
    assert ED25519.warning is None
    with pytest.raises(ValueError, match=r"512 bits"):
        parse_key(KEY_OF_512_BITS)


def test_issue12_a_file_that_others_read_is_warned_of(tmp_path: Path) -> None:
    """It signs all the same: a secret that is mounted may have no other mode."""
    path = tmp_path / "key.pem"
    path.write_bytes(ED25519_PEM)
    path.chmod(0o644)
    assert "chmod 600" in (read_key_file(path)[1] or "")
    path.chmod(0o600)
    assert read_key_file(path)[1] is None
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_key_file(tmp_path / "none.pem")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_key_file(tmp_path)


def test_issue12_every_key_that_cannot_be_used_is_told_of_at_once(tmp_path: Path) -> None:
    """One line for each table, counted from 0."""
    tables = [
        DkimSettings(domain="a.test", selector="s", key_file=tmp_path / "none.pem"),
        DkimSettings(domain="b.test", selector="s", key_env="GOOD"),
        DkimSettings(domain="c.test", selector="s", key_env="UNSET"),
        DkimSettings(domain="d.test", selector="s", key_env="BAD"),
    ]
    with pytest.raises(ConfigError) as refused:
        load_rules(tables, {"GOOD": ED25519_PEM.decode(), "BAD": "secret words"})
    lines = str(refused.value).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["dkim[0]", "dkim[2]", "dkim[3]"]
    assert "secret words" not in str(refused.value)


def test_issue12_the_first_glob_that_fits_decides_and_all_with_it_sign() -> None:
    """Exact, below, and elsewhere; a rule that names its d= fits from there downwards only."""
    rules = [
        rule(RSA, "r", "app.test"),
        rule(RSA, "n", "*.app.test", d="app.test"),
        rule(ED25519, "e", "app.test"),
        rule(RSA, "all", "*"),
        rule(RSA, "mine", "*", d="mine.test"),
    ]

    def chosen(author: str | None) -> list[str]:
        return [f"{one.selector}@{one.domain}" for one in SigningRules(rules).identities(author)]

    assert chosen("app.test") == ["r@app.test", "e@app.test"]
    assert chosen("news.app.test") == ["n@app.test"]
    assert chosen("other.test") == ["all@other.test"]
    assert chosen("x.mine.test") == ["all@x.mine.test", "mine@mine.test"]
    assert chosen("notmine.test") == ["all@notmine.test"]
    assert chosen(None) == []


def test_issue12_a_key_tells_nothing_of_itself() -> None:
    """Neither a key's text nor that of what holds it shows it."""
    secret = ED25519_PEM.decode().splitlines()[1]
    shown = repr(rule(ED25519, "e")) + str(ED25519) + repr(SigningRules([rule(ED25519, "e")]).identities("app.test"))
    assert secret not in shown
