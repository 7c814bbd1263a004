"""How a letter reaches a person: by mail through our own queue, by a program, or by a webhook.

Mail has the null sender and a key of its own: written again it is the same one, and what becomes of it is told to
nobody. A program is run without a shell, in an environment of a few words of ours; what hosts said reaches it on its
standard input only. A webhook goes by the checked connections of :mod:`softbounce_gateway.webhooks`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, NamedTuple

import msgspec
from softbounce_config.alerts import AlertSection
from softbounce_config.process_settings import WebhookSettings

from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.send.accepting import send_each
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.errors import KeyReused, StoreUncertain
from softbounce.store.shards import AsyncShards
from softbounce_gateway.webhooks.posting import Poster
from softbounce_gateway.webhooks.signing import body_of, headers_of

__all__ = ["Message", "Said", "by_command", "by_mail", "by_webhook", "written"]

COMMAND_SECONDS = 30.0
ENDS_WITHIN = 5.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_SUBJECT = 150


class Message(NamedTuple):
    """What is told.

    :ivar state: ``began``, ``over``, ``summary`` or ``test``.
    :ivar data: the same for programs.
    """

    id: str
    state: str
    subject: str
    text: str
    data: dict[str, Any]


class Said(NamedTuple):
    """What came of telling it.

    :ivar is_told: if not, it is tried again.
    :ivar words: who has it now, or why nobody has; one line.
    :ivar maybe: it was not told for sure, and may have been heard.
    """

    is_told: bool
    words: str
    maybe: bool = False


def written(table: AlertSection, hostname: str, told: Message) -> EmailMessage:
    """As mail."""
    mail = EmailMessage()
    mail["From"] = table.sent_from or f"softbounce@{hostname}"
    mail["To"] = table.to
    mail["Subject"] = told.subject[:LONGEST_SUBJECT]
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(told.text)
    return mail


async def by_mail(table: AlertSection, hostname: str, store: AsyncShards, knowledge: Knowledge, told: Message) -> Said:
    """Hand it over to the queue, durably."""
    mail = written(table, hostname, told)
    outgoing = Outgoing(sender="", recipients=[table.to], message=mail, stream=table.stream, key=told.id, force=True)
    (outcome,) = await await_flow(send_each(knowledge, [outgoing]), store)
    if isinstance(outcome, KeyReused):
        return Said(is_told=True, words="it was written before, with other words")  # that will do
    if not isinstance(outcome, Receipt):
        return Said(is_told=False, words=str(outcome), maybe=isinstance(outcome, StoreUncertain))
    return Said(is_told=True, words=f"accepted as {next(iter(outcome.envelopes.values()))}")


async def by_command(table: AlertSection, told: Message, *, seconds: float = COMMAND_SECONDS) -> Said:
    """Run the program, and end it with all that it began where it takes too long."""
    environment = {"PATH": PATH, "LANG": "C.UTF-8", "SOFTBOUNCE_ALERT_ID": told.id, "SOFTBOUNCE_ALERT": told.state}
    try:
        process = await asyncio.create_subprocess_exec(
            *table.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return Said(is_told=False, words=f"{table.command[0]}: {error.strerror or error}")
    words = f"{table.command[0]} had no end within {seconds:g} s"
    is_told = False
    try:
        async with asyncio.timeout(seconds):
            await process.communicate(msgspec.json.encode(told.data) + b"\n")
        words, is_told = f"{table.command[0]} ended with {process.returncode}", process.returncode == 0
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await process.wait()
    return Said(is_told, words, maybe=not is_told)


async def by_webhook(
    receiver: WebhookSettings, secrets: Callable[[WebhookSettings], list[bytes]], poster: Poster, told: Message
) -> Said:
    """Post it."""
    now = datetime.now(UTC)
    body = body_of(f"alert.{told.state}", now, told.data)
    try:
        signing = secrets(receiver)
    except ValueError as error:
        return Said(is_told=False, words=str(error))
    answer = await poster.post(headers_of(told.id, int(now.timestamp()), body, signing), body)
    maybe = answer.code == 0 and answer.is_connected
    return Said(200 <= answer.code < 300, answer.words, maybe)  # noqa: PLR2004 - RFC 9110 §15.3
