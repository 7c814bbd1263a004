"""``softbounce retry``, ``hold``, ``release`` and ``cancel``: what an operator does to envelopes, by id or filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import AlreadyEnded, InvalidArgument, NotFound
from softbounce_gateway.cli.commands.queue import (
    Domain,
    HeldFor,
    Pairs,
    Recipient,
    Sender,
    Site,
    StateWord,
    Stream,
    Tag,
    Tenant,
)
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.output import local, print_json, say
from softbounce_gateway.name_value import read_pairs

if TYPE_CHECKING:
    from softbounce.client import Client, Filters

__all__ = ["add_to"]


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Envelopes' ids.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done to which.")]
WORDS = {
    ("retry", "scheduled"): "is tried now",
    ("retry", "ready"): "waits in its lane for a slot already; nothing changed",
    ("retry", "attempting"): "is being tried right now; nothing changed",
    ("retry", "held"): "is held; release it first",
    ("hold", "held"): "is held",
    ("hold", "holding"): "is being tried right now; it is held when it comes back",
    ("release", "released"): "is released",
    ("release", "not_held"): "is not held; nothing changed",
    ("release", "stream_held"): "is held with its whole stream, see `softbounce queue`; nothing changed",
    ("cancel", "cancelled"): "is cancelled",
    ("cancel", "cancelling"): "is being tried right now; it ends before the message has left, if it can",
    ("cancel", "too_late"): "has ended already; it is too late",
}
LISTED = 20
WORDS_FOR_MANY = {
    ("retry", "scheduled"): "are tried now",
    ("hold", "held"): "are held",
    ("hold", "holding"): "are being tried right now; they are held when they come back",
    ("release", "released"): "are released",
    ("release", "stream_held"): "are held with their whole streams: release these by --stream alone; nothing changed",
    ("release", "streams_released"): "held as a whole by the brake go on, and are counted anew",
    ("cancel", "cancelled"): "are cancelled",
    ("cancel", "cancelling"): "are being tried right now; they end before the message has left, if they can",
}
FAILURES = {("retry", "held"), ("release", "not_held"), ("release", "stream_held"), ("cancel", "too_late")}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, text in (
        ("retry", "Try envelopes now, whatever their policy says."),
        ("hold", "Hold envelopes that are there now until they are released."),
        ("release", "Lift the hold on envelopes."),
        ("cancel", "End envelopes that are not delivered yet."),
    ):
        app.command(name, help=text)(_command(name))


def _command(act: str) -> Callable[..., None]:
    def command(  # noqa: PLR0913 - each is an option
        context: typer.Context,
        *,
        ids: Ids = None,
        site: Site = None,
        domain: Domain = None,
        recipient: Recipient = None,
        sender: Sender = None,
        stream: Stream = None,
        tenant: Tenant = None,
        tag: Tag = None,
        meta: Pairs = None,
        state: StateWord = None,
        held_for: HeldFor = None,
        dry_run: DryRun = False,
        config: ConfigFile = None,
        as_json: Json = False,
    ) -> None:
        filters: Filters = {
            "site": site,
            "domain": domain,
            "recipient": recipient,
            "sender": sender,
            "stream": stream,
            "tenant": tenant,
            "tag": tag,
            "metadata": read_pairs(meta, "--meta") if meta else None,
            "state": state,
            "held_for": held_for,
        }
        has_filter = any(one is not None for one in filters.values())
        if bool(ids) == has_filter:
            raise InvalidArgument("ID", f"name envelopes to {act}, or give filters that they fit: one of the two")
        in_json = wants_json(context, as_json)
        with client(context, config) as mail:
            if has_filter:
                _act_on_matching(mail, act, filters, in_json=in_json, dry_run=dry_run)
                return
            results = _act_on(mail, act, ids or [], quiet=in_json, dry_run=dry_run)
        if in_json:
            matched = sum(result["answer"] != "not_found" for result in results)
            print_json({"act": act, "dry_run": dry_run, "matched": matched, "results": results})
        if any(not result["done"] for result in results):
            raise typer.Exit(FAILED)

    return command


def _act_on_matching(mail: Client, act: str, filters: Filters, *, in_json: bool, dry_run: bool) -> None:
    """Say how many fit, then act on all of them. Mail that comes later is not touched."""
    matched = mail.act_on_matching(act, **filters, dry_run=True).get("matched", 0)
    streams = mail.held_streams(stream=filters.get("stream")) if act == "release" else []
    if not in_json:
        say(f"{matched} match")
        for one in streams:
            say(f"stream {one.stream or '(none)'}, held by its brake since {local(one.held_at)} UTC: {one.why}")
    if dry_run and not in_json:
        _list_matching(mail, act, filters, matched)
    answers = {} if dry_run else mail.act_on_matching(act, **filters)
    if in_json:
        held = [one.to_dict() for one in streams]
        print_json({"act": act, "dry_run": dry_run, "matched": matched, "held_streams": held, "answers": answers})
        return
    for answer, count in answers.items():
        say(f"{count}  {WORDS_FOR_MANY.get((act, answer)) or WORDS.get((act, answer), answer.replace('_', ' '))}")


def _list_matching(mail: Client, act: str, filters: Filters, matched: int) -> None:
    """Name the first of those that would be acted on."""
    from softbounce.client.matching import act_of  # noqa: PLC0415 - redis takes its time

    states = {state.word for state in act_of(act).states}
    shown: list[str] = []
    after: str | None = None
    while len(shown) < LISTED:
        page = mail.page(**filters, after=after)
        shown += [f"{one.id}  {one.state}  {one.recipient}" for one in page.envelopes if one.state in states]
        after = page.next
        if after is None:
            break
    for line in shown[:LISTED]:
        say(line)
    if matched > LISTED:
        say(f"and {matched - LISTED} more")


def _act_on(mail: Client, act: str, ids: list[str], *, quiet: bool, dry_run: bool) -> list[dict[str, object]]:
    """Say how many match, then act on each."""
    results: list[dict[str, object]] = []
    matched: list[str] = []
    for identity in dict.fromkeys(one.strip().lower() for one in ids):
        try:
            shown = mail.show(identity)
        except NotFound as error:
            results.append({"id": identity, "answer": "not_found", "done": False, "words": str(error)})
        else:
            matched.append(shown.id)
    if not quiet:
        say(f"{len(matched)} of {len(matched) + len(results)} match")
        for result in results:
            say(f"{result['id']}  is not found")
    for identity in matched:
        result = {"id": identity, "answer": "would_" + act, "done": True} if dry_run else _act(mail, act, identity)
        results.append(result)
        if not quiet:
            say(f"{identity}  {result.get('words', f'would be asked to {act}')}")
    return results


def _act(mail: Client, act: str, identity: str) -> dict[str, object]:
    acts: dict[str, Callable[[str], str]] = {
        "retry": mail.retry,
        "hold": mail.hold,
        "release": mail.release,
        "cancel": mail.cancel,
    }
    try:
        answer = str(acts[act](identity))
    except AlreadyEnded as error:
        return {
            "id": identity,
            "answer": error.state,
            "done": False,
            "words": f"has ended ({error.state}); it is too late",
        }
    done = (act, answer) not in FAILURES
    return {"id": identity, "answer": answer, "done": done, "words": WORDS[act, answer]}
