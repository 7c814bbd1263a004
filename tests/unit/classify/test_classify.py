"""Replies with text, and the rules around them: what each means, and why."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from softbounce.classify import active_rules, classify, parse_reply_text
from softbounce.classify.wording import read_text
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN, ReplyRule, Settings
from softbounce.stage import Stage
from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord

HARD, SOFT = VerdictWord.HARD, VerdictWord.SOFT
DOT = Stage.END_OF_DATA
Stages = Stage | None
case = pytest.param


def judge(text: str, stage: Stages = Stage.RCPT, *, site: str | None = None, settings: Settings = BUILT_IN) -> Verdict:
    """Classify a reply that is written as text."""
    return classify(parse_reply_text(text), stage=stage, site=site, settings=settings)


def with_rules(*rules: ReplyRule) -> Settings:
    """Make settings with these reply rules."""
    return msgspec.structs.replace(BUILT_IN, reply=rules)


@pytest.mark.parametrize(
    ("text", "stage", "expected", "reason"),
    [
        case("550 5.1.1 no such user", Stage.RCPT, (HARD, True), Reason.BAD_MAILBOX, id="no such user"),
        case("550 sorry, no mailbox here by that name (#5.1.1)", None, (HARD, True), Reason.BAD_MAILBOX, id="qmail"),
        case("550 5.1.1 Recipient unknown", DOT, (HARD, True), Reason.BAD_MAILBOX, id="after dot"),
        case("550 5.1.1 User unknown", Stage.DATA, (HARD, True), Reason.BAD_MAILBOX, id="after DATA"),
        case("554 5.5.1 no valid recipients", Stage.DATA, (HARD, False), Reason.BAD_MAILBOX, id="DATA: all of them"),
        case("550 5.1.1 User unknown", Stage.MAIL, (HARD, False), Reason.SENDER_REFUSED, id="MAIL: the sender"),
        case("550 5.1.2 Host unknown", Stage.RCPT, (HARD, True), Reason.BAD_DOMAIN, id="no such domain"),
        case("450 4.1.1 User unknown", Stage.RCPT, (SOFT, False), Reason.BAD_MAILBOX, id="4xx kills nobody"),
        case("450 5.1.1 User unknown", Stage.RCPT, (SOFT, False), Reason.BAD_MAILBOX, id="S18 the code wins"),
        case("550 4.2.1 whatever", Stage.RCPT, (HARD, False), Reason.INACTIVE, id="S18 the code wins again"),
        case("550 qwertz", Stage.RCPT, (HARD, False), Reason.BAD_MAILBOX, id="unsaid"),
        case("550 User account is disabled", Stage.RCPT, (HARD, True), Reason.INACTIVE, id="disabled"),
        case("550 Account suspended", Stage.RCPT, (HARD, False), Reason.INACTIVE, id="suspended is not dead"),
        case("552 5.2.2 Over quota", Stage.RCPT, (SOFT, False), Reason.MAILBOX_FULL, id="full: retried"),
        case("552 5.2.2 ???", Stage.RCPT, (SOFT, False), Reason.MAILBOX_FULL, id="full by enhanced status"),
        case("554 5.2.1 <u@a.example> is full, quota exceeded", None, (SOFT, False), Reason.MAILBOX_FULL, id="text"),
        case("550 Exceeded hourly limit", Stage.MAIL, (SOFT, False), Reason.RATE_LIMIT, id="rate: retried"),
        case("550 Greylisted", Stage.RCPT, (SOFT, False), Reason.GREYLIST, id="greylisted with a 5xx"),
        case("451 4.7.1 Greylisting in action", Stage.RCPT, (SOFT, False), Reason.GREYLIST, id="greylisted"),
        case("550 Service busy, try again later", Stage.RCPT, (SOFT, False), Reason.SYSTEM, id="5xx says later"),
        case("550 User unknown, try again later", Stage.RCPT, (HARD, True), Reason.BAD_MAILBOX, id="dead is dead"),
        case("552 5.3.4 Message too big, try again", Stage.MAIL, (HARD, False), Reason.TOO_BIG, id="too big stays"),
        case("550 blocked using bl.example.org", Stage.RCPT, (HARD, False), Reason.IP_REPUTATION, id="blocklist"),
        case("550 spam detected", DOT, (HARD, False), Reason.SPAM_CONTENT, id="spam"),
        case("554 virus found", DOT, (HARD, False), Reason.VIRUS, id="virus"),
        case("550 5.7.1 DMARC failure", DOT, (HARD, False), Reason.AUTH, id="DMARC"),
        case("451 SPF check: temporary DNS error", Stage.MAIL, (SOFT, False), Reason.AUTH, id="SPF for now"),
        case("550 Reverse DNS lookup failed", Stage.MAIL, (HARD, False), Reason.SENDER_DNS, id="no PTR"),
        case("554 5.7.1 Relay access denied", Stage.RCPT, (HARD, False), Reason.RELAY_DENIED, id="relay"),
        case("421 Too many connections", Stage.GREETING, (SOFT, False), Reason.RATE_LIMIT, id="connections"),
        case("554 5.4.6 Too many hops", DOT, (HARD, False), Reason.PROTOCOL, id="loop"),
        case("550 Mailbox pleine, boite pleine", Stage.RCPT, (SOFT, False), Reason.MAILBOX_FULL, id="French"),
        case("550 Utilisateur inconnu", Stage.RCPT, (HARD, True), Reason.BAD_MAILBOX, id="French again"),
        case("550 BENUTZER UNBEKANNT", Stage.RCPT, (HARD, True), Reason.BAD_MAILBOX, id="German in capitals"),
        case("550 宛先不明", Stage.RCPT, (HARD, True), Reason.BAD_MAILBOX, id="Japanese"),
    ],
)
def test_meaning(text: str, stage: Stages, expected: tuple[VerdictWord, bool], reason: Reason) -> None:
    """The first digit decides, a named rule may retry a 5xx, the text gives the reason, dead addresses are few."""
    verdict = judge(text, stage)
    assert ((verdict.word, verdict.suppress), verdict.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("text", "fault", "fine"),
    [
        case("550 No such user", Fault.RECIPIENT, FineFault.RECIPIENT, id="recipient"),
        case("550 Virus found", Fault.MESSAGE, FineFault.MESSAGE, id="message"),
        case("550 Poor reputation", Fault.SENDER, FineFault.SENDER_REPUTATION, id="reputation"),
        case("550 SPF fail", Fault.SENDER, FineFault.SENDER_CONFIG, id="configuration"),
        case("451 Internal error", Fault.SYSTEM, FineFault.RECEIVER_SYSTEM, id="receiving system"),
        case("550 Relaying denied", Fault.RECIPIENT, FineFault.POLICY, id="policy about a recipient"),
        case("550 Sender is blocked", Fault.SENDER, FineFault.POLICY, id="policy about a sender"),
        case("550 Rejected by local policy", Fault.MESSAGE, FineFault.POLICY, id="policy about no one named"),
    ],
)
def test_faults(text: str, fault: Fault, fine: FineFault) -> None:
    """A fine fault has one coarse fault; a policy stays with whoever the reason names."""
    verdict = judge(text, Stage.RCPT)
    assert (verdict.fault, verdict.fine_fault) == (fault, fine)


def test_a_5xx_about_reputation_is_disputed_and_follows_the_code() -> None:
    """Sources differ on retrying a blocklisting: the verdict is hard and says that it is disputed."""
    verdict = judge("550 listed in bl.example.org")
    assert (verdict.word, verdict.undecided) == (HARD, True)


@pytest.mark.parametrize("name", ["mailbox-full", "builtin:mailbox-full", "mailbox-*", "*"])
@pytest.mark.parametrize("text", ["552 Mailbox full", "552 5.2.2 no words here"])
def test_S10_a_named_rule_can_be_switched_off(name: str, text: str) -> None:
    """With its rule off, a full mailbox follows the code: hard."""
    assert judge(text, settings=msgspec.structs.replace(BUILT_IN, disabled_rules=(name,))).word is HARD


def test_S10_text_never_makes_a_4xx_hard_nor_anything_positive() -> None:
    """No built-in wording turns soft into hard."""
    for wording in active_rules().wordings:
        for phrase in wording.phrases:
            assert judge("450 " + " ".join(phrase), settings=BUILT_IN).word is SOFT


def test_A25_a_providers_marks_count_at_its_site_only() -> None:
    """A stranger that writes Yahoo's marks is not read as Yahoo."""
    assert judge("553 [BL21] no", Stage.RCPT, site="yahoodns.net").rule == "builtin:yahoo-blocked"
    assert judge("553 [BL21] no", Stage.RCPT, site="yahoodns.net.evil.example").rule != "builtin:yahoo-blocked"


