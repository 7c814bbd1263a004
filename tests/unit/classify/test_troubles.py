"""What ended an attempt without a reply."""

from __future__ import annotations

import pytest

from softbounce.classify import classify
from softbounce.classify.troubles import TROUBLES
from softbounce.reply import Trouble, TroubleKind
from softbounce.settings import BUILT_IN, ReplyRule, Settings
from softbounce.stage import Stage
from softbounce.verdict import Fault, Reason, VerdictWord

HARD, SOFT = VerdictWord.HARD, VerdictWord.SOFT
KIND = TroubleKind


@pytest.mark.parametrize(
    ("kind", "stage", "word", "suppress", "fault"),
    [
        pytest.param(KIND.NO_SUCH_DOMAIN, Stage.ROUTE, HARD, True, Fault.RECIPIENT, id="D07 NXDOMAIN"),
        pytest.param(KIND.DNS_TEMPORARY, Stage.ROUTE, SOFT, False, Fault.SYSTEM, id="D08 SERVFAIL"),
        pytest.param(KIND.NO_MAIL_HOST, Stage.ROUTE, HARD, False, Fault.RECIPIENT, id="D09 no usable host"),
        pytest.param(KIND.NULL_MX, Stage.ROUTE, HARD, True, Fault.RECIPIENT, id="D13 null MX"),
        pytest.param(KIND.MAIL_LOOP, Stage.ROUTE, HARD, False, Fault.SYSTEM, id="D16 loop"),
        pytest.param(KIND.ADDRESS_REFUSED, Stage.ROUTE, HARD, False, Fault.RECIPIENT, id="A08 private address"),
        pytest.param(KIND.CONNECT_REFUSED, Stage.CONNECT, SOFT, False, Fault.SYSTEM, id="refused"),
        pytest.param(KIND.CONNECT_TIMEOUT, Stage.CONNECT, SOFT, False, Fault.SYSTEM, id="T02 blackhole"),
        pytest.param(KIND.CONNECT_FAILED, Stage.CONNECT, SOFT, False, Fault.SYSTEM, id="no route"),
        pytest.param(KIND.TIMEOUT, Stage.RCPT, SOFT, False, Fault.SYSTEM, id="T06 silence"),
        pytest.param(KIND.CONNECTION_LOST, Stage.DATA, SOFT, False, Fault.SYSTEM, id="S15 as if 451"),
        pytest.param(KIND.PROTOCOL_ERROR, Stage.RCPT, SOFT, False, Fault.SYSTEM, id="S09 nonsense"),
        pytest.param(KIND.TLS_FAILED, Stage.STARTTLS, SOFT, False, Fault.SYSTEM, id="L04 TLS"),
        pytest.param(KIND.TOO_BIG, Stage.MAIL, HARD, False, Fault.MESSAGE, id="M21 SIZE"),
        pytest.param(KIND.NEEDS_8BITMIME, Stage.MAIL, HARD, False, Fault.MESSAGE, id="M24 8-bit"),
        pytest.param(KIND.NEEDS_SMTPUTF8, Stage.MAIL, HARD, False, Fault.MESSAGE, id="M25 UTF-8"),
        pytest.param(KIND.NEEDS_REQUIRETLS, Stage.MAIL, HARD, False, Fault.SYSTEM, id="L17 REQUIRETLS"),
        pytest.param(KIND.WORKER_LOST, Stage.END_OF_DATA, SOFT, False, Fault.SYSTEM, id="F04 our own"),
        pytest.param(KIND.SITE_UNAVAILABLE, Stage.CONNECT, SOFT, False, Fault.SYSTEM, id="lane closed"),
    ],
)
def test_trouble(kind: TroubleKind, stage: Stage, word: VerdictWord, suppress: bool, fault: Fault) -> None:
    """What can never succeed is hard, what may is soft, and only a domain that is gone kills an address."""
    verdict = classify(Trouble(kind=kind, text="x"), stage=stage, site=None, settings=BUILT_IN)
    assert (verdict.word, verdict.suppress, verdict.fault, verdict.stage) == (word, suppress, fault, stage)


def test_every_trouble_has_a_meaning() -> None:
    """The table knows every kind."""
    assert set(TROUBLES) == set(TroubleKind)


def test_a_permanent_trouble_is_hard() -> None:
    """Who reports a trouble may say that it is permanent."""
    trouble = Trouble(kind=KIND.TLS_FAILED, text="REQUIRETLS", permanent=True)
    assert classify(trouble, stage=Stage.EHLO, site=None, settings=BUILT_IN).word is HARD


def test_D07_a_user_rule_grants_grace_to_a_missing_domain() -> None:
    """A rule for the stage *route* turns NXDOMAIN into a soft bounce."""
    settings = Settings(reply=(ReplyRule(name="grace", stage="route", reason="bad_domain", retry=True),))
    verdict = classify(Trouble(kind=KIND.NO_SUCH_DOMAIN, text="x"), stage=Stage.ROUTE, site=None, settings=settings)
    assert (verdict.word, verdict.suppress, verdict.reason) == (SOFT, False, Reason.BAD_DOMAIN)
