"""``softbounce show`` and ``explain``: one envelope in full, as a table or in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.output import console, local, print_json, print_table, say, styled

if TYPE_CHECKING:
    from softbounce.client import Shown, ShownAttempt

__all__ = ["Identity", "add_to"]

Identity = Annotated[str, typer.Argument(metavar="ID", help="An envelope's id: 26 letters and digits.")]
BY_HAND = {"operator": "by hand"}
LABEL = 14
DEAD = ("suppress", "yes: the address is dead")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(short_help="An envelope: its state and every attempt.")(show)
    app.command(short_help="Why an envelope is where it is, and what is next.")(explain)


Transcript = Annotated[
    bool, typer.Option("--transcript", help="Print what was said in its latest attempts, as far as that is kept.")
]


def show(
    context: typer.Context,
    *,
    identity: Identity,
    transcript: Transcript = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """State, verdicts, every attempt, next attempt, expiry, policy and rule of an envelope."""
    with client(context, config) as mail:
        shown = mail.show(identity)
    if wants_json(context, as_json):
        print_json(shown.to_dict())
        return
    _print_facts(shown)
    if shown.attempts:
        say("")
        print_table(
            ("#", "started (UTC)", "host", "stage", "reply", "verdict", "reason", "rule", "next (UTC)"),
            (_row(attempt) for attempt in shown.attempts),
            right=("#",),
            fold=("reply", "host"),
        )
        say("")
        _print_tls(shown.attempts)
    if transcript:
        _print_transcripts(shown.attempts)


def _print_facts(shown: Shown) -> None:
    from rich.text import Text  # noqa: PLC0415 - only for people

    facts: list[tuple[str, object]] = [
        ("envelope", shown.id),
        ("message", shown.message_id),
        ("state", styled(shown.state)),
        ("sender", shown.sender or "<>"),
        ("recipient", shown.recipient),
        ("stream", shown.stream or "-"),
        ("tenant", shown.tenant or "-"),
        ("site", shown.site or "not known yet"),
        ("policy", shown.policy),
        ("created", local(shown.created_at)),
        ("next attempt", local(shown.next_attempt_at) or "-"),
        ("expires", local(shown.expires_at)),
    ]
    if shown.put_off is not None:
        facts.insert(10, ("put off by", shown.put_off))
    if shown.resent_from is not None:
        facts.append(("sends again", shown.resent_from))
    if shown.resent_as is not None:
        facts.append(("sent again as", shown.resent_as))
    if shown.tags:
        facts.append(("tags", ", ".join(shown.tags)))
    facts += [(f"metadata {name}", value) for name, value in shown.metadata.items()]
    if shown.uncertain:
        facts.append(("uncertain attempts", f"{shown.uncertain}: each may have been a copy"))
    if shown.held_for is not None:
        facts.insert(3, ("held for", shown.held_for))
    facts += _ends(shown)
    for label, value in facts:
        text = value if isinstance(value, Text) else Text(str(value))
        console().print(Text(label.ljust(LABEL), style="bold") + text, soft_wrap=True)


def _ends(shown: Shown) -> list[tuple[str, object]]:
    """How it bounced, and what came back of it afterwards."""
    facts: list[tuple[str, object]] = []
    if shown.bounce is not None:
        bounce = shown.bounce
        reply = " ".join(str(one) for one in (bounce.code, bounce.enhanced, bounce.text) if one)
        own = bounce.own_attempts
        tries = f"after {own} attempt{'' if own == 1 else 's'} of its own" if own else "without an attempt of its own"
        facts += [
            ("bounced", f"{bounce.cause}, {bounce.reason or BY_HAND.get(bounce.cause, 'no reason known')}, {tries}"),
            ("last reply", reply or "-"),
        ]
        if bounce.suppress:
            facts.append(DEAD)
    for report in shown.came_back:
        reply = " ".join(str(one) for one in (report.code, report.enhanced, report.text) if one)
        facts.append((report.kind, f"{local(report.at)}, {reply or report.why or 'no more is known'}"))
        if report.suppress:
            facts.append(DEAD)
    return facts


def _row(attempt: ShownAttempt) -> tuple[object, ...]:
    reply = " ".join(str(one) for one in (attempt.code, attempt.enhanced, attempt.text) if one)
    verdict = styled(attempt.verdict or "uncertain")
    if not attempt.charged:
        verdict.append(" (uncharged)")
    host = attempt.host or "-"
    if attempt.address and attempt.address != attempt.host:
        host += f" [{attempt.address}]"
    return (
        attempt.number,
        local(attempt.started_at),
        host,
        attempt.stage,
        reply or "-",
        verdict,
        attempt.reason or "-",
        attempt.rule or "-",
        local(attempt.next_attempt_at) or "-",
    )


def _print_tls(attempts: tuple[ShownAttempt, ...]) -> None:
    """How each session was protected; attempts in a row that say the same share a line."""
    lines: list[tuple[int, int, str]] = []
    for attempt in attempts:
        words = attempt.tls.words if attempt.tls else "no session"
        if lines and lines[-1][2] == words:
            lines[-1] = (lines[-1][0], attempt.number, words)
        else:
            lines.append((attempt.number, attempt.number, words))
    print_table(
        ("#", "TLS"),
        ((str(first) if first == last else f"{first}-{last}", words) for first, last, words in lines),
        right=("#",),
        fold=("TLS",),
    )


def _print_transcripts(attempts: tuple[ShownAttempt, ...]) -> None:
    """What was said, attempt by attempt."""
    kept = [(attempt, attempt.transcript) for attempt in attempts if attempt.transcript is not None]
    if not kept:
        say("\nNo transcript: kept are those of the latest attempts that failed, or as `[smtp] transcripts` says.")
    for attempt, said in kept:
        took = ", ".join(f"{stage} {ms} ms" for stage, ms in said.stage_ms.items())
        say(f"\nAttempt {attempt.number}: {took or 'nothing was waited for'}")
        for line in said.lines:
            say(f"{line.ms:>8} {line.by} {line.text}")


def explain(context: typer.Context, *, identity: Identity, config: ConfigFile = None, as_json: Json = False) -> None:
    """In words: why an envelope is where it is, what binds now, what happens next and when."""
    with client(context, config) as mail:
        text = mail.explain(identity)
    if wants_json(context, as_json):
        print_json({"id": identity.strip().lower(), "text": text})
    else:
        say(text)
