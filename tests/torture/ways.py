"""The ways in that an app may take, and what each of them was told: by the library, by HTTP, by SMTP, by the outbox.

All repeat by the letter's key. *Refused* is only what surely was not taken: by SMTP nothing ever is, for a 451 may
stand for an answer that the store gave and nobody heard.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Session

from softbounce import Client, StoreError, StoreUncertain, outbox
from softbounce.ids import envelope_id, format_id, parse_message_id
from torture.letters import Letter

__all__ = ["FIRST", "Told", "Way", "ids_of", "opened"]

FIRST = {"client": 0, "http": 20_000_000, "smtp": 40_000_000, "outbox": 60_000_000}
"""The number of the first letter of each way, so that no two send the same."""
ANSWER_WITHIN = 5.0
GATEWAY_ANSWERS_WITHIN = 20.0
AT_ONCE = 20
"""Connections that an app has to a listener."""
ONE_IN_ROLLED_BACK = 4
Out = TypeVar("Out")


@dataclass(slots=True)
class Told:
    """What became of some letters, by their place: those that are in neither have no answer.

    :ivar taken: their envelopes' ids, in the order of their recipients.
    :ivar refused: of these nothing was taken.
    """

    taken: dict[int, tuple[str, ...]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)


class Way(Protocol):
    """A way in."""

    def hand_over(self, letters: Sequence[Letter], *, are_new: bool) -> Told:
        """Hand these over.

        :param are_new: none of them was handed over before.
        """


@contextmanager
def opened(name: str, url: str) -> Iterator[Way]:
    """One of them.

    :param url: of the store; of the listener; of the app's database.
    """
    match name:
        case "client":
            with Client(url, timeout=ANSWER_WITHIN) as client:
                yield ByClient(client)
        case "outbox":
            yield ByOutbox(url)
        case "http":
            with ThreadPoolExecutor(AT_ONCE) as pool:
                yield ByConnections(pool, lambda: HttpConnection(url))
        case _:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                yield ByConnections(pool, lambda: SmtpConnection(url))


class ByClient:
    """By ``Client.send_many``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def hand_over(self, letters: Sequence[Letter], *, are_new: bool) -> Told:
        """All by one call."""
        try:
            receipts = dict(enumerate(self._client.send_many([one.outgoing() for one in letters])))
        except StoreUncertain as error:
            receipts = error.receipts
        except StoreError:  # nothing was taken, says the store; by an earlier call it may have been
            return Told(refused=list(range(len(letters))) if are_new else [])
        return Told({index: _ids(letters[index], receipt.envelopes) for index, receipt in receipts.items()})


class Connection(Protocol):
    """A connection to a listener."""

    def send(self, letter: Letter) -> tuple[str, ...] | None:
        """The envelopes' ids; ``None``: nothing was taken.

        :raises OSError: no answer, or one that says nothing for certain.
        """

    def close(self) -> None:
        """Hang up."""


class ByConnections:
    """By as many connections as there are threads; one that breaks is made anew."""

    def __init__(self, pool: ThreadPoolExecutor, connect: Callable[[], Connection]) -> None:
        self._pool = pool
        self._connect = connect
        self._mine = threading.local()

    def hand_over(self, letters: Sequence[Letter], *, are_new: bool) -> Told:
        """Side by side."""
        told = Told()
        for index, answer in enumerate(self._pool.map(self._send, letters)):
            if isinstance(answer, tuple):
                told.taken[index] = answer
            elif answer is None and are_new:
                told.refused.append(index)
        return told

    def _send(self, letter: Letter) -> tuple[str, ...] | Exception | None:
        """The ids; nothing; or why there is no answer."""
        try:
            connection: Connection | None = getattr(self._mine, "connection", None)
            if connection is None:
                connection = self._mine.connection = self._connect()
            return connection.send(letter)
        except (OSError, http.client.HTTPException) as error:  # smtplib's are of OSError
            connection, self._mine.connection = getattr(self._mine, "connection", None), None
            if connection is not None:
                with suppress(OSError):
                    connection.close()
            return error


