"""Copies of what was accepted, where the settings ask for them: a playground's, for looking at.

Mail does not hang on them. The message is stored already, and a copy that cannot be kept is missing, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header

from softbounce.client.flow import Flow
from softbounce.client.send.arguments import Checked
from softbounce.errors import StoreError
from softbounce.store.call import Operation
from softbounce.store.copies import CopyFacts, copy

__all__ = ["keep_copies"]

SUBJECT = re.compile(rb"^subject:[ \t]*((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
FOLD = re.compile(r"\r\n[ \t]+")
HEADER_OCTETS = 65_536
LONGEST_SUBJECT = 500


def keep_copies(accepted: Iterable[tuple[bytes, Checked]], *, most_octets: int) -> Flow[None]:
    """Keep copies of these messages, given with their ids."""
    calls = [copy(_facts(message, one), one.prepared.octets, most_octets=most_octets) for message, one in accepted]
    if calls:
        try:
            yield Operation(calls, lambda answers: None)  # noqa: ARG005 - what is refused is missing
        except StoreError:
            return


def _facts(message: bytes, checked: Checked) -> CopyFacts:
    return CopyFacts(
        message=message,
        sender=checked.sender.canonical,
        recipients=tuple(one.canonical for one in checked.recipients),
        stream=checked.stream,
        tenant=checked.tenant or checked.sender.domain,
        subject=_subject(checked.prepared.octets),
        octets=len(checked.prepared.octets),
        tags=checked.tags,
        metadata=checked.metadata,
    )


def _subject(octets: bytes) -> str:
    end = octets.find(b"\r\n\r\n", 0, HEADER_OCTETS)
    found = SUBJECT.search(octets, 0, end if end >= 0 else HEADER_OCTETS)
    if found is None:
        return ""
    text = FOLD.sub(" ", found[1][: 4 * LONGEST_SUBJECT].decode(errors="replace")).strip()
    with suppress(MessageError, LookupError, ValueError):  # a word that cannot be decoded is kept as it is
        text = str(make_header(decode_header(text)))
    return text.encode(errors="replace").decode()[:LONGEST_SUBJECT]
