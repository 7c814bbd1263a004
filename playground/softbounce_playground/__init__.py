"""A small internet that ships with softbounce: a nameserver, mail hosts that do as they are told, and a ledger.

Everything listens on loopback. Every domain exists and has two MX hosts that take everything, by TLS too where the
playground runs as a process; the *address* of a recipient says what shall go wrong instead::

    python -m softbounce_playground --ledger ledger.jsonl

    async with Playground(ledger=Path("ledger.jsonl")) as playground:
        ...  # deliver by playground.nameserver to port playground.smtp_port
        playground.ledger.taken("greylist2+17@a.test")

**The local part** says what becomes of one recipient. ``+anything`` or ``-17`` may follow.

=====================  ====================================================================================
``accept``             taken; so is every word that is not in this table
``greylistN``          450 4.7.1 N times (default 1) for each pair of sender and recipient, then taken
``defer``              450 4.2.0 at RCPT for ever: this mailbox is busy
``systemdown``         451 4.3.0 at RCPT for ever: the host itself is in trouble
``full``               452 4.2.2 at RCPT for ever: the mailbox is full
``reject``             550 5.1.1 at RCPT
``busyN``              421 at RCPT and the connection closed, N times (default 1), then taken
``dropdataN``          the connection cut in the middle of the body, N times (default for ever), then taken
``dropdotN``           the message kept, but the connection cut instead of a reply to the dot, N times (default 1),
                       then taken
``dotdefer``           451 4.3.0 after the dot
``dotreject``          554 5.7.1 after the dot
``slowN``              each reply from this RCPT on delayed by N ms (default 500)
``tarpit``             likewise, by 30 s
``dotslowN``           the reply to the dot alone delayed by N ms (default 300)
``c450``, ``c554at-dot``  any code at ``rcpt`` (default), ``data`` or ``dot``. In a *sender*: ``c550at-mail``
``dropat-P``, ``hangat-P``  the connection cut, or silence, at ``rcpt``, ``data``, ``body`` or ``dot``
=====================  ====================================================================================

**Labels of the domain**, anywhere in it, say how its DNS answers:

=====================  ====================================================================================
``nxdomain`` ``servfail`` ``refused`` ``timeout``  so for every question; the last is silence
``nullmx``             ``MX 0 .``, though it has an address
``nomx``               no MX records; the domain has an address itself
``deadmx``             three MX hosts, the first two refuse connections
``alldead``            all hosts refuse connections
``manymx``             60 MX hosts: the answer does not fit into a datagram
``cname``              an alias for the name with ``canonical`` in its place
``loop``               an alias that leads back to itself
``private``            its hosts have the address 10.0.0.1
``shared``, ``shared7``  all these domains share the MX hosts of ``bighost.test``, ``bighost7.test``
=====================  ====================================================================================

**and how its hosts behave.** Hosts with other labels have other addresses, so that domains do not disturb each other.

=====================  ====================================================================================
``greet554`` ``greet421``  greeted with this code; 421 also closes the connection
``c451at-P``           any code at ``greeting``, ``ehlo``, ``starttls``, ``mail``, ``rcpt``, ``data``, ``dot``,
                       ``rset``, ``quit``
``dropat-P`` ``hangat-P``  cut, or silent, at one of these or in the ``body``; ``drop`` is ``dropat-greeting``
``slow500``            every reply delayed by so many ms
``noehlo``             502 to EHLO; HELO works
``nostarttls`` ``nopipelining`` ``nosize`` ``no8bitmime`` ``nosmtputf8`` ``noenhanced``
``nodeliverby``        the extension is not offered
``size1000``           messages of up to so many octets
``rcptmax5``           452 4.5.3 to more recipients in one transaction
``maxconn2``           421 to more connections at one time
``rate20per60``        450 to more messages within so many seconds
``blinddata``          354 to DATA although all recipients were refused
=====================  ====================================================================================

From Python, :attr:`Playground.zone` and :meth:`Playground.behave` say more, and change while it runs.
"""

from __future__ import annotations

from softbounce_playground.expectation import Outcome, Tally, audit, expected, summary
from softbounce_playground.host_behaviour import HostBehaviour
from softbounce_playground.ledger import Command, Entry, Ledger, Refusal, read_ledger
from softbounce_playground.playground import Playground
from softbounce_playground.point import DROP, HANG, Point
from softbounce_playground.zone import Zone

__all__ = [
    "DROP",
    "HANG",
    "Command",
    "Entry",
    "HostBehaviour",
    "Ledger",
    "Outcome",
    "Playground",
    "Point",
    "Refusal",
    "Tally",
    "Zone",
    "audit",
    "expected",
    "read_ledger",
    "summary",
]
