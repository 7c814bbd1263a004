"""Which sign of a reply counts: words, the enhanced status, the code; and what the stage makes of it."""

from __future__ import annotations

import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.classify.rule_pack import active_rules
from softbounce.classify.signs import Signs
from softbounce.classify.wording import TEXT_LIMIT, Wording, read_text
from softbounce.meaning import Meaning
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN
from softbounce.stage import Stage
from softbounce.verdict import FineFault, Reason


@pytest.mark.parametrize(
    ("stage", "text", "rule", "reason", "fault", "is_dead"),
    [
        ("greeting", "452 4.2.2 mailbox full", "mailbox-full", "mailbox_full", "receiver_system", False),
        ("rcpt", "452 4.2.2 mailbox full", "mailbox-full", "mailbox_full", "recipient", False),
        ("ehlo", "550 5.1.1 user unknown", "bad-mailbox", "bad_mailbox", "receiver_system", False),
        ("rcpt", "450 4.1.2 domain not found", "bad-domain", "bad_domain", "receiver_system", False),
        ("rcpt", "550 5.1.2 domain not found", "bad-domain", "bad_domain", "recipient", True),
        ("rcpt", "450 domain not found", "bad-domain", "bad_domain", "receiver_system", False),
        ("rcpt", "450 4.1.1 try again later", "says-not-now", "system", "receiver_system", False),
        ("rcpt", "450 5.1.1 no thanks", "enhanced-5.1.1", "bad_mailbox", "recipient", False),
        ("rcpt", "550 4.1.1 no thanks", "enhanced-4.1.1", "bad_mailbox", "recipient", False),
        ("rcpt", "450 4.1.1 no thanks", "enhanced-4.1.1", "bad_mailbox", "recipient", False),
        ("rcpt", "450 4.1.1 policy", "policy", "policy", "policy", False),
        ("rcpt", "450 5.1.1 rejected by policy", "policy", "policy", "policy", False),
        ("rcpt", "550 5.1.1 recipient syntax error", "enhanced-5.1.1", "bad_mailbox", "recipient", True),
        ("rcpt", "550 5.1.1 no thanks", "enhanced-5.1.1", "bad_mailbox", "recipient", True),
        ("rcpt", "550 5.1.1 temporary failure, try again later", "says-try-later", "bad_mailbox", "recipient", False),
        ("rcpt", "550 5.1.1 rejected by policy", "enhanced-5.1.1", "bad_mailbox", "recipient", False),
        ("rcpt", "550 5.2.1 it is temporarily unavailable", "says-try-later", "inactive", "recipient", False),
        ("rcpt", "550 5.2.1 no mail from this sender", "sender-refused", "sender_refused", "sender_config", False),
        ("rcpt", "510 5.1.1 you are not subscribed", "recipient-restricts", "recipient_refused", "policy", False),
        (
            "rcpt",
            "550 Called: 192.0.2.1 Sent: RCPT TO:<a@b.test> Response: 550 no such user",
            "sender-refused",
            "sender_refused",
            "sender_config",
            False,
        ),
        ("rcpt", "550 5.1.1 protocol violation", "enhanced-5.1.1", "bad_mailbox", "recipient", True),
        ("rcpt", "550 5.4.316 Message expired", "enhanced-5.4.316", "network", "receiver_system", False),
        (
            "rcpt",
            "550 5.7.606 Access denied, banned sending IP",
            "enhanced-5.7.606",
            "ip_reputation",
            "sender_reputation",
            False,
        ),
        ("rcpt", "550 5.7.511 mailbox full", "mailbox-full", "ip_reputation", "sender_reputation", False),
        ("rcpt", "500 authentication required", "tls-or-auth-needed", "policy", "policy", False),
        ("rcpt", "550 5.0.0 mailbox full", "mailbox-full", "mailbox_full", "recipient", False),
        ("rcpt", "550 5.7.350 mailbox full", "mailbox-full", "mailbox_full", "recipient", False),
        ("greeting", "554 5.7.1 members only", "recipient-restricts", "ip_reputation", "sender_reputation", False),
        ("greeting", "530 5.7.0 must issue starttls", "tls-needed", "policy", "policy", False),
        ("rcpt", "550 5.0.0 no", "code-550", "bad_mailbox", "recipient", False),
        ("rcpt", "550 5.9.9 no", "code-550", "bad_mailbox", "recipient", False),
        ("rcpt", "550 5.7.1 no", "enhanced-5.7.1", "policy", "policy", False),
        ("rcpt", "550 5.7.0 no", "enhanced-5.7.0", "policy", "policy", False),
        ("greeting", "554 5.7.1 refused by policy", "policy", "ip_reputation", "sender_reputation", False),
        ("greeting", "554 5.7.1 no", "enhanced-5.7.1", "ip_reputation", "sender_reputation", False),
        ("greeting", "554 no", "code-554", "ip_reputation", "sender_reputation", False),
        ("greeting", "554 policy violation", "policy", "ip_reputation", "sender_reputation", False),
        ("greeting", "421 4.7.0 connection refused", "network", "ip_reputation", "sender_reputation", False),
        ("connect", "421 connection refused", "network", "ip_reputation", "sender_reputation", False),
        ("greeting", "421 4.4.2 bad connection", "enhanced-4.4.2", "network", "receiver_system", False),
        ("greeting", "554 5.7.1 recipient refused", "recipient-blocks", "recipient_refused", "receiver_system", False),
        ("rcpt", "554 5.7.1 refused by policy", "policy", "policy", "policy", False),
        ("mail", "550 5.1.1 unknown", "enhanced-5.1.1", "sender_refused", "sender_config", False),
        ("mail", "550 domain not found", "bad-domain", "sender_dns", "sender_config", False),
        ("mail", "550 5.1.8 bad sender domain", "sender-refused", "sender_refused", "sender_config", False),
        ("rcpt", "550 mittente rifiutato: dominio non trovato", "sender-dns", "sender_dns", "sender_config", False),
        ("rcpt", "550 nadawca odrzucony: nie znaleziono domeny", "sender-dns", "sender_dns", "sender_config", False),
        (
            "rcpt",
            "550 Adresse du destinataire rejetée : utilisateur inconnu",
            "bad-mailbox-rejected-abroad",
            "bad_mailbox",
            "recipient",
            True,
        ),
        (
            "mail",
            "501 Sender refused by the DNSBL list.example",
            "sender-reputation-named",
            "ip_reputation",
            "sender_reputation",
            False,
        ),
        (
            "rcpt",
            "534 5.7.14 log in via your web browser, then try again",
            "relay-denied",
            "relay_denied",
            "policy",
            False,
        ),
    ],
)
def test_the_sign_that_counts(stage: str, text: str, rule: str, reason: str, fault: str, is_dead: bool) -> None:  # noqa: PLR0917
    """Each with the rule that it is explained by."""
    verdict = classify(parse_reply_text(text), stage=Stage(stage), site=None, settings=BUILT_IN)
    found = (verdict.rule, str(verdict.reason), str(verdict.fine_fault), verdict.suppress)
    assert found == (f"builtin:{rule}", reason, fault, is_dead)


