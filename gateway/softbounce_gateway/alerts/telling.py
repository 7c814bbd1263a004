"""How a letter reaches a person: by mail through our own queue, by a program, or by a webhook. False: try again.

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
import structlog
from softbounce_config.alerts import AlertSection
from softbounce_config.process_settings import WebhookSettings

from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.send.accepting import send_each
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.errors import KeyReused
from softbounce.store.shards import AsyncShards
from softbounce_gateway.webhooks.posting import Poster
from softbounce_gateway.webhooks.signing import body_of, headers_of

__all__ = ["Message", "by_command", "by_mail", "by_webhook"]

COMMAND_SECONDS = 30.0
ENDS_WITHIN = 5.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_SUBJECT = 150
log = structlog.get_logger("softbounce.alerts")


class Message(NamedTuple):
    """What is told.

    :ivar state: ``began``, ``over`` or ``summary``.
    :ivar data: the same for programs.
    """

    id: str
    state: str
    subject: str
    text: str
    data: dict[str, Any]


async def by_mail(table: AlertSection, hostname: str, store: AsyncShards, knowledge: Knowledge, told: Message) -> bool:
    """Hand it over to the queue, durably."""
    mail = EmailMessage()
    mail["From"] = table.sent_from or f"softbounce@{hostname}"
    mail["To"] = table.to
    mail["Subject"] = told.subject[:LONGEST_SUBJECT]
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(told.text)
    outgoing = Outgoing(sender="", recipients=[table.to], message=mail, stream=table.stream, key=told.id, force=True)
    (outcome,) = await await_flow(send_each(knowledge, [outgoing]), store)
    is_told = isinstance(outcome, Receipt | KeyReused)  # with other words it was written before: that will do
    if not is_told:
        log.warning("alert_not_told", alert=table.name, id=told.id, why=str(outcome))
    return is_told


async def by_command(table: AlertSection, told: Message, *, seconds: float = COMMAND_SECONDS) -> bool:
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
        log.warning("alert_not_told", alert=table.name, id=told.id, why=error.strerror or str(error))
        return False
    why = ""
    try:
        async with asyncio.timeout(seconds):
            await process.communicate(msgspec.json.encode(told.data) + b"\n")
        why = f"{table.command[0]} ended with {process.returncode}" if process.returncode else ""
    except TimeoutError:
        why = f"{table.command[0]} had no end within {seconds:g} s"
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await process.wait()
    if why:
        log.warning("alert_not_told", alert=table.name, id=told.id, why=why)
    return not why


async def by_webhook(
    receiver: WebhookSettings, secrets: Callable[[WebhookSettings], list[bytes]], poster: Poster, told: Message
) -> bool:
    """Post it."""
    now = datetime.now(UTC)
    body = body_of(f"alert.{told.state}", now, told.data)
    try:
        signing = secrets(receiver)
    except ValueError as error:
        log.warning("alert_not_told", webhook=receiver.name, id=told.id, why=str(error))
        return False
    answer = await poster.post(headers_of(told.id, int(now.timestamp()), body, signing), body)
    is_taken = 200 <= answer.code < 300  # noqa: PLR2004 - RFC 9110 §15.3
    if not is_taken:
        log.warning("alert_not_told", webhook=receiver.name, id=told.id, why=answer.words)
    return is_taken
