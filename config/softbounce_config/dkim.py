"""The ``[[dkim]]`` tables: whose mail the workers sign, as whom, and where the key is. No key is read here.

They are read by each process when it starts, and do not travel in the store: neither does a key.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.address import ascii_domain
from softbounce_config.fields import Duration, Notation, Section, TextPath
from softbounce_config.process_settings import Canonicalization, DkimSettings

__all__ = ["DkimSection", "check_selector", "is_glob"]

DEFAULTS = DkimSettings(domain="", selector="")
LONGEST = 253
GLOB = re.compile(r"[a-z0-9_.*?\[\]!-]+")
SELECTOR_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # sub-domain of RFC 5321, RFC 6376 §3.1
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
OURS = "SOFTBOUNCE__"


def is_glob(domain: str) -> bool:
    """Whether it may be more than one domain."""
    return any(character in domain for character in "*?[")


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"should be {what}, in quotes")


def _domain(value: object) -> str:
    text = _text(value, "a domain").lower()
    try:
        return ascii_domain(text)
    except ValueError as error:
        raise ValueError(str(error)) from None


def _domain_glob(value: object) -> str:
    text = _text(value, "a domain or a glob").lower()
    if not is_glob(text):
        return _domain(text)
    if len(text) > LONGEST or GLOB.fullmatch(text) is None:
        raise ValueError("should be a domain or a glob of domains, such as *.example.com, in A-labels")
    return text


def check_selector(value: object) -> str:
    """A selector, in lower case.

    :raises ValueError: it is none.
    """
    text = _text(value, "a selector").lower()
    if len(text) > LONGEST or not all(SELECTOR_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError("a selector has letters, digits and hyphens between dots, as in mail2026")
    return text


def _variable(value: object) -> str:
    text = _text(value, "the name of a variable")
    if VARIABLE.fullmatch(text) is None:  # a key itself that stands here must not come back in an error's text
        raise ValueError("should be the name of an environment variable")
    if text.startswith(OURS):
        raise ValueError(f"should be a variable of your own: those that begin with {OURS} are keys of this file")
    return text


DomainGlob = Annotated[str, BeforeValidator(_domain_glob), Notation("domain glob")]
Domain = Annotated[str, BeforeValidator(_domain), Notation("domain")]
Selector = Annotated[str, BeforeValidator(check_selector), Notation("selector")]
Variable = Annotated[str, BeforeValidator(_variable), Notation("variable")]


class DkimSection(Section):
    """Whose mail is signed (DKIM, RFC 6376), and by which key. Read by each process when it starts.

    The domain of the From field chooses, not the envelope's sender. The first table whose `domain` fits decides, and
    every table with the same `domain` signs: one for an RSA key and one for an Ed25519 key, say. Mail whose domain fits
    none leaves unsigned. `softbounce dkim new DOMAIN` makes a key, its DNS record and the table.
    """

    domain: DomainGlob = Field(description="The domain of the From field, or a glob: `example.com`, `*.example.com`.")
    selector: Selector = Field(description="The selector: the key's record is at `SELECTOR._domainkey.DOMAIN`.")
    d: Domain | None = Field(
        default=DEFAULTS.d,
        description="The domain that signs: the From field's, or one above it; a table fits only mail from there and "
        "below. Not given: the From field's own.",
    )
    key_file: TextPath | None = Field(
        default=DEFAULTS.key_file,
        description="The file with the private key (RSA or Ed25519, in PEM), which nobody else should be able to read.",
    )
    key_env: Variable | None = Field(
        default=DEFAULTS.key_env,
        description="Instead of a file: the environment variable that holds the key, in PEM or as base64 in one line.",
    )
    canonicalization: Canonicalization = Field(
        default=DEFAULTS.canonicalization,
        description="How header and body are read for the signature. `simple` breaks where a host on the way folds a "
        "line anew.",
    )
    expire: Duration | None = Field(
        default=DEFAULTS.expire,
        description="For how long a signature stands (`x=`), from when the message was accepted or, with `at`, may "
        "first be sent. Not given: for ever. Longer than your longest `window`, or late mail arrives with a signature "
        "that counts no more.",
    )

    def told(self) -> DkimSettings:
        """What a process is told of it."""
        return DkimSettings(**dict(self))
