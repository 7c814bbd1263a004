"""``softbounce retry``, ``hold``, ``release`` and ``cancel``: what an operator does to envelopes, by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import AlreadyEnded, InvalidArgument, NotFound
from softbounce_gateway.cli.failing import FAILED
from softbounce_gateway.cli.opening import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.output import print_json, say
from softbounce_gateway.cli.queueing import Domain, Site, StateWord, Stream

if TYPE_CHECKING:
    from softbounce.client import Client

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
    ("cancel", "cancelled"): "is cancelled",
    ("cancel", "cancelling"): "is being tried right now; it ends before the message has left, if it can",
    ("cancel", "too_late"): "has ended already; it is too late",
}
FAILURES = {("retry", "held"), ("release", "not_held"), ("cancel", "too_late")}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, text in (
        ("retry", "Try envelopes now, whatever their policy says."),
        ("hold", "Hold envelopes until they are released."),
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
        stream: Stream = None,
        state: StateWord = None,
        dry_run: DryRun = False,
        config: ConfigFile = None,
        as_json: Json = False,
    ) -> None:
        if any(one is not None for one in (site, domain, stream, state)):
            raise InvalidArgument("filters", f"{act} by filter is not there yet; `queue --list` names ids to {act}")
        if not ids:
            raise InvalidArgument("ID", f"name at least one envelope to {act}")
        with client(context, config) as mail:
            results = _act_on(mail, act, ids, quiet=wants_json(context, as_json), dry_run=dry_run)
        if wants_json(context, as_json):
            matched = sum(result["answer"] != "not_found" for result in results)
            print_json({"act": act, "dry_run": dry_run, "matched": matched, "results": results})
        if any(not result["done"] for result in results):
            raise typer.Exit(FAILED)

    return command


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
