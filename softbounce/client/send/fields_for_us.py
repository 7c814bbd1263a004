"""``X-Softbounce-*`` fields in a message whose send has arguments: refused, by their names.

They are how a client of SMTP, or Django, says what arguments say here. To pass them on would show them to strangers, to
take them out would let them do nothing without a word (a key that nobody obeys lets a repeated send go out twice), and
to obey them would let whoever wrote a message that an app passes on choose its stream, its tenant or its key.
"""

from __future__ import annotations

from email.message import Message
from typing import Any

from softbounce.errors import InvalidMessage
from softbounce.message.own_fields import argument_of, is_own, names_in

__all__ = ["refuse_fields"]

NOT_HERE = "is for SMTP and Django; take it out, and give {} instead"


def refuse_fields(message: object) -> None:
    """See that a message has none.

    :raises InvalidMessage: naming the field, and what says the same.
    """
    names: Any = ()
    if isinstance(message, Message):
        names = message.keys()
    elif isinstance(message, (bytes, bytearray, memoryview)):
        names = names_in(bytes(message))
    for name in names:
        if is_own(name):
            argument = argument_of(name)
            raise InvalidMessage(name[:80], NOT_HERE.format(f"`{argument}`" if argument else "an argument"))