@pytest.mark.parametrize(
    "text",
    ["550 Kullan\u0131c\u0131 bulunamad\u0131", "550 KULLANICI BULUNAMADI", "550 B\u0142\u0119dny: brak takiego"],
)
def test_letters_that_unicode_does_not_take_apart_are_read_as_their_plain_ones(text: str) -> None:
    """Turkish and Polish say it, with their own letters or without."""
    verdict = classify(parse_reply_text(text), stage=Stage.RCPT, site=None, settings=BUILT_IN)
    assert (verdict.reason, verdict.suppress) == (Reason.BAD_MAILBOX, True)


def test_an_address_in_the_text_is_not_read_as_words() -> None:
    """Local parts are the sender's choice: they decide nothing."""
    assert judge("550 <mailbox-full.spam.virus@example.com>: User unknown").reason is Reason.BAD_MAILBOX
    assert "spam" not in read_text("x spam@example.com, y").words


@pytest.mark.parametrize("text", ["a" * 70_000, "a@" * 40_000, " " * 70_000, "é" * 70_000, "5.1." * 20_000])
def test_A24_a_long_text_is_cut(text: str) -> None:
    """Whatever its length, at most 1 KiB of a text is read."""
    assert len(read_text(text).words) <= 1026 * 2
    assert classify(Reply(code=550, lines=(text,)), stage=Stage.RCPT, site=None, settings=BUILT_IN).word is HARD
    late = Reply(code=550, lines=("x " * 600, "mailbox full"))
    assert classify(late, stage=Stage.RCPT, site=None, settings=BUILT_IN).reason is not Reason.MAILBOX_FULL


