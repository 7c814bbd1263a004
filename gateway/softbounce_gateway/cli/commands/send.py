"""``softbounce send``: accept a message from a file or standard input."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from softbounce.errors import InvalidArgument
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.output import print_json, say, warn
from softbounce_gateway.name_value import read_pairs

if TYPE_CHECKING:
    from softbounce.dsn import DsnOptions

__all__ = ["add_to", "parse_at"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Accept a message.")(send)


def send(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The message as octets; - is standard input.")],
    sender: Annotated[str, typer.Option("--from", metavar="ADDR", help="The envelope's sender; '' or '<>' for none.")],
    recipients: Annotated[list[str], typer.Option("--to", metavar="ADDR", help="A recipient; give it once for each.")],
    stream: Annotated[str, typer.Option(metavar="NAME", help="The class of mail: picks policy and fair share.")] = "",
    tenant: Annotated[
        str, typer.Option(metavar="NAME", help="Whose mail it is; else the sender's domain says so.")
    ] = "",
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The idempotency key: the same key sends the same content once.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help='Not before: "2026-01-31T08:00:00Z", or "10m" from now.')
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="DURATION", help='How long a soft bounce may stay soft, such as "15m".')
    ] = None,
    spread: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help='Begin evenly over this time, such as "2h", the first at once.'),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Send also to an address that hosts said is dead, or whose mail failed again and again; not where a "
            "person wants it to get none.",
        ),
    ] = False,
    require_tls: Annotated[
        bool,
        typer.Option("--require-tls", help="Only to hosts that prove their names, and promise the same (RFC 8689)."),
    ] = False,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="WORD", help="A word of your own to find it by.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="A value of your own, in each event.")
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Reports to ask hosts for: never, or some of success,failure,delay (RFC 3461)."
        ),
    ] = None,
    ret: Annotated[
        str | None, typer.Option(metavar="PART", help="How much of the message a report shall hold: full or headers.")
    ] = None,
    envid: Annotated[
        str | None, typer.Option(metavar="WORD", help="Your own word for the message, which reports repeat.")
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Accept a message; print the id of one envelope a line, in the order of --to."""
    not_before = None if at is None else parse_at(at, datetime.now(UTC))
    length = None if window is None else _duration("window", window)
    over = None if spread is None else _duration("spread", spread)
    asked: dict[str, Any] = {"ret": ret, "envid": envid}
    if notify is not None:
        asked["notify"] = [word.strip() for word in notify.split(",")]
    told = {name: value for name, value in asked.items() if value is not None}
    from softbounce.message.raw_fields import in_encoded_words  # noqa: PLC0415 - only when asked

    octets = _read(file)
    with client(context, config) as mail:
        receipt = mail.send(
            sender=sender,
            recipients=recipients,
            message=in_encoded_words(octets),
            stream=stream,
            tenant=tenant,
            key=key,
            at=not_before,
            window=length,
            require_tls=require_tls,
            force=force,
            spread=over,
            tags=tags or (),
            metadata=read_pairs(metadata or (), "--meta"),
            dsn=cast("DsnOptions", told) if told else None,
        )
    if wants_json(context, as_json):
        print_json(receipt.to_dict())
        return
    for recipient in recipients:
        say(receipt.envelopes[recipient])
    for recipient, why in receipt.suppressed.items():
        warn(f"{recipient}: not sent. {why}")
    for recipient, why in receipt.held.items():
        warn(f"{recipient}: not sent. {why}")
    for warning in receipt.warnings:
        warn(warning)


def parse_at(text: str, now: datetime, *, option: str = "--at") -> datetime:
    """Read an instant: RFC 3339, or a duration from *now*.

    :raises InvalidArgument: it is neither.
    """
    from softbounce_config import parse_duration  # noqa: PLC0415 - only when asked

    try:
        return now + parse_duration(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidArgument(
            option, f'{text!r} is neither "2026-01-31T08:00:00Z" nor a duration such as "10m"'
        ) from None
    if instant.utcoffset() is None:
        raise InvalidArgument(option, f"{text!r} has no time zone: add Z, or an offset such as +01:00")
    return instant


def _duration(name: str, text: str) -> timedelta:
    from softbounce_config import parse_duration  # noqa: PLC0415 - only when asked

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidArgument(f"--{name}", f"{text!r}: {error}") from None


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidArgument("FILE", f"{file}: cannot be read: {error.strerror or error}") from error
