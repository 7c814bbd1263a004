"""The SQL of the relay: the same for SQLAlchemy and Django, and but for two words for every kind of database.

A row waits (0), was sent (1) or is set aside (2). What is new has ``due_ms`` 0 and is found by its number; what was
claimed, or put off, has the time at which it is looked at again. Both are ranges of one index, so neither looks at rows
of the other. Times are the database's own: clocks of machines play no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from softbounce.errors import ConfigError
from softbounce.outbox.relay.database import TABLE, Execute
from softbounce.outbox.row import Row

__all__ = ["ASIDE", "SENT", "WAITING", "Candidate", "Counts", "Statements", "Told"]

WAITING, SENT, ASIDE = 0, 1, 2
NOW = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
}
NOW["mariadb"] = NOW["mysql"]
COLUMNS = "id, COALESCE(LENGTH(message), 0) + LENGTH(arguments), tries, claimed_ms"


class Candidate(NamedTuple):
    """A row that may be claimed.

    :ivar octets: of its message and arguments, which are not read yet.
    :ivar tries: how many claims of it ended without a word.
    :ivar doubt_ms: for how long it has been in doubt whether it was handed over; 0: it was not.
    """

    id: int
    octets: int
    tries: int
    doubt_ms: int


class Told(NamedTuple):
    """A row of which there is something to tell: it was set aside, or put off.

    :ivar state: ``aside`` or ``put off``.
    """

    id: int
    state: str
    key: str
    octets: int
    reason: str


class Counts(NamedTuple):
    """How many rows wait, were sent and are still kept, and were set aside."""

    waiting: int
    sent: int
    aside: int


class Statements:
    """The statements for one kind of database; each is carried out within a transaction of the caller's.

    :raises ConfigError: it is none of these.
    """

    def __init__(self, dialect: str) -> None:
        if dialect not in NOW:
            raise ConfigError(f"the outbox's database: {dialect} is none of {', '.join(sorted(NOW))}")
        self._now = NOW[dialect]
        self._is_sqlite = dialect == "sqlite"
        self._is_mysql = dialect in {"mysql", "mariadb"}
        self._skip_locked = "" if self._is_sqlite else " FOR UPDATE SKIP LOCKED"

    def begin(self, execute: Execute) -> None:
        """Begin to write. SQLite lets one write at a time, and who has read before does not wait for its turn."""
        if self._is_sqlite:
            execute(f"UPDATE {TABLE} SET tries = tries WHERE id = -1")

    def _at_once(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """Rows that one statement changes: all, but one by one in MySQL and MariaDB.

        Of several they may read a small table from its beginning, and then wait for each row on the way that an open
        transaction of an app has added.
        """
        return [[one] for one in ids] if self._is_mysql else [ids]

    def has_work(self, execute: Execute, behind: int) -> bool:
        """Whether something may be claimed: asked without writing, so that an idle relay is in nobody's way."""
        new = f"SELECT 1 FROM {TABLE} WHERE state = 0 AND due_ms = 0 AND id > :behind LIMIT 1"
        due = f"SELECT 1 FROM {TABLE} WHERE state = 0 AND due_ms > 0 AND due_ms <= {self._now} LIMIT 1"
        old = f"SELECT 1 FROM {TABLE} WHERE state = 1 AND due_ms <= {self._now} LIMIT 1"
        return bool(execute(new, {"behind": behind}) or execute(due) or execute(old))

    def new(self, execute: Execute, behind: int, most: int) -> list[Candidate]:
        """Rows that nobody has claimed yet, behind a number, by their numbers; locked where that can be."""
        where = "state = 0 AND due_ms = 0 AND id > :behind ORDER BY id"
        return self._candidates(execute, where, {"behind": behind, "most": most})

    def due(self, execute: Execute, most: int) -> list[Candidate]:
        """Rows whose claim has lapsed, or that were put off until now; locked where that can be."""
        where = f"state = 0 AND due_ms > 0 AND due_ms <= {self._now} ORDER BY due_ms, id"
        return self._candidates(execute, where, {"most": most})

    def _candidates(self, execute: Execute, where: str, values: Mapping[str, object]) -> list[Candidate]:
        statement = f"SELECT {COLUMNS}, {self._now} FROM {TABLE} WHERE {where} LIMIT :most{self._skip_locked}"
        return [
            Candidate(int(id_), int(octets), int(tries), int(now) - int(claimed) if claimed else 0)
            for id_, octets, tries, claimed, now in execute(statement, values)
        ]

    def claim(self, execute: Execute, ids: Sequence[int], token: str, lease_ms: int) -> list[Row]:
        """Claim rows for so long, and read those of them that nobody else has claimed in between."""
        for some in self._at_once(ids):
            execute(
                f"UPDATE {TABLE} SET due_ms = {self._now} + :lease, claim = :token, tries = tries + 1,"
                f" claimed_ms = CASE WHEN claimed_ms = 0 THEN {self._now} ELSE claimed_ms END"
                f" WHERE id IN ({_list(some)}) AND state = 0 AND due_ms <= {self._now}",
                {"lease": lease_ms, "token": token},
            )
        found = execute(
            f"SELECT id, send_key, arguments, message FROM {TABLE} WHERE id IN ({_list(ids)}) AND claim = :token"
            " ORDER BY id",
            {"token": token},
        )
        return [Row(int(id_), str(key), str(arguments), bytes(message)) for id_, key, arguments, message in found]

    def delete(self, execute: Execute, ids: Sequence[int], token: str) -> None:
        """Delete rows that were sent. Who has lost the claim leaves that to whoever has it: a number may be reused."""
        for some in self._at_once(ids):
            execute(f"DELETE FROM {TABLE} WHERE id IN ({_list(some)}) AND claim = :token", {"token": token})

    def keep(self, execute: Execute, id_: int, token: str, *, receipt: str, keep_ms: int) -> None:
        """Keep a row that was sent, without its message, for so long."""
        execute(
            f"UPDATE {TABLE} SET state = 1, due_ms = {self._now} + :keep, told = :receipt, message = :none, claim = ''"
            " WHERE id = :id AND claim = :token",
            {"id": id_, "token": token, "keep": keep_ms, "receipt": receipt, "none": b""},
        )

    def delete_old(self, execute: Execute, most: int) -> None:
        """Delete some of the rows that were kept for long enough."""
        found = execute(f"SELECT id FROM {TABLE} WHERE state = 1 AND due_ms <= {self._now} LIMIT :most", {"most": most})
        if found:
            execute(f"DELETE FROM {TABLE} WHERE id IN ({_list(int(id_) for (id_,) in found)}) AND state = 1")

    def put_off(self, execute: Execute, id_: int, token: str, *, wait_ms: int, reason: str) -> None:
        """Look at a row that certainly was not taken again after so long."""
        execute(
            f"UPDATE {TABLE} SET due_ms = {self._now} + :wait, told = :reason, claim = '', claimed_ms = 0, tries = 0"
            " WHERE id = :id AND state = 0 AND claim = :token",
            {"id": id_, "token": token, "wait": wait_ms, "reason": reason},
        )

    def give_back(self, execute: Execute, ids: Sequence[int], token: str, *, is_uncertain: bool) -> None:
        """Give claims up. What may have been taken stays in doubt; the claim itself no longer counts against it."""
        doubt = "" if is_uncertain else ", claimed_ms = 0"
        for some in self._at_once(ids):
            execute(
                f"UPDATE {TABLE} SET due_ms = 0, claim = '', tries = tries - 1{doubt}"
                f" WHERE id IN ({_list(some)}) AND state = 0 AND claim = :token",
                {"token": token},
            )

    def set_aside(self, execute: Execute, id_: int, reason: str, *, token: str | None = None) -> None:
        """Set a row aside: it is not looked at again before a person says so."""
        mine = "" if token is None else " AND claim = :token"
        execute(
            f"UPDATE {TABLE} SET state = 2, due_ms = 0, claim = '', told = :reason WHERE id = :id AND state = 0{mine}",
            {"id": id_, "reason": reason, "token": token} if mine else {"id": id_, "reason": reason},
        )

    def told(self, execute: Execute, most: int) -> list[Told]:
        """The first of the rows that were set aside, and of those that softbounce did not take for now."""
        found: list[Told] = []
        for state, where in (("aside", "state = 2"), ("put off", "state = 0 AND due_ms > 0 AND claimed_ms = 0")):
            rows = execute(
                f"SELECT id, send_key, COALESCE(LENGTH(message), 0), told FROM {TABLE}"
                f" WHERE {where} ORDER BY due_ms, id LIMIT :most",
                {"most": most},
            )
            found += [Told(int(id_), state, str(key), int(octets), str(told)) for id_, key, octets, told in rows]
        return found

    def try_again(self, execute: Execute, ids: Sequence[int] | None) -> int:
        """Let rows that were set aside wait again, as if they were new; all of them where none is named."""
        chosen = self._chosen(execute, ids)
        if chosen:
            execute(
                f"UPDATE {TABLE} SET state = 0, due_ms = 0, tries = 0, claimed_ms = 0, told = ''"
                f" WHERE id IN ({_list(chosen)})"
            )
        return len(chosen)

    def drop(self, execute: Execute, ids: Sequence[int]) -> int:
        """Delete rows that were set aside."""
        chosen = self._chosen(execute, ids)
        if chosen:
            execute(f"DELETE FROM {TABLE} WHERE id IN ({_list(chosen)}) AND state = 2")
        return len(chosen)

    def _chosen(self, execute: Execute, ids: Sequence[int] | None) -> list[int]:
        if ids is not None and not ids:
            return []
        named = "" if ids is None else f" AND id IN ({_list(ids)})"
        return [int(id_) for (id_,) in execute(f"SELECT id FROM {TABLE} WHERE state = 2{named}")]

    def count(self, execute: Execute) -> Counts:
        """How many rows there are of each state."""
        found = {
            int(state): int(number) for state, number in execute(f"SELECT state, COUNT(*) FROM {TABLE} GROUP BY state")
        }
        return Counts(found.get(WAITING, 0), found.get(SENT, 0), found.get(ASIDE, 0))


def _list(ids: Iterable[int]) -> str:
    return ", ".join(str(int(one)) for one in ids)
