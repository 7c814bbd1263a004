"""What a machine answered for its owner: out of office, thank you, was read. None of it is a bounce (RFC 3834)."""

from __future__ import annotations

import re

from softbounce_gateway.returns.reading.parts import Parts

__all__ = ["is_automatic_reply"]

PRECEDENCES = frozenset({"auto_reply", "auto-reply", "bulk", "junk", "list"})
FIELDS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Vacation", "X-Auto-Reply-From", "X-FC-MachineGenerated")
SUBJECT = re.compile(
    r"(?:re:\s*)?(?:\[?auto(?:matic)?[ :-]*(?:re(?:ply|sponse))|out of (?:the )?office|auto:|vacation|on vacation|"
    r"away from|abwesen|automatische antwort|r[ée]ponse automatique|absence du bureau|"
    r"respuesta autom[aá]tica|fuera de la oficina|"
    r"risposta automatica|fuori sede|afwezig|automatisch antwoord|autosvar|resposta autom[aá]tica)",
    re.IGNORECASE,
)


def is_automatic_reply(parts: Parts) -> bool:
    """Whether it is one. To be asked of what is no report in any form."""
    said = parts.field("Auto-Submitted").partition(";")[0].strip().lower()
    if said and said != "no":
        return True
    if any(parts.field(name) for name in FIELDS) or parts.field("Precedence").lower() in PRECEDENCES:
        return True
    if any(True for _ in parts.of_type("message/disposition-notification")):
        return True
    return SUBJECT.match(parts.field("Subject")) is not None
