"""``softbounce suppress``: list, add, remove, import, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import InvalidArgument, NotFound
from softbounce_gateway.cli.commands.send import parse_at
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.noting import noting
from softbounce_gateway.cli.output import local, print_json, print_table, say, warn

if TYPE_CHECKING:
    from softbounce.client import Client, Suppression
    from softbounce_gateway.suppression_list.csv_form import Line

__all__ = ["add_to"]

AT_ONCE = 500
TELL_EVERY = 50_000
TOLD = 20
"""Bad lines that are told one by one."""
LONGEST_PART = 16_384
LONGEST_NOTED = 200
Addresses = Annotated[
    list[str], typer.Argument(metavar="ADDRESS...", help="Addresses, or a domain with an @ before it: @example.com.")
]
Stream = Annotated[str | None, typer.Option(metavar="NAME", help='Only mail of this stream; "" is that without one.')]
Tenant = Annotated[str | None, typer.Option(metavar="NAME", help="Only mail of this tenant.")]
Source = Annotated[
    str | None, typer.Option(metavar="SOURCE", help="Only from: verdict, complaint, streak, operator, import.")
]
Domain = Annotated[str | None, typer.Option(metavar="GLOB", help="Only addresses in these domains.")]
Streams = Annotated[str | None, typer.Option("--stream", metavar="GLOB", help="Only what is for one of these streams.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="Addresses that get no mail: list, add, remove, import, export.",
        help="Addresses and domains that get no mail, and why: list, add, remove, import, export.",
    )
    group.command("list", short_help="Who is suppressed, and why.")(list_suppressions)
    group.command(short_help="Send addresses no more mail.")(add)
    group.command(short_help="Take addresses off.")(remove)
    group.command("import", short_help="Add a list, as CSV.")(import_list)
    group.command(short_help="Write the list, as CSV.")(export)
    app.add_typer(group, name="suppress")


def list_suppressions(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="Only this one; @example.com: the domain's.")
    ] = None,
    *,
    domain: Domain = None,
    stream: Streams = None,
    source: Source = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="So many at most.")] = 100,
    after: Annotated[str | None, typer.Option(metavar="PAGE", help="The page behind this one.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Who is suppressed, by whom, why and until when, a page of them."""
    with client(context, config) as mail:
        page = mail.suppression_page(
            address=address, domain=domain, stream=stream, source=source, after=after, limit=limit
        )
    if wants_json(context, as_json):
        print_json({"suppressions": [one.to_dict() for one in page.suppressions], "next": page.next})
        return
    if not page.suppressions:
        say("Nobody is suppressed." if address is None else f"{address} is not suppressed.")
    else:
        print_table(
            ("address", "for", "source", "since (UTC)", "until (UTC)", "reason"),
            [
                (one.address, _mail(one), one.source, local(one.since), local(one.expires_at) or "-", one.reason)
                for one in page.suppressions
            ],
            fold=("reason",),
        )
    if page.next is not None:
        say(f"\nThere are more: add --after {page.next}")


def _mail(one: Suppression) -> str:
    stream = "all" if one.stream is None else one.stream or "no stream"
    return stream if one.tenant is None else f"{stream} of {one.tenant}"


def add(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    addresses: Addresses,
    *,
    stream: Stream = None,
    tenant: Tenant = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever asks later.")] = "",
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help='When it ends, or after how long: "30d". [default: never]')
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Send addresses, or whole domains, no more mail. What waits for them ends when its turn comes."""
    from softbounce.client import NewSuppression  # noqa: PLC0415 - redis takes its time
    from softbounce.client.single_acts import of_addresses, printable  # noqa: PLC0415

    until = None if expires is None else parse_at(expires, datetime.now(UTC), option="--expires")
    new = [NewSuppression(address=one, stream=stream, tenant=tenant, reason=reason, expires=until) for one in addresses]
    with client(context, config) as mail:
        of = of_addresses(addresses, stream=stream, tenant=tenant)
        with noting(mail, "suppress", of, reason=printable(reason, LONGEST_NOTED)) as answers:
            done = mail.suppress_many(new)
            answers.update(done._asdict())
    if wants_json(context, as_json):
        print_json({"added": done.added, "replaced": done.replaced})
    else:
        say(f"{done.added} added, {done.replaced} replaced")


def remove(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    addresses: Addresses,
    *,
    stream: Stream = None,
    tenant: Tenant = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take addresses, or domains, off: they get mail again, and what happened before is no evidence any more."""
    from softbounce.client.single_acts import of_addresses  # noqa: PLC0415 - redis takes its time

    with client(context, config) as mail:
        removed = 0
        with noting(mail, "unsuppress", of_addresses(addresses, stream=stream, tenant=tenant)) as answers:
            for one in addresses:
                if number := mail.unsuppress(one, stream=stream, tenant=tenant):
                    removed += number
                    answers["removed"] = removed
    if wants_json(context, as_json):
        print_json({"removed": removed})
    if not removed:
        raise NotFound(f"{', '.join(addresses)[:200]}: not suppressed; `softbounce suppress list` shows who is")
    if not wants_json(context, as_json):
        say(f"{removed} removed")


