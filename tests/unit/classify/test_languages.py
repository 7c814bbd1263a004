"""What a host says in another language means what it means in English: the same reason, and no address more is dead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.settings import BUILT_IN
from softbounce.verdict import Verdict

ROWS = [json.loads(line) for line in Path(__file__).with_name("languages.jsonl").read_text("utf-8").splitlines()]


def judge(text: str) -> Verdict:
    """What it means, whenever it is said."""
    return classify(parse_reply_text(text), stage=None, site=None, settings=BUILT_IN)


@pytest.mark.parametrize("row", ROWS, ids=[row["en"][:60] for row in ROWS])
def test_issue13_1_a_reply_means_the_same_in_each_language(row: dict[str, str]) -> None:
    """Replies of servers, in the words of 22 other languages."""
    meant = judge(row["en"])
    for language, text in row.items():
        read = judge(text)
        assert (read.reason, read.suppress) == (meant.reason, meant.suppress), (language, text, read.rule)


@pytest.mark.parametrize(
    "text",
    [
        "550 Das Postfach des Absenders existiert nicht",  # the sender's mailbox
        "550 Скринька відправника не існує",
        "550 Ungültiger HELO-Name",
        "550 Nome HELO non valido",
        "500 Ukendt kommando",  # an unknown command
        "500 ismeretlen parancs",
        "550 Votre compte est désactivé",  # of whom we log in as
        "550 Ihr Konto wurde gesperrt",
        "554 Das Konto dieses Nutzers ist gesperrt",  # locked: may be opened again
        "554 该用户的帐户已被冻结",
        "550 Nome host del client non trovato",  # the name of our host
    ],
)
def test_issue13_1_who_is_not_the_recipient_is_not_dead(text: str) -> None:
    """Words of what does not exist, or is closed, said of a sender, a command, our name, our login."""
    assert not judge(text).suppress
