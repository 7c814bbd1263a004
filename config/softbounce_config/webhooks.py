"""The ``[[webhook]]`` tables: who is told of events by HTTP, of which, and by which secret he knows that it is us.

They are read by the process that tells, and do not travel in the store: who may write there must not choose whom we
call, nor see a secret.
"""

from __future__ import annotations

import re
from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field

from softbounce.address import ascii_domain, is_name
from softbounce.webhooks import KINDS, kind_of
from softbounce_config.dkim import Variable
from softbounce_config.fields import Duration, Glob, Notation, RuleName, Section, TextPath
from softbounce_config.process_settings import WebhookSettings
from softbounce_config.webhook_secret import Secret, read_all

__all__ = ["MOST_WEBHOOKS", "WebhookSection", "is_in_clear", "is_loopback", "name_of"]

MOST_WEBHOOKS = 100
DEFAULTS = WebhookSettings(name="", url="")
LONGEST_URL = 2048
LONGEST_HOST_IN_NAME = 48
LONGEST_LABEL = 63
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,251}[a-z0-9])?")


def name_of(url: str) -> str:
    """What a receiver is called that has no name of its own: the same for the same URL, whose secrets it does not tell.

    :raises ValueError: it is no URL.
    """
    host = urlsplit(url).netloc.rpartition("@")[2].lower().replace(":", "-").strip("[]")
    return f"{host[:LONGEST_HOST_IN_NAME]}-{sha256(url.encode()).hexdigest()[:6]}"


def is_loopback(host: str) -> bool:
    """Whether it is this machine by what is written, and not by what somebody's DNS says."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_in_clear(url: str) -> bool:
    """Whether what is told there can be overheard."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('should be a URL, as in "https://app.example.com/softbounce"')  # noqa: TRY004 - pydantic's
    if len(value) > LONGEST_URL or not value.isprintable() or " " in value or "\\" in value:
        raise ValueError(f"should be a URL of at most {LONGEST_URL} ASCII characters, without blanks")
    if not value.isascii():
        raise ValueError(_in_ascii(value))
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if port == 0:
        raise ValueError("has the port 0, at which nobody can be called")
    _check(parts)
    return value


def _in_ascii(url: str) -> str:
    """What to write instead of a URL with other characters."""
    try:
        host = urlsplit(url).hostname or ""
        name = host if host.isascii() else ascii_domain(host)
    except ValueError:
        name = host = ""
    if name != host:
        return f"should be in ASCII: its host is written {name}"
    return f"should be a URL of at most {LONGEST_URL} ASCII characters, without blanks; write others as %XX"


def _check(parts: SplitResult) -> None:
    if parts.scheme not in {"https", "http"}:
        raise ValueError("should begin with https://")
    if "@" in parts.netloc:
        raise ValueError("has a login in it, which is not sent: receivers know us by the signature")
    if parts.fragment:
        raise ValueError("has a #, behind which nothing is sent")
    _check_host(parts.hostname or "")


