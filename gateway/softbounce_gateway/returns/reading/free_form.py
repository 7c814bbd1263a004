"""Bounces that are written for people: who it is about by flufl.bounce, which knows the forms, and what the host said.

Mailman's people keep that library, whose rules come from thirty years of bounces. It tells addresses; the reply that
stands beside them is looked for here.
"""

from __future__ import annotations

import logging
import re
from email.message import Message

from flufl.bounce import all_failures

from softbounce_gateway.returns.reading.addresses import addresses_in
from softbounce_gateway.returns.reading.parts import Parts
from softbounce_gateway.returns.reading.report import Kind, Outcome, Report

__all__ = ["find_reply", "is_of_mail_system", "read_free_form", "read_quoted_reply"]

logging.getLogger("flufl.bounce").disabled = True  # it writes a thousand lines for what was sent to break it
NOBODY = "nobody@invalid"
MOST_ADDRESSES = 100
RETURNED_TYPES = frozenset({"message/rfc822", "message/global", "text/rfc822-headers"})
LONGEST_REPLY = 600
TEXT_CHARACTERS = 64 * 1024
REPLY = re.compile(r"(?<![0-9A-Za-z.@/-])(?<![0-9A-Za-z]:)([45][0-9]{2})(?: - |[ -])(?=[ \t]*[0-9A-Za-z(<\"'##\[])")
STATUS = re.compile(r"(?<![0-9.])([45]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
RETURNED = re.compile(
    r"^(?:-{2,}.{0,80}(?:copy of the message|original message|header.{0,20}message|message follows|returned message)"
    r"|received: from )",
    re.IGNORECASE | re.MULTILINE,
)
OWN_FIELDS = ("X-Failed-Recipients", "X-MS-Exchange-Message-Is-Ndr")
"""Exim's and Google's, and Exchange's, whose bounces call themselves automatic too."""
MAIL_SYSTEM = re.compile(r"(?:^|[<\s\"])(?:mailer[-_.]?daemon|mail-?daemon|microsoftexchange[0-9a-f]+)@", re.IGNORECASE)
BOUNCE_SUBJECT = re.compile(
    r"(?:undeliver(?:able|ed)|undelivered mail|delivery (?:status notification|failure|has failed)|failure notice|"
    r"returned mail|mail (?:delivery|system) (?:failed|failure|error)|non[- ]?delivery|unzustellbar|non remis|"
    r"no se puede entregar|onbestelbaar|non recapitabile|não entregue)",
    re.IGNORECASE,
)
POSTMASTER = re.compile(r"(?:^|[<\s\"])postmaster@", re.IGNORECASE)
IS_DELAY = re.compile(r"\b(?:delay|warning|delayed|still being retried|verzög)", re.IGNORECASE)


def is_of_mail_system(parts: Parts) -> bool:
    """Whether a mail system wrote it, and nobody's out-of-office: by its sender, or by a field of its own."""
    names = {name.lower() for name in parts.message}
    if any(name.lower() in names for name in OWN_FIELDS):
        return True
    sender = parts.field("From")
    return MAIL_SYSTEM.search(sender) is not None or (
        POSTMASTER.search(sender) is not None and BOUNCE_SUBJECT.search(parts.field("Subject")) is not None
    )


def read_free_form(parts: Parts) -> Report | None:
    """Read it; ``None``: it has no form that is known."""
    try:
        delayed, failed = all_failures(_own_words(parts.message))
    except Exception:  # noqa: BLE001 - written for people's mail, given what a stranger wrote to break it
        return None
    kind = Kind.FAILED if failed else Kind.DELAYED
    named = sorted(failed or delayed)[:MOST_ADDRESSES]
    addresses = tuple(text for one in named if "@" in (text := one.decode("ascii", "replace").strip(" <>")))
    if not addresses:
        return None
    return _report(kind, [(one,) for one in addresses], find_reply(parts.prose), parts)


def read_quoted_reply(parts: Parts) -> Report | None:
    """Read what a mail system says in any language around the reply that it quotes; ``None``: it quotes none.

    It is about the addresses that are named before the mail that is returned.
    """
    said = find_reply(parts.prose)
    if not said:
        return None
    subject = parts.field("Subject")
    has_given_up = said.startswith("5") or BOUNCE_SUBJECT.search(subject) is not None
    is_delay = not has_given_up or IS_DELAY.search(subject) is not None
    named = addresses_in(_before_returned(parts.prose))
    return _report(Kind.DELAYED if is_delay else Kind.FAILED, [named], said, parts)


def _report(kind: Kind, named: list[tuple[str, ...]], said: str, parts: Parts) -> Report:
    status = STATUS.search(said or parts.prose[:TEXT_CHARACTERS])
    if not said and status is not None:
        said = _paragraph(parts.prose[status.end() : status.end() + LONGEST_REPLY])
    outcomes = tuple(
        Outcome(kind=kind, addresses=addresses, status=status[1] if status else "", diagnostic=said)
        for addresses in named
    )
    return Report(kind=kind, outcomes=outcomes, why="a bounce written for people")


def _own_words(message: Message) -> Message:
    """Without the mail that is returned or passed on: what stands in it is nobody's word about this envelope."""
    own = Message()
    for name, value in message.raw_items():
        own[name] = value
    if not str(own.get("From", "")).strip():
        del own["From"]
        own["From"] = NOBODY  # some of its rules ask for the sender without asking whether there is one
    if not message.is_multipart():
        own.set_payload(message.get_payload())
        return own
    for part in message.get_payload():
        if isinstance(part, Message) and part.get_content_type() not in RETURNED_TYPES:
            own.attach(part)
    return own


def find_reply(prose: str) -> str:
    """The host's reply as a bounce for people quotes it, up to the blank line behind it; empty: there is none."""
    text = _before_returned(prose)
    found = REPLY.search(text)
    if found is None:
        return ""
    mark = "-" if found[0].endswith("-") else " "
    return found[1] + mark + _paragraph(text[found.end() : found.end() + LONGEST_REPLY])


def _before_returned(prose: str) -> str:
    text = prose[:TEXT_CHARACTERS]
    cut = RETURNED.search(text)
    return text[: cut.start()] if cut else text


def _paragraph(text: str) -> str:
    lines = re.split(r"\n[ \t]*\n", text, maxsplit=1)[0].splitlines()
    return "\n".join(line.strip(" \t>|") for line in lines).strip()
