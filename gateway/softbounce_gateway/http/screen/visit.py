"""One visit to a page of the screen: who looks, what was asked, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Response

from softbounce.errors import InvalidArgument
from softbounce.store.tokens import Token
from softbounce_gateway.http.body import content_type, read_query, unsupported
from softbounce_gateway.http.house import Call, House
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.screen.answer import answer_page, see_other
from softbounce_gateway.http.screen.session import Session

__all__ = ["FORM", "Visit", "read_form"]

T = TypeVar("T", bound=msgspec.Struct)
FORM = "application/x-www-form-urlencoded"
MOST_OCTETS = 64 * 1024
MOST_FIELDS = 100
WORD = "word"
"""The field of a form that says of which session it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request to the screen by somebody who may look."""

    call: Call
    session: Session

    @property
    def house(self) -> House:
        """What the process knows."""
        return self.call.house

    @property
    def token(self) -> Token | None:
        """Whose; ``None``: there are no tokens."""
        return self.session.token

    @property
    def by(self) -> str:
        """Who acts, as is written down."""
        return "" if self.token is None else self.token.name

    @property
    def may_operate(self) -> bool:
        """Whether they may act, and not only look."""
        return self.token is None or self.token.may("operate")

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.call.path(name)

    def query(self, kind: type[T]) -> T:
        """What the address asks. A field of a form that was left empty asks nothing.

        :raises Problem: something is not what is asked for; names it.
        """
        return read_query(self.call.request, kind, skip_empty=True)

    async def form(self) -> dict[str, str]:
        """The fields of a form that were filled in, each once.

        :raises Problem: it cannot be read, or is not of this session.
        """
        fields = await read_form(self.call)
        self.session.check(fields.pop(WORD, ""))
        return {name: value.strip() for name, value in fields.items() if value.strip()}

    def page(
        self,
        template: str,
        *,
        title: str,
        command: Sequence[str] = (),
        status: int = 200,
        **values: Any,  # noqa: ANN401
    ) -> Response[bytes]:
        """A page.

        :param template: a file of ``templates``, which extends ``frame.html``.
        :param command: the words of the command that says the same; they are quoted as a shell wants it.
        :param values: what the template asks for.
        """
        frame: Mapping[str, Any] = {
            "title": title,
            "command": command,
            "here": self.call.request.url.path,
            "token": self.token,
            "may_operate": self.may_operate,
            "form_word": self.session.word,
            "has_inbox": self.house.has_inbox,
        }
        return answer_page(template, {**values, **frame}, status=status)

    def to(self, path: str) -> Response[bytes]:
        """Go on to another page of the screen, after an act."""
        return see_other(path)


async def read_form(call: Call) -> dict[str, str]:
    """The fields of a form.

    :raises Problem: it is none, too large, or has a field twice.
    """
    if content_type(call.request) != FORM:
        raise unsupported(FORM)
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        try:
            pairs = parse_qsl(
                octets.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
            )
        except ValueError:
            raise Problem(400, "InvalidForm", "the form cannot be read", title="The form cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidArgument("form", "has a field twice")
    return fields