def _check_host(host: str) -> None:
    """See that it names one host, in the one way that its certificate, Host field and a look-up have it.

    :raises ValueError: it does not, and what to write.
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("has the address of one network card alone (%), which no other machine knows")
        return
    if host.endswith(".") and HOST.fullmatch(host[:-1]) is not None:
        raise ValueError(f"has a dot behind its host name, which no certificate has: write {host[:-1]}")
    if HOST.fullmatch(host) is None:
        raise ValueError("has no host name")
    if any(not 0 < len(label) <= LONGEST_LABEL for label in host.split(".")):
        raise ValueError(f"has a host name with a part that is empty, or longer than {LONGEST_LABEL} characters")
    if NUMBER.fullmatch(host.rpartition(".")[2]) is not None:  # what systems read as an address, each in its own way
        try:
            ip_address(host)
        except ValueError:
            raise ValueError("has a number for a host, and no address: write it as 192.0.2.1") from None
    if not is_name(host):
        raise ValueError("has a host name that begins with xn--, and stands for no name")


def _secrets(value: object) -> tuple[Secret, ...]:
    return read_all([value] if isinstance(value, str) else value)


def _kinds(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("should be a list of kinds of events")  # noqa: TRY004 - pydantic's
    for one in value:
        if not isinstance(one, str) or kind_of(one) is None:
            raise ValueError(f"{str(one)[:40]!r} is no kind of event; there are {', '.join(KINDS)}")
    return tuple(dict.fromkeys(kind_of(one) or "" for one in value))


def _list(value: object) -> Any:  # noqa: ANN401 - what stands in it is checked next
    if isinstance(value, list):
        return tuple(value)
    raise ValueError("should be a list of globs")


WebhookUrl = Annotated[str, BeforeValidator(_url), Notation("URL")]
Secrets = Annotated[
    tuple[Secret, ...],
    BeforeValidator(_secrets),
    Notation("secret, or list of two", lambda secrets: [str(one) for one in secrets], is_list=True),
]
Kinds = Annotated[tuple[str, ...], BeforeValidator(_kinds), Notation("list of kinds", list, is_list=True)]
Streams = Annotated[tuple[Glob, ...], BeforeValidator(_list), Notation("list of globs", list, is_list=True)]


class WebhookSection(Section):
    """Who is told of events by HTTP ([docs/webhooks.md](webhooks.md)), signed as Standard Webhooks 1.0 has it.

    Each event is told at least once, and in order for each envelope. What is not taken is tried again by a policy, the
    same kind as mail has. A receiver begins with what happens after it was first configured. Each table needs one of
    `secret`, `secret_file` and `secret_env`. Read by each process when it starts.
    """

    url: WebhookUrl = Field(
        description="Where to. `https`, but on this machine (`localhost`, `127.0.0.1`, `[::1]`) or with `allow_http`."
    )
    name: RuleName | None = Field(
        default=None,
        description="What the receiver is called by `softbounce webhooks`, in metrics and logs. How far it was told is "
        "kept by this name, so give one before you change the URL. Not given: made of the URL.",
    )
    secret: Secrets = Field(
        default=DEFAULTS.secret,
        description="What it knows us by: `whsec_...`, as `softbounce webhooks secret` makes one. While you change it, "
        "a list of the new and the old one: each event is signed with both.",
    )
    secret_file: TextPath | None = Field(
        default=DEFAULTS.secret_file,
        description="The file with the secret, a line that nobody else should be able to read; of two lines both "
        "count. Read again when it changes.",
    )
    secret_env: Variable | None = Field(
        default=DEFAULTS.secret_env,
        description="Instead of a file: the environment variable that holds it; two with a blank between them.",
    )
    kinds: Kinds = Field(
        default=DEFAULTS.kinds,
        description='Which events: `["delivered", "bounced"]`, say; `envelope.bounced` is the same. Not given: all.',
    )
    streams: Streams = Field(
        default=DEFAULTS.streams, description="Only events of streams that one of these fits. Not given: all."
    )
    policy: RuleName | None = Field(
        default=DEFAULTS.policy,
        description="By which policy an event is tried again. Not given: `[policy.webhook]` where there is one, else "
        "one of three days whose waits are 5s, 30s, 2m, 10m, 30m, 1h, 2h, then 4h.",
    )
    timeout: Duration = Field(
        default=DEFAULTS.timeout,
        description="How long the receiver has for one event, from the connection to the answer.",
    )
    connections: int = Field(
        default=DEFAULTS.connections,
        ge=1,
        le=100,
        description="How many events it gets at one time, each of another envelope. While it is away: one.",
    )
    allow_http: bool = Field(
        default=DEFAULTS.allow_http,
        description="Whether `http` will do beyond this machine: what happens to mail is told in clear then.",
    )
    allow_private: bool = Field(
        default=DEFAULTS.allow_private,
        description="Whether its name may lead to an address of your own network. Off, a name that somebody else has "
        "the say of cannot make us call there. Link-local addresses are never called.",
    )

    def told(self) -> WebhookSettings:
        """What the process is told of it."""
        return WebhookSettings(**{**dict(self), "name": self.name or name_of(self.url)})
