"""What a person says of an act, such as who and why: it is shown again on terminals and pages, so it is one line."""

from __future__ import annotations

from softbounce.errors import InvalidArgument

__all__ = ["check_one_line"]


def check_one_line(name: str, text: str, most: int) -> None:
    """See that a text is one line that can be printed.

    :param name: what it is called where it is given.
    :param most: characters.
    :raises InvalidArgument: it is not.
    """
    if len(text) > most or not text.isprintable():
        raise InvalidArgument(name, f"is not one line of at most {most} characters that can be printed")