def import_list(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV whose first line names the columns; - is stdin.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read it, and change nothing.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Add a list, line by line: what cannot be read is told with its number, and the rest is added. Repeat it at will.

    Columns: address, and as you like stream, tenant, source, reason, since, expires_at, envelope. Lists of other
    services are read by the names that they give these. A time that cannot be read costs no address.
    """
    from softbounce.client.single_acts import printable  # noqa: PLC0415 - redis takes its time

    with client(context, config) as mail:
        done = _Import(None if dry_run else mail)
        if dry_run:
            done.take(_parts(file))
        else:
            with noting(mail, "suppress", {"file": printable(file, LONGEST_NOTED)}) as answers:
                try:
                    done.take(_parts(file))
                finally:
                    if done.added or done.replaced:
                        answers.update(added=done.added, replaced=done.replaced, refused=done.refused)
    if wants_json(context, as_json):
        counts = {"lines": done.lines, "added": done.added, "replaced": done.replaced, "refused": done.refused}
        print_json(counts)
    elif dry_run:
        say(f"{done.lines} lines could be added, {done.refused} not; nothing was changed")
    else:
        say(f"{done.added} added, {done.replaced} replaced, {done.refused} refused")
    if done.refused:
        raise typer.Exit(FAILED)


class _Import:
    """An import under way.

    :param mail: ``None``: nothing is changed.
    """

    def __init__(self, mail: Client | None) -> None:
        self._mail = mail
        self.lines = self.added = self.replaced = self.refused = self.unread = 0

    def take(self, parts: Iterator[bytes]) -> None:
        """Add all lines.

        :raises StoreError: the store went away; what stands before the line that is told was added.
        """
        from softbounce.errors import StoreError  # noqa: PLC0415 - beside redis
        from softbounce_gateway.suppression_list.csv_form import BadLine, Unknown, Unread, read_lines  # noqa: PLC0415

        batch: list[Line] = []
        told_at = 0
        try:
            for one in read_lines(parts):
                if isinstance(one, Unknown):
                    warn(f"columns that are passed over: {', '.join(map(ascii, one.names))}")
                elif isinstance(one, Unread):
                    self._tell_unread(one.number, one.why)
                elif isinstance(one, BadLine):
                    self._refuse(one.number, one.why)
                else:
                    batch.append(one)
                if len(batch) == AT_ONCE:
                    self._add(batch)
                    batch = []
                if self.lines - told_at >= TELL_EVERY:
                    told_at = self.lines
                    warn(f"{self.lines} lines so far")
            self._add(batch)
        except StoreError:
            if batch:
                warn(f"stopped at line {batch[0].number}; what stands before is added, and it may be repeated")
            raise

    def _add(self, batch: list[Line]) -> None:
        self.lines += len(batch)
        if self._mail is None or not batch:
            return
        try:
            self._count(*self._mail.suppress_many([one.suppression for one in batch]))
        except InvalidArgument:  # one of its addresses has too many: which?
            for one in batch:
                try:
                    self._count(*self._mail.suppress_many([one.suppression]))
                except InvalidArgument as error:
                    self.lines -= 1
                    self._refuse(one.number, str(error))

    def _count(self, added: int, replaced: int) -> None:
        self.added += added
        self.replaced += replaced

    def _tell_unread(self, number: int, why: str) -> None:
        self.unread += 1
        _warn_of(self.unread, f"line {number}: taken without a time: {why}", "more lines are taken without a time")

    def _refuse(self, number: int, why: str) -> None:
        self.refused += 1
        _warn_of(self.refused, f"line {number}: {why}", "more lines cannot be read")


def _warn_of(count: int, line: str, more: str) -> None:
    """Tell of the first lines one by one, then once that there are more.

    :param count: the how manieth of its kind it is.
    """
    if count <= TOLD:
        warn(line)
    elif count == TOLD + 1:
        warn(more)


def _parts(file: str) -> Iterator[bytes]:
    """The lines of a file; of one that is far too long its parts, which no reader takes."""
    if file == "-":
        yield from iter(lambda: sys.stdin.buffer.readline(LONGEST_PART), b"")
        return
    try:
        with Path(file).open("rb") as lines:
            yield from iter(lambda: lines.readline(LONGEST_PART), b"")
    except OSError as error:
        raise InvalidArgument("FILE", f"{file}: cannot be read: {error.strerror or error}") from error


def export(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    domain: Domain = None,
    stream: Streams = None,
    source: Source = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Write the list to stdout, as CSV that `import` reads; with --json a JSON object a line."""
    from softbounce_gateway.suppression_list.csv_form import heading, line_of  # noqa: PLC0415 - beside redis

    in_json = wants_json(context, as_json)
    with client(context, config) as mail:
        if not in_json:
            sys.stdout.write(heading())
        for one in mail.suppressions(domain=domain, stream=stream, source=source):
            if in_json:
                print_json(one.to_dict())
            else:
                sys.stdout.write(line_of(one))
