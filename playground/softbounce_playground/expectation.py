"""What should become of mail to the playground, so that a demo or a test can check itself.

Only what the tables of ``replies_by_address``, ``dns_labels`` and ``host_labels`` promise; zones and behaviours that
were set by hand are not looked at. An outcome is written as a word: ``delivered``, or ``bounced:`` and the cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from softbounce_playground.dns_labels import read_name
from softbounce_playground.ledger import Entry
from softbounce_playground.point import DROP, HANG, Point
from softbounce_playground.replies_by_address import ACCEPT, AskedReply, asked_by_recipient

__all__ = ["Outcome", "Tally", "audit", "expected", "summary"]

Outcome = Literal["delivered", "bounced:rejected", "bounced:promoted", "bounced:unroutable"]

UNROUTABLE = frozenset({"nullmx", "loop", "looped", "private"})


class Tally(msgspec.Struct, kw_only=True):
    """What the ledger says of all recipients of one kind.

    :ivar recipients: how many there were.
    :ivar transactions: how often they were tried.
    :ivar refused: how often at RCPT.
    :ivar taken: how many recipients' messages were answered 250.
    :ivar copies: how many copies the hosts have of all of them together.
    """

    recipients: int = 0
    transactions: int = 0
    refused: int = 0
    taken: int = 0
    copies: int = 0


def expected(local_part: str, domain: str) -> Outcome:
    """What becomes of a recipient, when the policy's window is longer than its wishes for retries.

    ``private`` counts as unroutable: it is where private addresses are refused.
    """
    reading = read_name(domain.lower())
    if reading.error == "nxdomain" or reading.route in UNROUTABLE:
        return "bounced:unroutable"
    if reading.error is not None or reading.route == "alldead":
        return "bounced:promoted"
    replies = reading.behaviour.replies
    if Point.GREETING in replies and not replies[Point.GREETING].startswith("2"):
        return "bounced:promoted"  # a host that is not to be had at all is a soft bounce, whatever it says
    if replies.get(Point.EHLO, "").startswith((HANG, "4")):
        return "bounced:promoted"  # after a 5xx, or a cut connection, HELO works
    if replies.get(Point.STARTTLS, "").startswith("421"):
        return "bounced:promoted"  # after anything else, clear text does
    for point in (Point.MAIL, Point.RCPT, Point.DATA, Point.BODY, Point.DOT):
        outcome = _outcome_of(replies[point], point) if point in replies else "delivered"
        if outcome != "delivered":
            return outcome
    return _outcome_by(asked_by_recipient(f"{local_part}@{domain}"))


def summary(entries: Iterable[Entry]) -> dict[str, Tally]:
    """Count a ledger's entries by the kind of their recipients."""
    tallies: dict[str, Tally] = {}
    taken: set[str] = set()
    seen: set[str] = set()
    for entry in entries:
        refused = [refusal.recipient for refusal in entry.refused]
        for recipient in (*entry.recipients, *refused):
            tally = tallies.setdefault(asked_by_recipient(recipient).kind, Tally())
            tally.transactions += 1
            tally.recipients += recipient not in seen
            seen.add(recipient)
        for recipient in refused:
            tallies[asked_by_recipient(recipient).kind].refused += 1
        for recipient in entry.recipients:
            tally = tallies[asked_by_recipient(recipient).kind]
            tally.copies += entry.kept
            tally.taken += entry.is_taken and recipient not in taken
            if entry.is_taken:
                taken.add(recipient)
    return tallies


def audit(outcomes: Mapping[str, str], entries: Iterable[Entry]) -> list[str]:
    """Compare what softbounce says became of each recipient, one message each, with the tables and the ledger.

    :returns: a sentence for each contradiction; empty when all is well.
    """
    taken: Counter[str] = Counter()
    copies: Counter[str] = Counter()
    for entry in entries:
        for recipient in entry.recipients:
            taken[recipient] += entry.is_taken
            copies[recipient] += entry.kept
    found: list[str] = []
    for recipient, outcome in outcomes.items():
        local_part, _, domain = recipient.rpartition("@")
        should = expected(local_part, domain)
        if outcome != should:
            found.append(f"{recipient} should have been {should} and is {outcome}")
        if outcome == "delivered" and not taken[recipient]:
            found.append(f"{recipient} is called delivered, but no host took a message for it")
        if outcome != "delivered" and taken[recipient]:
            found.append(f"{recipient} is called {outcome}, but a host took a message for it")
        allowed = _copies_by(asked_by_recipient(recipient))
        if allowed is not None and copies[recipient] > allowed:
            found.append(f"{recipient} has {copies[recipient]} copies where {allowed} can be explained")
    found.extend(f"{recipient} was taken, but nobody sent to it" for recipient in taken if recipient not in outcomes)
    return found


def _outcome_by(asked: AskedReply) -> Outcome:
    if asked.point is None or asked is ACCEPT or asked.times is not None:
        return "delivered"
    return _outcome_of(asked.reply, asked.point)


def _outcome_of(reply: str, point: Point) -> Outcome:
    if reply in {DROP, HANG} or reply.startswith("4"):
        return "bounced:promoted"
    if reply.startswith("5"):
        return "bounced:rejected"
    if reply.startswith("3" if point is Point.DATA else "2"):
        return "delivered"
    return "bounced:promoted"  # a reply that makes no sense where it stands


def _copies_by(asked: AskedReply) -> int | None:
    """How many copies one message may leave behind; ``None``: as many as there are attempts."""
    if asked.point is not Point.DOT or asked.reply not in {DROP, HANG}:
        return 1
    return None if asked.times is None else asked.times + 1
