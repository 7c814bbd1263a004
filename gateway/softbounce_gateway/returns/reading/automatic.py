"""What a machine answered for its owner: out of office, thank you, was read. None of it is a bounce (RFC 3834)."""

from __future__ import annotations

import re

from softbounce_gateway.returns.reading.parts import Parts

__all__ = ["is_automatic_reply"]

PRECEDENCES = frozenset({"auto_reply", "auto-reply", "bulk", "junk", "list"})
FIELDS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Vacation", "X-Auto-Reply-From", "X-FC-MachineGenerated")
PRECEDENCE_FIELDS = ("Precedence", "X-Precedence")
SUBJECT = re.compile(
    r"(?:re:\s*)?\W{0,3}(?:auto(?:matic)?[ :-]*(?:re(?:ply|sponse))|auto:|ooo\b|"
    r"(?:i(?: am|.m) )?(?:currently )?out of (?:the )?office|(?:on |annual )?(?:vacation|holiday|leave)\b|away from|"
    r"abwesen|automatische antwort|(?:urlaubs?|büro)abwesenheit|"
    r"r[ée]ponse automatique|absence du bureau|message d.absence|"
    r"respuesta autom[aá]tica|fuera de (?:la )?oficina|risposta automatica|fuori (?:sede|ufficio)|"
    r"afwezig|automatisch antwoord|aut\w{0,3}svar|automatisk svar|frånvaro|fravær|ikke til stede|"
    r"resposta autom[aá]tica|automaattinen vastaus|poissaolo|"
    r"automatyczna odpowied|autoodpowied|automatick[áa] odpov|automatikus v[áa]lasz|r[ăa]spuns automat|"
    r"otomatik yan.t|автоматический ответ|автоответ|автоматична відповідь|"
    r"自動(?:返信|応答|回覆|回复)|不在(?:通知|の)|自动(?:回复|答复)|자동 ?(?:회신|응답)|부재중)",
    re.IGNORECASE,
)
"""As Exchange, Gmail and people begin them."""


def is_automatic_reply(parts: Parts) -> bool:
    """Whether it is one. To be asked of what is no report in any form."""
    said = parts.field("Auto-Submitted").partition(";")[0].strip().lower()
    if said and said != "no":
        return True
    if any(parts.field(name) for name in FIELDS):
        return True
    if any(parts.field(name).lower() in PRECEDENCES for name in PRECEDENCE_FIELDS):
        return True
    if any(True for _ in parts.of_type("message/disposition-notification")):
        return True
    return SUBJECT.match(parts.field("Subject")) is not None
