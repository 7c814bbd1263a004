"""Signs the messages of a process: each once, in threads, so that the event loop never waits for a key.

The worker signs, and not the app: the key is on the machines that send, and never in the store. A signature's time is
the message's acceptance, and its octets follow from message, key and time alone: a retry, another recipient, another
process send the very same ones, with nothing about them in the store. Those made lately are kept, so that a message is
signed once by a process, however many of its recipients are tried when.

RSA gives up Python's lock while it signs, so two threads of this pool use two cores.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from softbounce.envelope import Record
from softbounce.errors import SoftbounceError
from softbounce_worker.dkim.author import author_domain
from softbounce_worker.dkim.canonical import split_message
from softbounce_worker.dkim.rules import SigningRule, SigningRules
from softbounce_worker.dkim.signature import signatures

__all__ = ["Signer", "SigningFailed"]

KEPT = 4096
"""Signatures of so many messages: a kilobyte or so each."""
MOST_THREADS = 4


class SigningFailed(SoftbounceError):
    """A message that has to be signed could not be."""


class Signer:
    """The signatures of a process.

    :param rules: with keys; of those for one domain, each makes a signature.
    """

    def __init__(self, rules: Sequence[SigningRule]) -> None:
        self._rules = SigningRules(rules)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._threads = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), thread_name_prefix="dkim")

    @property
    def is_needed(self) -> bool:
        """Whether any mail is signed."""
        return bool(self._rules.all)

    async def fields_above(self, record: Record, octets: bytes) -> bytes:
        """The signatures to put above a message; empty: nobody signs for its author.

        :param record: of one of its envelopes.
        :param octets: of the message, before dots are doubled.
        :raises SigningFailed: it must not leave, because it would be unsigned.
        """
        kept = self._kept.get(record.message)
        if kept is not None:
            self._kept.move_to_end(record.message)
            return kept
        accepted, first_try = record.created_ms // 1000, (record.envelope.at_ms or 0) // 1000
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._threads, self._sign, octets, accepted, first_try)
        except Exception as error:
            raise SigningFailed(f"the message could not be signed: {type(error).__name__}: {error}") from error
        self._kept[record.message] = made
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def _sign(self, octets: bytes, accepted: int, first_try: int) -> bytes:
        author = author_domain(split_message(octets)[0])
        identities = self._rules.identities(author)
        return signatures(octets, identities, accepted=accepted, first_try=first_try) if identities else b""

    def close(self) -> None:
        """End its threads, when they have done what they were given."""
        self._threads.shutdown(wait=False)
