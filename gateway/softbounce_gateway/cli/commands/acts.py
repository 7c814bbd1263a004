"""``softbounce retry``, ``hold``, ``release``, ``cancel`` and their like: acts on envelopes, or on many by filter."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from softbounce.errors import AlreadyEnded, InvalidArgument, MessageGone, NotFound
from softbounce_gateway.cli.commands.waits_for import closed_sites, closed_words, waits_for
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.filters import with_filters
from softbounce_gateway.cli.noting import noting, who
from softbounce_gateway.cli.output import local, print_json, say

if TYPE_CHECKING:
    from softbounce.client import Client, Filters, PreviewedAct, Shown
    from softbounce.client.terms import Chosen
    from softbounce.store.actions import Action

__all__ = ["add_to", "progress_of"]


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Envelopes' ids.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done to which.")]
Background = Annotated[
    bool,
    typer.Option(
        "--background", help="By filter: the service does it, also when this command ends; see `softbounce actions`."
    ),
]
Grace = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="In the background: hold them, wait so long, then end them; `softbounce actions undo` takes it back until "
        "then. [default: 5s]",
    ),
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, in words: it is shown, and stands in the event.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Also to addresses that were concluded to be dead; and what was delivered: by id, or by filter with "
        "--state delivered.",
    ),
]
PastGate = Annotated[
    bool,
    typer.Option(
        "--past-gate", help="By id: also past the staging gate, so that its recipient gets just this message."
    ),
]
Spread = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="By filter: first attempts begin one after another, over this time."),
]
Policy = Annotated[
    str | None, typer.Option(metavar="NAME", help="The policy by which it is tried; - is as the configuration assigns.")
]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="From when each was accepted; what is older bounces now. - is none by hand.",
    ),
]
Route = Annotated[str | None, typer.Option(metavar="NAME", help="The `name` of a [[route]]; - is as the routes say.")]
WORDS = {
    ("change", "changed"): "has it",
    ("change", "changing"): "is being tried right now; that counts when it comes back",
    ("change", "unchanged"): "had it already; nothing changed",
    ("redirect", "changed"): "goes that way",
    ("redirect", "changing"): "is being tried right now; it goes that way when it comes back",
    ("redirect", "unchanged"): "went that way already; nothing changed",
    ("retry", "scheduled"): "is tried now",
    ("retry", "ready"): "waits in its lane for a slot already; nothing changed",
    ("retry", "attempting"): "is being tried right now; nothing changed",
    ("retry", "held"): "is held; release it first",
    ("hold", "held"): "is held",
    ("hold", "holding"): "is being tried right now; it is held when it comes back",
    ("release", "released"): "is released",
    ("release", "not_held"): "is not held; nothing changed",
    ("release", "stream_held"): "is held with its whole stream, see `softbounce queue`; nothing changed",
    ("release", "hold_stands"): "is held by a hold that stands, see `softbounce holds list`; nothing changed",
    ("release", "gated"): "is held by the staging gate; --past-gate lets it out to its recipient; nothing changed",
    ("cancel", "cancelled"): "is cancelled",
    ("cancel", "cancelling"): "is being tried right now; it ends before the message has left, if it can",
    ("cancel", "too_late"): "has ended already; it is too late",
    ("bounce", "bounced"): "is bounced",
    ("bounce", "bouncing"): "is being tried right now; it ends before the message has left, if it can",
    ("bounce", "too_late"): "has ended already; it is too late",
    ("resend", "resent"): "is sent again",
    ("resend", "already_resent"): "was sent again before; nothing changed",
    ("resend", "not_ended"): "has not ended; `softbounce retry` tries it now",
    ("resend", "delivered"): "was delivered; --force sends it again",
    ("resend", "suppressed"): "its address gets no mail, see `softbounce suppress list`; nothing changed",
    ("resend", "too_often"): "was sent again 64 times; send it anew",
}
LISTED = 20
WORDS_FOR_MANY = {
    ("change", "changed"): "have it",
    ("change", "changing"): "are being tried right now; that counts when they come back",
    ("redirect", "changed"): "go that way",
    ("redirect", "changing"): "are being tried right now; they go that way when they come back",
    ("retry", "scheduled"): "are tried now",
    ("hold", "held"): "are held",
    ("hold", "holding"): "are being tried right now; they are held when they come back",
    ("release", "released"): "are released",
    ("release", "stream_held"): "are held with their whole streams: release these by --stream alone; nothing changed",
    ("release", "hold_stands"): "are held by holds that stand, see `softbounce holds list`; nothing changed",
    ("release", "gated"): "are held by the staging gate, which lets out single ones only, by id; nothing changed",
    ("release", "streams_released"): "held as a whole by the brake go on, and are counted anew",
    ("cancel", "cancelled"): "are cancelled",
    ("cancel", "cancelling"): "are being tried right now; they end before the message has left, if they can",
    ("bounce", "bounced"): "are bounced",
    ("bounce", "bouncing"): "are being tried right now; they end before the message has left, if they can",
    ("resend", "resent"): "are sent again",
    ("resend", "suppressed"): "go to addresses that get no mail; nothing changed",
    ("resend", "message_gone"): "cannot be sent again: their messages are no longer kept",
}
FAILURES = {
    ("retry", "held"),
    ("release", "not_held"),
    ("release", "stream_held"),
    ("release", "hold_stands"),
    ("release", "gated"),
    ("cancel", "too_late"),
    ("bounce", "too_late"),
    ("resend", "not_ended"),
    ("resend", "delivered"),
    ("resend", "suppressed"),
    ("resend", "too_often"),
}
COMMANDS = (
    ("retry", "Try envelopes now, whatever their policy says."),
    ("hold", "Hold envelopes that are there now until they are released."),
    ("release", "Lift the hold on envelopes."),
    ("cancel", "End envelopes that are not delivered yet."),
    ("bounce", "End envelopes that are not delivered yet as bounces, by hand."),
    ("resend", "Send envelopes that bounced or were cancelled again."),
    ("change", "Give envelopes another policy, or another window."),
    ("redirect", "Send envelopes by a route that has a name."),
)


OWN = {
    "reason": {"bounce"},
    "force": {"resend"},
    "past_gate": {"release"},
    "spread": {"resend"},
    "grace": {"cancel", "bounce", "change"},
    "policy": {"change"},
    "window": {"change"},
    "route": {"redirect"},
}
"""Options that only some of them have."""
MANY = 1_000
"""From so many on it is shown how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of these commands, as it was given."""

    act: str
    filters: Filters
    dry_run: bool
    in_json: bool
    reason: str
    force: bool
    past_gate: bool
    spread: timedelta | None
    chosen: Mapping[str, str]


@contextmanager
def progress_of(number: int, *, shown: bool) -> Iterator[Callable[[Mapping[str, int]], object] | None]:
    """What is told how far it is, and shows that on a terminal, where there is much to do."""
    if not shown or number < MANY or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only for people
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=number)
        yield lambda answers: bar.update(task, completed=sum(answers.values()))


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, text in COMMANDS:
        app.command(name, help=text)(_command(name))


def _command(act: str) -> Callable[..., None]:
    """The command of an act: of all options those that mean something for it."""

    def command(**given: Any) -> None:  # noqa: ANN401 - as its signature says
        run(act, **given)

    run = with_filters(_run)
    signature = inspect.signature(run)
    options = [one for name, one in signature.parameters.items() if name != "act" and act in OWN.get(name, {act})]
    command.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in options}
    return command


def _run(  # noqa: PLR0913 - each is an option
    act: str,
    context: typer.Context,
    *,
    ids: Ids = None,
    filters: Filters,
    reason: Reason = "",
    force: Force = False,
    past_gate: PastGate = False,
    spread: Spread = None,
    policy: Policy = None,
    window: Window = None,
    route: Route = None,
    dry_run: DryRun = False,
    background: Background = False,
    grace: Grace = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    if bool(ids) == bool(filters):
        raise InvalidArgument("ID", f"name envelopes to {act}, or give filters that they fit: one of the two")
    if ids and (background or grace is not None):
        raise InvalidArgument("--background", "is for acts by filter; an envelope that is named is seen to at once")
    if past_gate and not ids:
        raise InvalidArgument("--past-gate", "lets out single envelopes: name them by their ids")
    asked = Asked(
        act=act,
        filters=filters,
        dry_run=dry_run,
        in_json=wants_json(context, as_json),
        reason=reason,
        force=force,
        past_gate=past_gate,
        spread=_duration("--spread", spread),
        chosen=_chosen(act, {"policy": policy, "window": window, "route": route}),
    )
    with client(context, config) as mail:
        if ids:
            _act_on(mail, asked, ids)
        elif (background or grace is not None) and not dry_run:
            _begin(mail, asked, _duration("--grace", grace))
        else:
            _act_on_matching(mail, asked)


def _chosen(act: str, given: Mapping[str, str | None]) -> dict[str, str]:
    """What is chosen of what this act knows."""
    from softbounce.client.terms import read_terms  # noqa: PLC0415 - redis takes its time

    chosen = {name: value for name, value in given.items() if value is not None}
    read_terms(act, chosen)
    return chosen


def _duration(option: str, text: str | None) -> timedelta | None:
    from softbounce_config.units import parse_duration  # noqa: PLC0415 - only here

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise InvalidArgument(option, str(error)) from None


def _begin(mail: Client, asked: Asked, grace: timedelta | None) -> None:
    """Say how many fit, and hand the act over to the service."""
    preview, action = _preview(mail, asked, grace, sample=bool(asked.chosen))
    begun = mail.begin(msgspec.structs.replace(action, count=preview.count, before_ms=preview.before_ms))
    if asked.in_json:
        print_json({"act": asked.act, "dry_run": False, "matched": preview.count, "action": begun.to_dict()})
        return
    say(f"{preview.count} match. {preview.effect}")
    say(f"action {begun.id}: softbounce actions {begun.id} | actions undo {begun.id}")


def _preview(mail: Client, asked: Asked, grace: timedelta | None, *, sample: int) -> tuple[PreviewedAct, Action]:
    """What the act would do, and the act itself."""
    from softbounce.client.action_book import new_action  # noqa: PLC0415 - redis takes its time

    action = new_action(
        asked.act,
        asked.filters,
        by=who(),
        reason=asked.reason,
        force=asked.force,
        grace=grace,
        spread=asked.spread,
        chosen=cast("Chosen", asked.chosen),
    )
    return mail.preview(action, sample=sample), action


def _act_on_matching(mail: Client, asked: Asked) -> None:
    """Say how many fit, then act on all of them. Mail that comes later is not touched."""
    act, filters = asked.act, asked.filters
    grace = timedelta(0) if act in OWN["grace"] else None
    listed = LISTED if asked.dry_run and not asked.in_json else 0
    preview, _ = _preview(mail, asked, grace, sample=listed or bool(asked.chosen))
    matched = preview.count
    streams = mail.held_streams(stream=filters.get("stream")) if act == "release" else []
    if not asked.in_json:
        say(f"{matched} match{f'. {preview.effect}' if asked.chosen and matched else ''}")
        for one in streams:
            say(f"stream {one.stream or '(none)'}, held by its brake since {local(one.held_at)} UTC: {one.why}")
    closed = closed_sites(mail, filters) if act == "retry" and matched else []
    if closed and not asked.in_json:
        say(closed_words(closed))
    if asked.dry_run and not asked.in_json:
        _list(preview)
    answers = {}
    if not asked.dry_run:
        with progress_of(matched, shown=not asked.in_json) as told:
            answers = mail.act_on_matching(
                act,
                reason=asked.reason,
                force=asked.force,
                spread=asked.spread,
                by=who(),
                told=told,
                **cast("dict[str, Any]", asked.chosen),
                **filters,
            )
    if asked.in_json:
        held = [one.to_dict() for one in streams]
        sites = {"closed_sites": sorted({one.site for one in closed})} if act == "retry" else {}
        counts: dict[str, object] = {"matched": matched, "held_streams": held, "answers": answers}
        if asked.chosen:
            counts |= {"effect": preview.effect, "ends": preview.ends}
        print_json({"act": act, "dry_run": asked.dry_run, **counts, **sites})
        return
    for answer, count in answers.items():
        say(f"{count}  {WORDS_FOR_MANY.get((act, answer)) or WORDS.get((act, answer), answer.replace('_', ' '))}")


def _list(preview: PreviewedAct) -> None:
    """Name the first of those that would be acted on."""
    for one in preview.sample:
        say(f"{one.id}  {one.state}  {one.recipient}")
    if preview.count > LISTED:
        say(f"and {preview.count - LISTED} more")


def _act_on(mail: Client, asked: Asked, ids: list[str]) -> None:  # noqa: C901 - each line for people has its JSON
    """Say how many match, then act on each."""
    results: list[dict[str, object]] = []
    found: dict[str, Shown] = {}
    for identity in dict.fromkeys(one.strip().lower() for one in ids):
        try:
            shown = mail.show(identity)
        except NotFound as error:
            results.append({"id": identity, "answer": "not_found", "done": False, "words": str(error)})
        else:
            found[shown.id] = shown
    if not asked.in_json:
        say(f"{len(found)} of {len(found) + len(results)} match")
        for result in results:
            say(f"{result['id']}  is not found")
    for identity, shown in found.items():
        result = {"id": identity, "answer": "would_" + asked.act, "done": True}
        if asked.dry_run and asked.chosen:
            result["words"] = mail.preview_one(asked.act, identity, **asked.chosen)
        if not asked.dry_run:
            past = "past the staging gate" if asked.past_gate else ""
            detail = past or ", ".join(f"{name} {value}" for name, value in asked.chosen.items())
            reason, force = asked.reason, asked.force
            with noting(mail, asked.act, {"id": identity}, reason=reason, force=force, detail=detail) as answers:
                result = _act(mail, asked, identity)
                answers[str(result["answer"])] = 1
        results.append(result)
        if not asked.in_json:
            say(f"{identity}  {result.get('words', f'would be asked to {asked.act}')}")
            if asked.act == "retry" and result["done"] and (waits := waits_for(mail, shown)):
                say(f"  {waits}")
    if asked.in_json:
        matched = sum(result["answer"] != "not_found" for result in results)
        print_json({"act": asked.act, "dry_run": asked.dry_run, "matched": matched, "results": results})
    if any(not result["done"] for result in results):
        raise typer.Exit(FAILED)


def _act(mail: Client, asked: Asked, identity: str) -> dict[str, object]:
    act = asked.act
    try:
        if act == "resend":
            return _resend(mail, asked, identity)
        if act == "bounce":
            answer = str(mail.bounce(identity, reason=asked.reason, by=who()))
        elif act == "release":
            answer = str(mail.release(identity, past_gate=asked.past_gate))
        elif asked.chosen:
            answer = str(getattr(mail, act)(identity, **asked.chosen))
        else:
            answer = str(getattr(mail, act)(identity))
    except AlreadyEnded as error:
        words = f"has ended ({error.state}); it is too late"
        return {"id": identity, "answer": error.state, "done": False, "words": words}
    except MessageGone as error:
        return {"id": identity, "answer": "message_gone", "done": False, "words": str(error)}
    done = (act, answer) not in FAILURES
    return {"id": identity, "answer": answer, "done": done, "words": WORDS[act, answer]}


def _resend(mail: Client, asked: Asked, identity: str) -> dict[str, object]:
    resent = mail.resend(identity, force=asked.force, by=who())
    answer, again = str(resent.answer), resent.envelope_id
    words = WORDS["resend", answer] + (f" as {again}" if again else "")
    done = ("resend", answer) not in FAILURES
    return {"id": identity, "answer": answer, "done": done, "words": words, "envelope": again}
