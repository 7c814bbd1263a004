"""A store's URL, or a text with one in it, without its secrets: also where it is no URL, or one that is none yet.

What a URL is says :mod:`softbounce.store.address`. Here rather too much is hidden than too little.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

__all__ = ["MASK", "is_secret", "redact", "redact_in"]

USER = re.compile(r"[^/?#@:\s\"']*:")
OPTION = re.compile(r"([?&])([^?&=]*)=((?:[^&]|&(?![^&=]*=))*)")  # a value goes on where no other option begins
SECRET_NAMES = ("pass", "secret", "token", "cred", "auth")
MASK = "***"


def redact(url: str) -> str:
    """The URL without its passwords."""
    if "://" in url:
        return redact_in(url)
    return MASK + url[url.rindex("@") :] if "@" in url else _without_options(url)


def redact_in(text: str) -> str:
    """A text that may have a URL in it, without passwords.

    Whatever stands between ``://`` and the last ``@`` is taken for a login, since a raw ``/``, ``?`` or space in a
    password makes no URL and is shown in the error about that. A user's name before a colon stays.
    """
    head, separator, rest = text.partition("://")
    if not separator or "@" not in rest or (head.endswith("unix") and rest.startswith("/")):
        return _without_options(text)
    at = rest.rindex("@")
    options = next((one for one in OPTION.finditer(rest) if is_secret(one[2])), None)
    if options is not None and options.start() < at:
        # The last @ may be one of that password's: nothing tells where it ends.
        at = len(rest)
    user = USER.match(rest, 0, at)
    return f"{head}://{user[0] if user else ''}{MASK}{_without_options(rest[at:])}"


def _without_options(text: str) -> str:
    return OPTION.sub(lambda one: f"{one[1]}{one[2]}={MASK}" if is_secret(one[2]) else one[0], text)


def is_secret(name: str) -> bool:
    """Whether what an option, or a key, of this name holds is to be told to nobody."""
    plain = unquote_plus(name).casefold()
    return any(word in plain for word in SECRET_NAMES)
