"""The rule pack: what is checked when it is read, and what the built-in one promises."""

from __future__ import annotations

import re
import time

import pytest

from softbounce.classify import active_rules, classify, parse_reply_text, read_pack
from softbounce.classify.rule_pack import PREFIX, built_in_text
from softbounce.errors import ConfigError
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN, Settings
from softbounce.stage import Stage
from softbounce.verdict import Reason, VerdictWord

RULE = """
[[rule]]
name = "mine"
reason = "mailbox_full"
fault = "recipient"
retries = true
phrases = "no room & left | =pieno"
example = "550 5.2.2 There is no room left"
unlike = "550 5.1.1 no such user"
"""
PACK = f'version = "1"\n{RULE}'
BUILT_IN_RULES = re.findall(
    r'\[\[rule\]\]\nname = "(.+)"\n(?:.*\n)*?example = "(.+)"\nunlike = "(.+)"', built_in_text()
)


def test_a_pack_of_ones_own_takes_the_place_of_the_built_in_one() -> None:
    """Its rules judge, and no others."""
    settings = Settings(rule_pack=PACK)
    full = classify(parse_reply_text("550 no room left there"), stage=Stage.RCPT, site=None, settings=settings)
    assert (full.word, full.reason, full.rule) == (VerdictWord.SOFT, Reason.MAILBOX_FULL, "builtin:mine")
    greylisted = classify(parse_reply_text("450 Greylisted"), stage=Stage.RCPT, site=None, settings=settings)
    assert greylisted.rule == "builtin:code-450"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version = ", "no rule pack"),
        ("", "version"),
        ('version = "1"\nrule = []', "rule"),
        (PACK.replace('"mailbox_full"', '"full"'), "full"),
        (PACK.replace('"recipient"', '"nobody"'), "nobody"),
        (PACK.replace("retries", "retires"), "retires"),
        (PACK + RULE, '"mine" is there twice'),
        (PACK.replace("no room left", "some room"), '"mine" does not fit its own example'),
        (PACK.replace("no such user", "no room left"), '"mine" fits what it must not'),
        (PACK.replace("no room & left | =pieno", ""), "neither phrases nor links"),
        (PACK.replace("=pieno", "... & !!!"), "says nothing"),
        (PACK.replace("=pieno", "x" * 300), "too much"),
        (PACK.replace("fault =", 'sites = "nowhere"\nfault ='), '"nowhere"'),
        (PACK.replace("=pieno", "{mailbox} & {full}"), "names {mailbox}, which stands nowhere under [words]"),
        (PACK.replace("fault =", 'without = "{mailbox}"\nfault ='), "names {mailbox}, which stands nowhere"),
        (
            PACK.replace("fault =", 'without = "left there"\nfault =').replace("room left", "room left there"),
            "own example",
        ),
        (f'{PACK}[words]\nfull = "... | !"', 'the word "full" has a phrase that says nothing'),
        (f'{PACK}[words]\nfull = "{{mailbox}}"', 'the word "full" names {mailbox}'),
        (f'{PACK}[words]\n"Full up" = "voll"', "matching regex"),
        (PACK.replace("550 5.2.2", "hello"), "three digits"),
        (PACK + "#" * 600_000, "at most"),
        (PACK.replace("=pieno", " | ".join(f"w{number}" for number in range(10_000))), "10000 phrases"),
    ],
)
def test_a_pack_that_is_none_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    """It names the rule."""
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        read_pack(text)


def test_a_pack_says_what_its_words_are_called_in_other_languages() -> None:
    """A rule fits where all of its words are, in any order; and not where one is that it must be without."""
    words = '[words]\nmailbox = "postfach | boîte"\nfull = "=voll | pleine"\nsender = "absender"\n'
    pack = PACK.replace("=pieno", "{mailbox} & {full}").replace("fault =", 'without = "{sender}"\nfault =') + words
    settings = Settings(rule_pack=pack)

    def rule(text: str) -> str:
        return classify(parse_reply_text(text), stage=Stage.RCPT, site=None, settings=settings).rule

    assert rule("450 Voll ist das Postfach") == "builtin:mine"
    assert rule("450 La boite est pleine") == "builtin:mine"
    assert rule("450 Das Postfach ist wertvoll") == "builtin:code-450"
    assert rule("450 Das Postfach des Absenders ist voll") == "builtin:code-450"
    assert rule("450 {mailbox} {full}") == "builtin:code-450"


def test_nonsense_from_the_store_leaves_the_built_in_rules_in_force() -> None:
    """Another version published it: mail must be judged all the same."""
    verdict = classify(parse_reply_text("450 Greylisted"), stage=None, site=None, settings=Settings(rule_pack="?"))
    assert verdict.rule == "builtin:greylist"


@pytest.mark.parametrize(("name", "example", "unlike"), BUILT_IN_RULES)
def test_each_built_in_rule_judges_its_own_example(name: str, example: str, unlike: str) -> None:
    """Fitting is not enough: no other rule may take it away, and it must not take what is another's."""
    rule = active_rules().by_name[name]
    site = min(rule.sites, default=None)
    stage = Stage.RCPT
    if name == "says-try-later":  # it only says whether, never what
        assert classify(parse_reply_text(example), stage=stage, site=site, settings=BUILT_IN).rule == PREFIX + name
        return
    judged = classify(parse_reply_text(example), stage=stage, site=site, settings=BUILT_IN)
    assert judged.reason is rule.meaning.reason
    assert judged.rule == PREFIX + name or judged.rule.startswith(f"{PREFIX}enhanced-")
    assert classify(parse_reply_text(unlike), stage=stage, site=site, settings=BUILT_IN).rule != PREFIX + name


def test_all_built_in_rules_are_in_the_list() -> None:
    """The list above is read from the file by a pattern, which might pass one over."""
    assert [name for name, _, _ in BUILT_IN_RULES] == list(active_rules().by_name)


@pytest.mark.parametrize(
    "line",
    ["mailbox " * 8000, "a" * 65_536, "\u00e9" * 65_536, "x " * 32_768, "< >@" * 16_384, "user un" * 9000],
    ids=["words", "one word", "accents", "letters", "brackets", "nearly"],
)
def test_a_hostile_reply_of_64_kib_is_judged_in_a_moment(line: str) -> None:
    """All rules together, and each in linear time: of 1 KiB."""
    reply = Reply(code=550, lines=(line,))
    classify(reply, stage=Stage.RCPT, site=None, settings=BUILT_IN)
    began = time.process_time()
    for _ in range(20):
        classify(reply, stage=Stage.RCPT, site=None, settings=BUILT_IN)
    per_rule = (time.process_time() - began) / 20 / len(active_rules().wordings)
    assert per_rule < 0.001
