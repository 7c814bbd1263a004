"""Makes a key for a domain: its file, the DNS record to publish, and the lines for the config file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from softbounce_config.plain import toml_value
from softbounce_worker.dkim.keys import new_key
from softbounce_worker.dkim.signing_key import SigningKey

from softbounce.errors import SoftbounceError
from softbounce.private_files import make_private_folder

__all__ = ["FOLDER", "NewKey", "default_selector", "make_key", "split_text"]

FOLDER = "dkim"
STRING_OCTETS = 255
"""Of one string of a TXT record (RFC 1035 §3.3.14); a verifier joins them without anything between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was made.

    :ivar path: its file, and :ivar shown: the same as the config file may have it.
    """

    domain: str
    selector: str
    key: SigningKey
    path: Path
    shown: str

    @property
    def name(self) -> str:
        """Where the record belongs."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def zone_line(self) -> str:
        """The record as a zone file has it."""
        strings = " ".join(f'"{string}"' for string in split_text(self.key.record))
        return f"{self.name}. 3600 IN TXT ( {strings} )"

    @property
    def config(self) -> str:
        """The table to paste."""
        told = {"domain": self.domain, "selector": self.selector, "key_file": self.shown}
        return "\n".join(["[[dkim]]", *(f"{key} = {toml_value(value)}" for key, value in told.items())])


def default_selector(kind: str, today: datetime) -> str:
    """A selector that is not used again: keys are replaced, and both are published for a while."""
    return f"{kind}-{today:%Y%m%d}"


def split_text(text: str) -> list[str]:
    """The strings of a TXT record."""
    return [text[at : at + STRING_OCTETS] for at in range(0, len(text), STRING_OCTETS)]


def make_key(domain: str, selector: str, kind: str, *, path: Path, base: Path) -> NewKey:
    """Make it, and write its file, which nobody else may read.

    :param base: the config file's folder, to which the table's path is relative where it can be.
    :raises SoftbounceError: the file is there already, which stays as it is, or it cannot be written.
    """
    key, pem = new_key(kind)
    try:
        make_private_folder(path.parent)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SoftbounceError(f"{path} is there already and stays as it is: give another --selector or --out") from None
    except OSError as error:
        raise SoftbounceError(f"{path} cannot be made: {error.strerror or error}") from None
    try:
        with os.fdopen(file, "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SoftbounceError(f"{path} cannot be written: {error.strerror or error}") from None
    absolute = path.absolute()
    is_below = absolute.is_relative_to(base.absolute())
    shown = str(absolute.relative_to(base.absolute())) if is_below else str(absolute)
    return NewKey(domain=domain, selector=selector, key=key, path=absolute, shown=shown)