def test_a_web_address_is_looked_at_by_itself() -> None:
    """Words in the path of a web address are no words of the reply; what it names may tell the reason."""
    assert judge("550 no, see https://mail.example/help/virus/mailbox-full").reason is Reason.BAD_MAILBOX
    assert judge("550 no, see https://www.spamhaus.org/x").reason is Reason.IP_REPUTATION


def test_user_rules_that_do_not_fit_change_nothing() -> None:
    """Without a rule that fits, the built-in verdict stands."""
    assert judge("550 x", settings=with_rules(ReplyRule(name="other", code="551"))) == judge("550 x")
    assert judge("550 x", settings=with_rules(ReplyRule(name="other", text="y"))) == judge("550 x")


def test_user_rules_come_first_and_replace_what_they_say() -> None:
    """The first user rule that fits gives its answers; what it leaves out stays the built-in verdict's."""
    rule = ReplyRule(
        name="orange-full",
        code="55?",
        enhanced="5.1.1",
        site="*orange.fr",
        stage="rcpt",
        text="pleine*REVENEZ",
        retry=True,
        reason="mailbox_full",
        delays=(timedelta(hours=1),),
        window=timedelta(days=2),
    )
    settings = with_rules(rule, ReplyRule(name="second", retry=False))
    verdict = judge("552 5.1.1 boite PLEINE, revenez", site="orange.fr", settings=settings)
    assert verdict == Verdict(
        word=SOFT,
        fault=Fault.RECIPIENT,
        fine_fault=FineFault.RECIPIENT,
        reason=Reason.MAILBOX_FULL,
        rule="orange-full",
        delays=(timedelta(hours=1),),
        window=timedelta(days=2),
        stage=Stage.RCPT,
    )
    for other in ("451 5.1.1 pleine revenez", "552 5.1.2 pleine revenez", "552 5.1.1 revenez pleine"):
        assert judge(other, site="orange.fr", settings=settings).rule == "second"
    assert judge("552 5.1.1 pleine revenez", site=None, settings=settings).rule == "second"
    assert judge("552 5.1.1 pleine revenez", Stage.MAIL, site="orange.fr", settings=settings).rule == "second"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        case("sender", (Fault.SENDER, FineFault.SENDER_CONFIG), id="coarse word"),
        case("sender_reputation", (Fault.SENDER, FineFault.SENDER_REPUTATION), id="fine word"),
        case("nobody", (Fault.RECIPIENT, FineFault.RECIPIENT), id="a word that is none is passed over"),
    ],
)
def test_a_user_rule_names_the_fault(fault: str, expected: tuple[Fault, FineFault]) -> None:
    """A user rule may name the fault coarsely or finely."""
    verdict = judge("550 No such user", settings=with_rules(ReplyRule(name="mine", fault=fault)))
    assert (verdict.fault, verdict.fine_fault) == expected


