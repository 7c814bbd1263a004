"""``softbounce classify`` and ``codes``: what replies mean under the current config."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softbounce.duration import in_words
from softbounce.errors import InvalidArgument
from softbounce.verdict import VerdictWord
from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, wants_json
from softbounce_gateway.cli.output import local, print_json, print_table, say, styled

if TYPE_CHECKING:
    from softbounce.settings import Settings
    from softbounce.stage import Stage
    from softbounce.verdict import Verdict

__all__ = ["add_to"]

NEGATIVE = 400
SHOWN = 50


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(short_help="What a reply means; or many, JSON lines in and out.")(classify)
    app.command(short_help="The reply codes: what each says, and what is done.")(codes)


def classify(  # noqa: PLR0913 - a command's options
    context: typer.Context,
    *,
    reply: Annotated[
        str | None, typer.Argument(metavar="[REPLY]", help='A reply, such as "550 5.1.1 User unknown".')
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="What it answered: connect, mail, rcpt, data, end_of_data ...")
    ] = None,
    site: Annotated[str | None, typer.Option(metavar="SITE", help="Who said it, such as gmail.com.")] = None,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="List instead which replies of the last days no rule knew but the bare code."),
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Print instead the rule pack that is in force, to be changed and named.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """What a reply means. Without one, many: JSON lines {id, reply, stage, provider} in, one JSON line for each out."""
    from softbounce.classify import classify_lines  # noqa: PLC0415 - its tables take their time
    from softbounce.classify.rule_pack import built_in_text  # noqa: PLC0415

    settings = config_of(context, config).settings()
    if rules:
        sys.stdout.write(settings.rule_pack or built_in_text())
        return
    if unknown:
        _list_unknown(context, config, settings, in_json=wants_json(context, as_json))
        return
    if reply is not None:
        _say_meaning(reply, stage, site, settings, in_json=wants_json(context, as_json))
        return
    try:
        for answer in classify_lines(sys.stdin, settings):
            sys.stdout.write(answer + "\n")
    except ValueError as error:
        raise InvalidArgument("standard input", str(error)) from error


def _say_meaning(text: str, stage: str | None, site: str | None, settings: Settings, *, in_json: bool) -> None:
    from softbounce.classify import classify as judge  # noqa: PLC0415 - its tables take their time
    from softbounce.classify import classify_lines, parse_reply_text  # noqa: PLC0415
    from softbounce.stage import Stage  # noqa: PLC0415

    if stage is not None and stage not in set(Stage):
        raise InvalidArgument("--stage", f"{stage!r} is none; there are {', '.join(Stage)}")
    try:
        if in_json:
            row = {"reply": text, "stage": stage, "provider": site}
            (answer,) = classify_lines([json.dumps(row)], settings)
            print_json({name: value for name, value in json.loads(answer).items() if name != "id"})
            return
        verdict = judge(parse_reply_text(text), stage=Stage(stage) if stage else None, site=site, settings=settings)
    except ValueError as error:
        raise InvalidArgument("REPLY", str(error).removeprefix("line 1: ")) from error
    say(_in_words(verdict))
    told = {
        "verdict": verdict.word,
        "reason": verdict.reason,
        "fault": verdict.fine_fault,
        "rule": verdict.rule,
    }
    rows = ((name, styled(str(word)) if word else "-") for name, word in told.items())
    print_table(("", ""), rows, fold=("",))


def _in_words(verdict: Verdict) -> str:
    """What is done for it, where a policy says nothing else."""
    if verdict.word is VerdictWord.DELIVERED:
        return "The host said yes."
    if verdict.word is VerdictWord.SOFT:
        asked = f", and not before {in_words(verdict.stated)} are over, as it asks" if verdict.stated else ""
        return f"A soft bounce: it is tried again as the policy says{asked}."
    if verdict.may_park:
        return (
            "A hard bounce that blames the sender: no address is at fault, and mail waits, as for a soft one, until it "
            'is mended ([policy] sender_fault = "park"); "bounce" ends it at once.'
        )
    dead = " The address is dead: no more mail goes to it." if verdict.suppress else ""
    return f"A hard bounce: it ends at once.{dead}"


def _list_unknown(context: typer.Context, config: Path | None, settings: Settings, *, in_json: bool) -> None:
    from softbounce.client.shown import rfc3339  # noqa: PLC0415 - only when asked
    from softbounce_gateway.unknown_replies import unknown_replies  # noqa: PLC0415

    with client(context, config) as mail:
        found = unknown_replies(mail.events(), settings)
    if in_json:
        print_json([{**asdict(one), "last_at": rfc3339(one.last_at)} for one in found])
        return
    if not found:
        say("Every reply of the last days was known by a rule.")
        return
    print_table(
        ("times", "code", "stage", "text", "host", "last"),
        (
            (
                one.count,
                " ".join(filter(None, (str(one.code), one.enhanced))),
                one.stage,
                one.text,
                one.host,
                local(one.last_at),
            )
            for one in found[:SHOWN]
        ),
        right=("times",),
        fold=("text",),
    )
    if len(found) > SHOWN:
        say(f"... and {len(found) - SHOWN} more; --json has all")


def codes(
    context: typer.Context,
    *,
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="A reply code, such as 451.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """The reply codes, stage by stage: what each says, and what is done about it when the text tells no more."""
    from softbounce.reply_codes import CODES  # noqa: PLC0415 - only when asked

    settings = config_of(context, config).settings()
    numbers = sorted(CODES) if code is None else [_number(code)]
    rows = [row for number in numbers for row in _rows(number, settings, every_stage=code is not None)]
    if wants_json(context, as_json):
        print_json(rows)
        return
    print_table(
        ("code", "at", "says", "verdict", "reason", "fault", "rule"),
        (
            (
                row["code"],
                row["stage"] or "any stage",
                row["words"],
                styled(row["verdict"]),
                row["reason"] or "-",
                row["fault"] or "-",
                row["rule"],
            )
            for row in rows
        ),
        fold=("says",),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 200 <= int(text[:4]) <= 599):  # noqa: PLR2004 - RFC 5321 §4.2
        raise InvalidArgument("CODE", f"{text!r} is no reply code: those have three digits, 200 to 599")
    return int(text)


def _rows(code: int, settings: Settings, *, every_stage: bool) -> Iterator[dict[str, Any]]:
    """What the code means; at each stage where that differs, or at all of them."""
    from softbounce.classify import classify as judge  # noqa: PLC0415 - its tables take their time
    from softbounce.reply import Reply  # noqa: PLC0415
    from softbounce.reply_codes import code_meaning  # noqa: PLC0415
    from softbounce.stage import Stage  # noqa: PLC0415

    def row(stage: Stage | None) -> dict[str, Any]:
        verdict = judge(Reply(code=code), stage=stage, site=None, settings=settings)
        return {
            "code": code,
            "stage": None if stage is None else str(stage),
            "words": code_meaning(code, stage)[0],
            "verdict": str(verdict.word),
            "reason": None if verdict.reason is None else str(verdict.reason),
            "fault": None if verdict.fault is None else str(verdict.fault),
            "rule": verdict.rule,
        }

    plain = row(None)
    if not every_stage:
        yield plain
    for stage in Stage:
        if stage is Stage.ROUTE:
            continue
        here = row(stage)
        if every_stage or any(here[name] != plain[name] for name in ("words", "verdict", "reason", "fault")):
            yield here