class HttpConnection:
    """``POST /api/v1/messages``, one message after another."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=GATEWAY_ANSWERS_WITHIN)
        self.close = self._connection.close

    def send(self, letter: Letter) -> tuple[str, ...] | None:
        """As it is in the protocol."""
        asked = [("from", letter.sender), *(("to", one) for one in letter.recipients), ("stream", letter.stream)]
        self._connection.request(
            "POST",
            f"/api/v1/messages?{urlencode(asked)}",
            letter.message,
            {"Content-Type": "message/rfc822", "Idempotency-Key": letter.key},
        )
        answer = self._connection.getresponse()
        body = json.loads(answer.read())
        if answer.status == 202:
            return _ids(letter, body["envelopes"])
        if answer.status not in (429, 503):
            raise ValueError(f"HTTP {answer.status} to {letter.key}: {body}")
        if body.get("uncertain"):
            raise ConnectionError(body)
        return None


class SmtpConnection:
    """One transaction after another in a session, with a key."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._session = smtplib.SMTP(where.hostname or "", where.port or 0, timeout=GATEWAY_ANSWERS_WITHIN)
        self._session.ehlo()
        self.close = self._session.close

    def send(self, letter: Letter) -> tuple[str, ...] | None:
        """As it is in the protocol; it never says ``None``."""
        own = f"X-Softbounce-Key: {letter.key}\r\n"
        if letter.stream:
            own += f"X-Softbounce-Stream: {letter.stream}\r\n"
        session = self._session
        answers = [session.mail(letter.sender), *(session.rcpt(one) for one in letter.recipients)]
        if all(code == 250 for code, _ in answers):
            answers.append(session.data(own.encode() + letter.message))
        code, said = answers[-1]
        words = said.decode(errors="replace")
        if code == 250 and " queued as " in words:
            return ids_of(letter.recipients, parse_message_id(words.rpartition(" ")[2]))
        if any(code >= 500 for code, _ in answers):
            raise ValueError(f"SMTP {answers} to {letter.key}")
        raise ConnectionError(words)


class Base(DeclarativeBase):
    """The app's models: it has none but the outbox."""


outbox.table(Base.metadata)


class ByOutbox:
    """By rows in a transaction, some of which are rolled back; taken is what the relay has handed over."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, connect_args={"timeout": 30})
        with self._engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
        Base.metadata.create_all(self._engine)

    def hand_over(self, letters: Sequence[Letter], *, are_new: bool) -> Told:
        """Add what is not there yet; and what has become of the rest."""
        del are_new  # the table knows
        told = Told()
        rows = self._rows([one.key for one in letters])
        new = [one for one in letters if one.key not in rows and not _is_rolled_back(one)]
        with Session(self._engine) as session, session.begin():
            for one in new:
                outbox.add(session, **one.outgoing())
        for index, one in enumerate(letters):
            if _is_rolled_back(one):
                self._roll_back(one)
                told.refused.append(index)
            elif receipt := rows.get(one.key):
                told.taken[index] = _ids(one, json.loads(receipt)["envelopes"])
        return told

    def _rows(self, keys: Sequence[str]) -> dict[str, str | None]:
        """What each row was told, by its key."""
        names = {f"k{number}": key for number, key in enumerate(keys)}
        words = f"SELECT send_key, state, told FROM softbounce_outbox WHERE send_key IN ({', '.join(f':{one}' for one in names)})"  # noqa: S608, E501
        with self._engine.connect() as connection:
            return {key: said if state == 1 else None for key, state, said in connection.execute(text(words), names)}

    def _roll_back(self, letter: Letter) -> None:
        with Session(self._engine) as session:
            outbox.add(session, **letter.outgoing())
            session.flush()
            session.rollback()


def _is_rolled_back(letter: Letter) -> bool:
    return int(letter.key.rpartition("-")[2]) % ONE_IN_ROLLED_BACK == 0


def ids_of(recipients: Sequence[str], message: bytes) -> tuple[str, ...]:
    """The envelopes' ids of a message with that id: its recipients are numbered in the order of the alphabet."""
    numbers = {recipient: number for number, recipient in enumerate(sorted(recipients))}
    return tuple(format_id(envelope_id(message, numbers[recipient])) for recipient in recipients)


def _ids(letter: Letter, envelopes: dict[str, str]) -> tuple[str, ...]:
    return tuple(envelopes[recipient] for recipient in letter.recipients)