@pytest.mark.parametrize("code", [500, 501, 504, 550, 554, 599])
@pytest.mark.parametrize(
    ("enhanced", "line", "rule", "is_dead"),
    [
        (None, "no (#5.1.1)", "enhanced-5.1.1", True),
        (None, "domain not found", "bad-domain", True),
        (None, "Try again later", "says-try-later", False),
        ("5.1.1", "no", "enhanced-5.1.1", True),
        ("5.1.1", "denied", "enhanced-5.1.1", True),
    ],
)
def test_each_5xx_is_read_as_its_first_digit_says(
    code: int, enhanced: str | None, line: str, rule: str, is_dead: bool
) -> None:
    """Where its words or its enhanced status say more than the code."""
    reply = Reply(code=code, enhanced=enhanced, lines=(line,))
    verdict = classify(reply, stage=Stage.RCPT, site=None, settings=BUILT_IN)
    assert (verdict.rule, verdict.suppress) == (f"builtin:{rule}", is_dead)


@pytest.mark.parametrize("lines", [1, 2, 8, 512])
def test_no_more_of_a_reply_is_read_than_its_first_kibibyte(lines: int) -> None:
    """Blanks between lines included; and all of that is."""
    each = TEXT_LIMIT // lines - 1
    reply = Reply(code=550, enhanced=None, lines=("x" * each,) * lines + ("mailbox full",) * 2)
    raw = Signs.read(reply, stage=Stage.RCPT, site=None, rules=active_rules()).raw
    assert raw == " ".join(["x" * each] * lines)
    fewer = Reply(code=550, enhanced=None, lines=reply.lines[1:])
    rest = Signs.read(fewer, stage=Stage.RCPT, site=None, rules=active_rules()).raw
    assert len(rest) <= TEXT_LIMIT
    assert rest.startswith(" ".join([*["x" * each] * (lines - 1), "mailbox full"][:lines])[:TEXT_LIMIT])


def test_the_words_around_an_address_are_read_and_it_is_not() -> None:
    """A name that looks like words is none."""
    assert read_text("<mailbox.full@no.such.user.example>:unknown <a@b.test>denied").words == " unknown denied "


def test_a_wording_that_says_no_more_is_of_every_code_strong_and_final() -> None:
    """What a rule does not say, it does not mean."""
    wording = Wording(name="x", meaning=Meaning(reason=Reason.POLICY, fault=FineFault.POLICY), phrases=())
    assert all(wording.is_for(digit, subject) for digit in (2, 4, 5) for subject in (None, 1, 7))
    assert (wording.is_weak, wording.retries) == (False, False)
