"""Which form a message has: asked in an order in which the surer answer comes first.

A report in a standard form is one, also where its header says that a machine wrote it, as RFC 3834 wants. So is what a
mail system writes for people, in a form that is known, or around a reply that it quotes. What else calls itself
automatic is an automatic reply, whatever its words are; the rest is asked for the forms that are known.
"""

from __future__ import annotations

from softbounce_gateway.returns.reading.automatic import is_automatic_reply
from softbounce_gateway.returns.reading.delivery_status import read_delivery_status
from softbounce_gateway.returns.reading.feedback import read_feedback, read_outlook
from softbounce_gateway.returns.reading.free_form import is_of_mail_system, read_free_form, read_quoted_reply
from softbounce_gateway.returns.reading.parts import Parts, parse
from softbounce_gateway.returns.reading.report import Kind, Report

__all__ = ["read_report"]


def read_report(octets: bytes) -> Report:
    """What a message says, whatever it is. Bounded, and total: what is not understood is ``unknown``."""
    parts = parse(octets)
    if parts is None:
        return Report(kind=Kind.UNKNOWN, why="no message that can be parsed")
    return _read(parts)


def _read(parts: Parts) -> Report:
    feedback = read_feedback(parts)
    if feedback is not None:
        return feedback
    status = read_delivery_status(parts)
    if status is not None and status.kind is not Kind.UNKNOWN:
        return status
    complaint = read_outlook(parts)
    if complaint is not None and status is None:
        return complaint
    if is_of_mail_system(parts):
        report = read_free_form(parts) or read_quoted_reply(parts)
        if report is not None:
            return report
    if is_automatic_reply(parts):
        return status or Report(kind=Kind.AUTO_REPLY, why="a machine's answer for its owner")
    return read_free_form(parts) or status or Report(kind=Kind.UNKNOWN, why="no form of a report that is known")
