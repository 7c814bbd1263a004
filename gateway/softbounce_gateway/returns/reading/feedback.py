"""Complaints: feedback in its standard form (RFC 5965, RFC 6591), and as Outlook.com sends it.

What says that the mail is no spam, or how it was authenticated, is feedback and no complaint.
"""

from __future__ import annotations

import re

from softbounce_gateway.returns.reading.fields import address_of, groups, word_of
from softbounce_gateway.returns.reading.parts import Parts
from softbounce_gateway.returns.reading.report import Kind, Report

__all__ = ["read_feedback", "read_outlook"]

NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "dmarc", "dkim", "spf"})
NAMES = ("original-rcpt-to", "removal-recipient")
WORD = re.compile(r"[a-z0-9-]{1,32}")
OF_OUTLOOK = re.compile(r"^x-hmxmroriginalrecipient:[ \t]*(\S{3,320})", re.IGNORECASE | re.MULTILINE)
COMPLAINS = re.compile(r"complaint about (?:a )?message from", re.IGNORECASE)


def read_feedback(parts: Parts) -> Report | None:
    """Read it; ``None``: the message is no feedback."""
    for part in parts.of_type("message/feedback-report"):
        for group in groups(part.text):
            if "feedback-type" not in group:
                continue
            word = word_of(group["feedback-type"]).lower()
            kind = word if WORD.fullmatch(word) else "other"
            return Report(
                kind=Kind.OTHER_FEEDBACK if kind in NO_COMPLAINT else Kind.COMPLAINT,
                reporter=group.get("user-agent", "")[:100].split("\n")[0],
                feedback=kind,
                source=group.get("source-ip", "").split("\n")[0].strip()[:64],
                addresses=address_of(group[name] for name in NAMES if name in group),
                why="a feedback report",
            )
        return Report(kind=Kind.UNKNOWN, why="a feedback report that names no type of feedback")
    return None


def read_outlook(parts: Parts) -> Report | None:
    """Read a complaint of the Junk Mail Reporting Program: the mail, in whose header there is whom it was to."""
    for part in parts.of_type("message/rfc822"):
        found = OF_OUTLOOK.search(part.text)
        if found is not None or COMPLAINS.search(parts.field("Subject")):
            addresses = address_of([found[1]]) if found else ()
            return Report(
                kind=Kind.COMPLAINT, feedback="abuse", reporter="Outlook.com", addresses=addresses, why="a complaint"
            )
    return None