def test_a_user_rule_never_reaches_a_positive_reply() -> None:
    """No rule of anyone turns a 250 into a failure, or a failure into a success."""
    settings = with_rules(ReplyRule(name="all", retry=False))
    assert judge("250 ok", Stage.END_OF_DATA, settings=settings).word is VerdictWord.DELIVERED


def test_a_user_rule_may_suppress_only_what_is_hard() -> None:
    """An address is never suppressed while its mail is still being retried."""
    rule = ReplyRule(name="mine", suppress=True)
    assert judge("550 spam", settings=with_rules(rule)).suppress
    assert not judge("450 spam", settings=with_rules(rule)).suppress
    assert not judge("550 No such user", settings=with_rules(ReplyRule(name="mine", suppress=False))).suppress


def test_a_user_rule_may_make_a_refusing_greeting_hard() -> None:
    """Policy may say that a greeting with 554 bounces."""
    rule = ReplyRule(name="strict", stage="greeting", code="5*", retry=False)
    assert judge("554 go away", Stage.GREETING, settings=with_rules(rule)).word is HARD


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT, DOT, None])
@pytest.mark.parametrize(
    "text",
    [
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
            "Error: open resolver; https://check.spamhaus.org/returnc/pub/198.51.100.7/"
        ),
        (
            "554 5.7.1 Service unavailable; Sender address [a@sender.example] blocked using dbl.spamhaus.org; "
            "Error: open resolver; https://www.spamhaus.org/returnc/pub/198.51.100.7/"
        ),
        "550 Error: open resolver; https://www.spamhaus.org/returnc/pub/2001:db8::1",
        "550 5.7.1 rejected, see https://www.spamhaus.org/returnc/vol/",
        "554 5.7.1 192.0.2.1 is listed at zen.spamhaus.org (127.255.255.254)",
        "550 found in RBL xbl.example.net=127.255.255.252",
        "571 Message refused: zen.spamhaus.org=[127.255.255.255]: excessive number of queries",
        "554 5.7.1 blocked using multi.uribl.com; 127.0.0.1 -> Query Refused. See http://uribl.com/refused.shtml",
        "550 5.7.1 blacklisted by black.uribl.com (127.0.0.1)",
        "550 DNSBL lookup failed for bl.example.net, your mail is rejected",
        "550 rejected by relays.example.org: this list has been shut down, remove it from your mail server",
        "550 5.7.1 Blocked due to excessive queries by this name server",
    ],
)
def test_issue10_36_a_blocklist_that_did_not_answer_the_receiver_lists_nobody(text: str, stage: Stages) -> None:
    """Where the receiver's own look-up failed the mail is tried again, and neither sender nor address is at fault."""
    verdict = judge(text, stage)
    assert (verdict.word, verdict.suppress, verdict.reason) == (SOFT, False, Reason.SYSTEM)
    assert (verdict.fault, verdict.fine_fault) == (Fault.SYSTEM, FineFault.RECEIVER_SYSTEM)
    assert verdict.rule == "builtin:blocklist-lookup-failed"


@pytest.mark.parametrize(
    "text",
    [
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using rbl.example.org; spam source",
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using dnsbl.example.org; Blocked - see "
            "https://www.example.org/query/ip/192.0.2.1"
        ),
        (
            "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. To request removal from "
            "this list see https://www.spamhaus.org/query/ip/192.0.2.1"
        ),
        "554 5.7.1 listed at zen.spamhaus.org (127.0.0.4)",
    ],
)
def test_issue10_36_a_listing_stays_the_sender_s(text: str) -> None:
    """A blocklist that answered with a listing is about our address, whatever else stands beside it."""
    verdict = judge(text)
    assert (verdict.reason, verdict.fault) == (Reason.IP_REPUTATION, Fault.SENDER)
    assert judge("451 4.3.0 dnsbl has no say here, mailbox busy").rule != "builtin:blocklist-lookup-failed"


def test_issue10_36_it_can_be_switched_off() -> None:
    """As every rule that turns a 5xx into a retry, by its name."""
    off = msgspec.structs.replace(BUILT_IN, disabled_rules=("blocklist-lookup-failed",))
    text = "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org; Error: open resolver"
    assert judge(text, settings=off).word is HARD
