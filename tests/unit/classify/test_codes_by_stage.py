"""The reply codes at every stage, with no text to help."""

from __future__ import annotations

import pytest

from softbounce.classify import classify
from softbounce.reply import Reply
from softbounce.reply_codes import CODES, code_meaning, is_positive_at
from softbounce.settings import BUILT_IN
from softbounce.stage import Stage
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

SESSION = [Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH]
MAIL_STAGES = [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_DATA]
EVERY_STAGE = [*SESSION, *MAIL_STAGES]
TWO = [211, 214, 220, 221, 250, 251, 252, 299]
FOUR = [421, 450, 451, 452, 453, 454, 455, 499]
FIVE = [500, 501, 502, 503, 504, 521, 530, 550, 551, 552, 553, 554, 555, 556, 599]


def judge(code: int, stage: Stage | None, *lines: str) -> Verdict:
    """Classify a bare reply code."""
    return classify(Reply(code=code, lines=lines), stage=stage, site=None, settings=BUILT_IN)


@pytest.mark.parametrize("code", TWO)
@pytest.mark.parametrize("stage", [stage for stage in EVERY_STAGE if stage is not Stage.DATA])
def test_S11_a_2xx_is_positive(code: int, stage: Stage) -> None:
    """Any 2xx, known or not, means that the step succeeded."""
    assert judge(code, stage).word is VerdictWord.DELIVERED


@pytest.mark.parametrize("code", TWO)
def test_S13_a_2xx_to_data_is_a_protocol_error(code: int) -> None:
    """A 2xx to DATA does not ask for the message: soft, and the system's fault."""
    verdict = judge(code, Stage.DATA)
    assert (verdict.word, verdict.reason, verdict.fault) == (VerdictWord.SOFT, Reason.PROTOCOL, Fault.SYSTEM)


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_S13_a_354_is_positive_at_data_only(stage: Stage) -> None:
    """354 asks for the message after DATA; anywhere else it is a protocol error and soft."""
    expected = VerdictWord.DELIVERED if stage is Stage.DATA else VerdictWord.SOFT
    assert judge(354, stage).word is expected


@pytest.mark.parametrize("code", [0, 1, 99, 150, 199, 300, 334, 399, 600, 650, 700, 999, 2200, -1])
@pytest.mark.parametrize("stage", [*MAIL_STAGES, None])
def test_S12_a_code_out_of_range_is_soft(code: int, stage: Stage | None) -> None:
    """First digits other than 2, 4 and 5 end the transaction, yet not the message."""
    verdict = judge(code, stage)
    assert (verdict.word, verdict.reason) == (VerdictWord.SOFT, Reason.PROTOCOL)


@pytest.mark.parametrize("code", FOUR)
@pytest.mark.parametrize("stage", [*EVERY_STAGE, None])
def test_S11_a_4xx_is_soft(code: int, stage: Stage | None) -> None:
    """Any 4xx is soft at any stage, and never kills an address."""
    verdict = judge(code, stage)
    assert verdict.word is VerdictWord.SOFT
    assert not verdict.suppress


@pytest.mark.parametrize("code", FIVE)
@pytest.mark.parametrize("stage", [*MAIL_STAGES, None])
def test_S11_a_5xx_is_hard_once_mail_is_spoken_of(code: int, stage: Stage | None) -> None:
    """Any 5xx from MAIL on is hard."""
    assert judge(code, stage).word is VerdictWord.HARD


@pytest.mark.parametrize("code", FIVE)
@pytest.mark.parametrize("stage", SESSION)
def test_S02_a_5xx_before_mail_is_soft(code: int, stage: Stage) -> None:
    """A host that will not talk to us must not bounce a backlog: soft, nobody's address, the system's fault."""
    verdict = judge(code, stage)
    assert verdict.word is VerdictWord.SOFT
    assert not verdict.suppress
    if stage is not Stage.AUTH:
        assert verdict.fault is Fault.SYSTEM


@pytest.mark.parametrize("text", ["Your IP is on our blocklist", "User unknown", "Mailbox full", ""])
def test_S02_a_greeting_blames_the_system_whatever_it_says(text: str) -> None:
    """Text at the greeting may tell the reason, but the road is at fault and the address stays alive."""
    verdict = judge(554, Stage.GREETING, text)
    assert (verdict.word, verdict.fault, verdict.suppress) == (VerdictWord.SOFT, Fault.SYSTEM, False)


@pytest.mark.parametrize(("text", "is_undecided"), [("No service for you", True), ("Try again later", False)])
def test_S02_a_refusal_of_the_session_is_undecided_unless_it_says_later(text: str, *, is_undecided: bool) -> None:
    """Nobody promises that it will be withdrawn; it must not bounce a backlog all the same."""
    verdict = judge(554, Stage.GREETING, text)
    assert (verdict.word, verdict.undecided) == (VerdictWord.SOFT, is_undecided)


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_S14_a_421_blames_the_system(stage: Stage) -> None:
    """421 closes the connection and does not blame the recipient."""
    verdict = judge(421, stage)
    assert (verdict.word, verdict.fault) == (VerdictWord.SOFT, Fault.SYSTEM)


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        pytest.param(Stage.MAIL, Reason.TOO_BIG, id="MAIL: SIZE was refused"),
        pytest.param(Stage.RCPT, Reason.MAILBOX_FULL, id="RCPT: the mailbox is full"),
        pytest.param(Stage.END_OF_DATA, Reason.TOO_BIG, id="after the dot: the message is too big"),
    ],
)
def test_M06_a_552_alone_is_hard_and_read_by_its_stage(stage: Stage, reason: Reason) -> None:
    """552 without text is permanent; what was exceeded follows from the stage."""
    verdict = judge(552, stage)
    assert (verdict.word, verdict.reason) == (VerdictWord.HARD, reason)


def test_every_code_has_words_at_every_stage() -> None:
    """The table of codes is complete: each has words and a meaning wherever it stands."""
    for code in [*CODES, *range(1000)]:
        for stage in [*Stage, None]:
            words, meaning = code_meaning(code, stage)
            assert words
            assert meaning.reason in Reason


def test_a_verdict_says_its_stage() -> None:
    """The stage travels with the verdict: a hard one at *route* is unroutable, any other rejected."""
    assert judge(550, Stage.RCPT).stage is Stage.RCPT
    assert not is_positive_at(250, Stage.DATA)
