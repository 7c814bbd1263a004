"""From a report and the envelope that it is about to the event that tells of it. Pure: stores nothing.

A report is written by a stranger who has got the mail, so it is believed about this envelope and no other. Whether the
address is dead is for our own rules to say, of the host's words; and only where the report is about the address that
the mail was sent to: what it was forwarded to is another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from softbounce.address import parse_address
from softbounce.classify import classify, parse_reply_text
from softbounce.envelope import Envelope, Record
from softbounce.errors import InvalidAddress
from softbounce.events import StoredEvent
from softbounce.reply import Reply
from softbounce.return_path import ReturnPath
from softbounce.settings import Settings
from softbounce.verdict import VerdictWord
from softbounce_gateway.returns.reading.free_form import find_reply
from softbounce_gateway.returns.reading.report import Kind, Outcome, Report

__all__ = ["COMPLAINED", "RETURNED", "event_of"]

RETURNED, COMPLAINED = "returned", "complained"
TEXT_CHARACTERS = 1_000
NAME_CHARACTERS = 255
FORGOTTEN = "Its record is forgotten already, so its stream is not known."


def event_of(report: Report, path: ReturnPath, record: Record | None, settings: Settings) -> StoredEvent | None:
    """What is told of an envelope; ``None``: nothing, for it did not fail and nobody complains.

    :param record: of the envelope; ``None``: it is forgotten. Then its recipient is known where the report names it.
    """
    if report.kind is Kind.COMPLAINT:
        return _complained(report, path, record)
    outcome = _outcome_of(report.outcomes, _Recipient(path, record))
    if outcome is None or outcome.kind is not Kind.FAILED:
        return None
    return _returned(report, outcome, path, (record, settings))


def _returned(report: Report, outcome: Outcome, path: ReturnPath, known: tuple[Record | None, Settings]) -> StoredEvent:
    record, settings = known
    reply = _reply(outcome)
    site = None if record is None else record.envelope.site
    verdict = classify(reply, stage=None, site=site, settings=settings)
    ours = _Recipient(path, record)
    named = next((one for one in outcome.addresses if ours.is_one_of((one,))), "")
    elsewhere = _passed_on_to(outcome, ours, named)
    who = _name(report.reporter or outcome.host) or "somebody"
    why = f"It had left, and came back: {who} could not deliver it."
    if elsewhere:
        why += f" What failed is {_name(elsewhere)}, where it was passed on to."
    is_dead = verdict.suppress and verdict.word is VerdictWord.HARD and not elsewhere and bool(named or record)
    return _event(
        RETURNED,
        path,
        record,
        recipient=named,
        host=_name(outcome.host or report.reporter) or None,
        code=reply.code,
        enhanced=reply.enhanced,
        text=reply.text[:TEXT_CHARACTERS],
        reason=None if verdict.reason is None else verdict.reason.value,
        fault=None if verdict.fault is None else verdict.fault.value,
        suppress=is_dead and not _arrived_too(report.outcomes, ours),
        why=why if record is not None else f"{why} {FORGOTTEN}",
    )


def _passed_on_to(outcome: Outcome, ours: _Recipient, named: str) -> str:
    """The address that failed, where it is not the one that the mail was sent to; empty: it is that one.

    An alias has members, of which one may be gone: so it is the address that was tried that counts, whatever it was
    before. The same mailbox, at a host within the recipient's domain, is that one still.
    """
    if not named:
        return outcome.addresses[0] if outcome.addresses else ""
    return outcome.final if outcome.final and not ours.is_at(outcome.final, named) else ""


def _arrived_too(outcomes: Sequence[Outcome], ours: _Recipient) -> bool:
    """Whether a part of it came to where it should: then the address is not dead."""
    return any(one.kind is not Kind.FAILED and ours.is_one_of(one.addresses) for one in outcomes)


def _complained(report: Report, path: ReturnPath, record: Record | None) -> StoredEvent:
    ours = _Recipient(path, record)
    who = _name(report.reporter) or "a provider"
    source = f", of mail from {_name(report.source)}" if report.source else ""
    why = f"Its recipient complained ({report.feedback}), says {who}{source}."
    return _event(
        COMPLAINED,
        path,
        record,
        recipient=next((one for one in report.addresses if ours.is_one_of((one,))), ""),
        text=report.feedback,
        reason="complaint",
        fault="sender",
        host=_name(report.source) or None,
        why=why if record is not None else f"{why} {FORGOTTEN}",
    )


def _event(kind: str, path: ReturnPath, record: Record | None, *, recipient: str, **told: object) -> StoredEvent:
    """An event with what is known of the envelope; where it is forgotten, the recipient that the path proves."""
    if record is None:
        return StoredEvent(kind=kind, id=path.id, recipient=recipient, **told)  # type: ignore[arg-type]
    envelope: Envelope = record.envelope
    attempt = envelope.attempts[-1].number if envelope.attempts else 0
    return StoredEvent(
        kind=kind,
        id=path.id,
        recipient=envelope.recipient,
        stream=record.stream,
        tenant=envelope.tenant,
        tags=envelope.tags,
        metadata=envelope.metadata,
        way=envelope.way,
        attempt=attempt,
        **told,  # type: ignore[arg-type]
    )


class _Recipient:
    """Whom the mail was sent to."""

    def __init__(self, path: ReturnPath, record: Record | None) -> None:
        self._path = path
        self._recipient = None if record is None else record.envelope.recipient.lower()

    def is_one_of(self, addresses: Iterable[str]) -> bool:
        """Whether one of these addresses is that one."""
        if self._recipient is None:
            return any(self._path.is_for(spelling) for one in addresses for spelling in {one, _canonical(one)})
        return any(_canonical(one) == self._recipient for one in addresses)

    def is_at(self, address: str, known: str) -> bool:
        """Whether an address is that one, which a report calls `known`, or the same mailbox at a host within."""
        local, _, domain = _canonical(address).rpartition("@")
        ours, _, within = (self._recipient or _canonical(known)).rpartition("@")
        return local == ours and (domain == within or domain.endswith(f".{within}"))


def _canonical(address: str) -> str:
    """An address as ours are stored, in small letters: hosts write it in capitals, in quotes, in any script."""
    try:
        return parse_address(address).canonical.lower()
    except InvalidAddress:
        return address.lower()


def _outcome_of(outcomes: Sequence[Outcome], ours: _Recipient) -> Outcome | None:
    """Of the recipient that it was sent to, where it is named; else the worst: it was passed on to several then."""
    named = [one for one in outcomes if ours.is_one_of(one.addresses)]
    for kind in (Kind.FAILED, Kind.DELAYED, Kind.DELIVERED):
        for one in named or outcomes:
            if one.kind is kind:
                return one
    return None


def _reply(outcome: Outcome) -> Reply:
    """The host's words as a reply: where no code is quoted, one that says as little as the status does."""
    said = outcome.diagnostic.strip()
    digit = outcome.status[:1] if outcome.status[:1] in ("4", "5") else "5"
    for text in (said, find_reply(said)):
        try:
            reply = parse_reply_text(text)
        except ValueError:
            continue
        if reply.code // 100 in (4, 5):
            enhanced = reply.enhanced or (outcome.status or None)
            return Reply(code=reply.code, enhanced=enhanced, lines=reply.lines)
    status = outcome.status or f"{digit}.0.0"
    return parse_reply_text(" ".join(f"{digit}50 {status} {said or 'nothing more is said'}".split()))


def _name(text: str) -> str:
    """A word of a stranger's, fit to stand in a sentence."""
    line = text.partition("\n")[0][:NAME_CHARACTERS].strip()
    return "".join(one if one.isprintable() else "?" for one in line)
