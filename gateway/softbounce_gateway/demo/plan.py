"""What the demo sends: how many envelopes for each behaviour of the playground, where, and what must come out.

What must come out is what the playground's own tables promise (``expected``), save where a line here says otherwise
and why. Pure; sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from softbounce_playground import expected

__all__ = ["BEHAVIOURS", "CONFIG", "WINDOW", "Behaviour", "Planned", "planned"]

WINDOW = "10s"
CONFIG = f"""\
# Policies of days, cut down to seconds.
[worker]
processes = 2
drain = "5s"

[scheduler]
sweep = "1s"

[dns]
timeout = "1s"

[smtp.timeouts]
connect = "2s"
greeting = "3s"
ehlo = "3s"
mail = "3s"
rcpt = "3s"
data = "3s"
block = "3s"
end_of_data = "3s"
idle = "1s"

[policy.default]
window = "{WINDOW}"
delays = ["500ms", "1s", "2s"]

[[lane]]
site = "*"
close_first = "1s"
close_factor = 1.5
close_cap = "2s"
"""

PLAIN = tuple(
    f"{name}.test" for name in ("amber", "birch", "cedar", "daisy", "elder", "fern", "grove", "hazel", "iris", "jade")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing that remote hosts do, and the envelopes that meet it.

    :ivar name: as the tables show it.
    :ivar meaning: the same in words.
    :ivar word: the local part that asks a host of the playground for it.
    :ivar domains: where.
    :ivar each: how many envelopes a domain.
    :ivar outcome: what must come out, where not what the playground's tables say.
    :ivar code: the reply code that a bounce must keep; ``None``: no reply was ever had.
    :ivar per_message: how many recipients one message has.
    """

    name: str
    meaning: str
    word: str = "accept"
    domains: tuple[str, ...] = PLAIN
    each: int = 3
    outcome: str | None = None
    code: int | None = None
    per_message: int = 1


BEHAVIOURS = (
    Behaviour(name="accept", meaning="takes everything", each=6),
    Behaviour(name="accept, many", meaning="five recipients of one message", word="many", each=5, per_message=5),
    Behaviour(name="greylist", meaning="450 at first sight, then taken", word="greylist", each=4),
    Behaviour(name="greylist twice", meaning="450 two times, then taken", word="greylist2"),
    Behaviour(name="busy", meaning="421 and closes the connection, once", word="busy"),
    Behaviour(name="slow", meaning="thinks 300 ms before each reply", word="slow300"),
    Behaviour(name="cut in the body", meaning="loses the connection in mid-message, once", word="dropdata1"),
    Behaviour(name="cut at the dot", meaning="keeps the message, cuts instead of its 250", word="dropdot"),
    Behaviour(name="mailbox busy", meaning="450 for ever", word="defer", code=450),
    Behaviour(name="mailbox full", meaning="452 for ever", word="full", code=452),
    Behaviour(name="451 at the dot", meaning="cannot store it, for ever", word="dotdefer", each=2, code=451),
    Behaviour(name="no such user", meaning="550 at RCPT", word="reject", code=550),
    Behaviour(name="content refused", meaning="554 at the dot", word="dotreject", each=2, code=554),
    Behaviour(
        name="system down", meaning="451 4.3.0 to everyone", word="systemdown", domains=("ill.test",), each=6, code=451
    ),
    Behaviour(
        name="tarpit",
        meaning="30 s before each reply; we wait 3 s",
        word="tarpit",
        domains=("tar.test",),
        each=6,
        outcome="bounced:promoted",  # the playground would take it in the end; our time limit comes first
    ),
    Behaviour(name="greets 554", meaning="no service for you here", domains=("shut.greet554.test",), each=6, code=554),
    Behaviour(name="greets 421", meaning="too busy, for ever", domains=("shut.greet421.test",), each=6, code=421),
    Behaviour(name="all hosts dead", meaning="every MX refuses the connection", domains=("gone.alldead.test",), each=6),
    Behaviour(name="two of three dead", meaning="the third MX takes it", domains=("half.deadmx.test",), each=6),
    Behaviour(name="no MX", meaning="the domain's own address is the host", domains=("old.nomx.test",), each=6),
    Behaviour(name="60 MX hosts", meaning="DNS answers too large for UDP", domains=("big.manymx.test",), each=6),
    Behaviour(name="HELO only", meaning="does not know EHLO", domains=("old.noehlo.test",), each=6),
    Behaviour(name="NXDOMAIN", meaning="there is no such domain", domains=("no.nxdomain.test",), each=6),
    Behaviour(name="null MX", meaning="the domain takes no mail", domains=("no.nullmx.test",), each=6),
    Behaviour(name="SERVFAIL", meaning="the domain's DNS is broken", domains=("ill.servfail.test",), each=6),
    Behaviour(name="DNS silent", meaning="the domain's DNS does not answer", domains=("ill.timeout.test",), each=6),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One message to send: its recipients, and what must become of each."""

    behaviour: Behaviour
    recipients: tuple[str, ...]
    outcome: str


def planned() -> Iterator[Planned]:
    """Every message of the demo, behaviours mixed as they are in life."""
    longest = max(behaviour.each for behaviour in BEHAVIOURS)
    for number in range(longest):
        for behaviour in BEHAVIOURS:
            if number % behaviour.per_message or number >= behaviour.each:
                continue
            for domain in behaviour.domains:
                recipients = tuple(
                    f"{behaviour.word}-{number + more}@{domain}" for more in range(behaviour.per_message)
                )
                outcome = behaviour.outcome or expected(behaviour.word, domain)
                yield Planned(behaviour, recipients, outcome)
