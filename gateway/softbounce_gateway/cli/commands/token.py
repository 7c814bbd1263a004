"""``softbounce token``: new, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from softbounce.errors import NotFound
from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, store_at, wants_json
from softbounce_gateway.cli.noting import noting
from softbounce_gateway.cli.output import local, print_json, print_table, say, warn

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="Tokens for HTTP and SMTP: make, list, revoke.",
        help="Tokens with which programs log in by HTTP and SMTP: make one, list them, revoke one.",
    )
    group.command(short_help="Make a token; it is shown once.")(new)
    group.command("list", short_help="The tokens that there are.")(list_tokens)
    group.command(short_help="End a token.")(revoke)
    app.add_typer(group, name="token")


def new(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="send, read, operate or admin; give it once for each. [default: send]"),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help='Whom it may send as, such as "*@shop.example". [default: anybody]'),
    ] = None,
    any_author: Annotated[
        bool, typer.Option("--any-author", help="Let --sender bind the envelope's sender alone, not the From field.")
    ] = False,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called. [default: made]")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it: once, because only its hash is stored. From the first one on all have to log in."""
    from softbounce.client.shown import rfc3339  # noqa: PLC0415 - only when asked
    from softbounce.client.single_acts import printable  # noqa: PLC0415
    from softbounce.store.tokens import add_token, new_token  # noqa: PLC0415

    text, token = new_token(name, scope or [], sender or [], datetime.now(UTC), any_author=any_author)
    may = printable(f"{' '.join(token.scopes)}; senders: {' '.join(token.senders) or 'any'}")
    with (
        store_at(config_of(context, config).store_url) as store,
        client(context, config) as mail,
        noting(mail, "token new", {"token": token.name}, detail=may) as answers,
    ):
        store.run(add_token(token))
        answers["made"] = 1
    if wants_json(context, as_json):
        print_json(
            {
                "name": token.name,
                "token": text,
                "scopes": list(token.scopes),
                "senders": list(token.senders),
                "any_author": token.any_author,
                "created_at": rfc3339(token.created_at),
            }
        )
        return
    say(text)
    warn(f"this is the token {token.name!r}; it is shown once")


def list_tokens(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """The tokens that there are, without the tokens themselves: nobody has those but who was given them."""
    from softbounce.client.shown import rfc3339  # noqa: PLC0415 - only when asked
    from softbounce.store.tokens import read_tokens  # noqa: PLC0415

    with store_at(config_of(context, config).store_url) as store:
        book = store.run(read_tokens())
    tokens = [book.by_name[name] for name in sorted(book.by_name)]
    if wants_json(context, as_json):
        print_json(
            [
                {
                    "name": one.name,
                    "scopes": list(one.scopes),
                    "senders": list(one.senders),
                    "any_author": one.any_author,
                    "created_at": rfc3339(one.created_at),
                }
                for one in tokens
            ]
        )
        return
    if not tokens:
        say("There is no token: HTTP and SMTP serve this machine only, and ask for none.")
        return
    print_table(
        ("name", "scopes", "senders", "made"),
        [(one.name, " ".join(one.scopes), " ".join(one.senders) or "any", local(one.created_at)) for one in tokens],
        fold=("scopes", "senders"),
    )


def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name, as `token list` has it.")],
    *,
    config: ConfigFile = None,
) -> None:
    """End a token: within a few seconds nobody gets in by it any more."""
    from softbounce.store.tokens import read_tokens, revoke_token  # noqa: PLC0415 - only when asked

    with store_at(config_of(context, config).store_url) as store, client(context, config) as mail:
        with noting(mail, "token revoke", {"token": name}) as answers:
            if not store.run(revoke_token(name)):
                raise NotFound(f"there is no token {name!r}; `softbounce token list` shows those that there are")
            answers["revoked"] = 1
        if not len(store.run(read_tokens())):
            warn("that was the last token: from now on this machine gets in without one, and no other does")
