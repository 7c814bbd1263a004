"""Wordings and marks that mean something at one provider only.

Each is bound to the provider's sites: a stranger who writes another's marks gains nothing by it. The names beside the
domains are how a provider is called in the input of ``softbounce classify``.
"""

from __future__ import annotations

from softbounce.classify.wording import Wording, phrases
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = ["PROVIDERS"]

MICROSOFT = frozenset({"outlook", "exchangeonline", "outlook.com", "hotmail.com", "microsoft"})
YAHOO = frozenset({"yahoo", "yahoodns.net", "yahoo.com", "aol", "aol.com"})
APPLE = frozenset({"apple", "icloud.com", "apple.com"})
COMCAST = frozenset({"comcast", "comcast.net"})
COX = frozenset({"cox", "cox.net"})
ORANGE = frozenset({"orange", "orange.fr", "wanadoo.fr"})
NETEASE = frozenset({"netease", "163", "126", "163.com", "126.com", "netease.com"})
BLOCKED = Meaning(reason=Reason.IP_REPUTATION, fault=FineFault.SENDER_REPUTATION)
SENDS_TOO_MUCH = Meaning(reason=Reason.RATE_LIMIT, fault=FineFault.SENDER_REPUTATION)
SPAM = Meaning(reason=Reason.SPAM_CONTENT, fault=FineFault.MESSAGE)
POLICY = Meaning(reason=Reason.POLICY, fault=FineFault.POLICY)
GREYLIST = Meaning(reason=Reason.GREYLIST, fault=FineFault.RECEIVER_SYSTEM)

PROVIDERS: tuple[Wording, ...] = (
    Wording(
        name="microsoft-blocked",
        meaning=BLOCKED,
        sites=MICROSOFT,
        phrases=phrases("""
            =s3140 | =s3150 | =s8001 | =s8002 | dy 001 | dy 002 | sc 002 | sc 003 | sc 004 | ou 001 | ou 002
        """),
    ),
    Wording(
        name="microsoft-rate",
        meaning=SENDS_TOO_MUCH,
        sites=MICROSOFT,
        retries=True,
        phrases=phrases("""
            rp 001 | rp 002 | rp 003 | =s3114 | =s843 | =s844
        """),
    ),
    Wording(name="microsoft-spam", meaning=SPAM, sites=MICROSOFT, phrases=phrases("sc 001")),
    Wording(
        name="yahoo-blocked",
        meaning=BLOCKED,
        sites=YAHOO,
        phrases=phrases("""
            =bl21 | =bl23 | =bl22 | =tss01 | =tss02 | =tss03 | =tss04 | =tss05 | =tss09 | =tss11 | =ipts04
            =rly b1
        """),
    ),
    Wording(name="yahoo-greylist", meaning=GREYLIST, sites=YAHOO, retries=True, phrases=phrases("=gl01")),
    Wording(name="yahoo-policy", meaning=POLICY, sites=YAHOO, phrases=phrases("=ph01\n=ma1\n=dmx")),
    Wording(name="apple-policy", meaning=POLICY, sites=APPLE, phrases=phrases("=cs01\n=cs02")),
    Wording(name="apple-spam", meaning=SPAM, sites=APPLE, phrases=phrases("=hm07\n=hm08")),
    Wording(
        name="comcast-blocked",
        meaning=BLOCKED,
        sites=COMCAST,
        phrases=phrases("=bl000000\n=bl000001\n=bl000010"),
        links=phrases("=bl000000\n=bl000001\n=bl000010"),
    ),
    Wording(
        name="comcast-rate",
        meaning=SENDS_TOO_MUCH,
        sites=COMCAST,
        retries=True,
        phrases=phrases("=rl000001\n=rl000002\n=rl000003"),
        links=phrases("=rl000001\n=rl000002\n=rl000003"),
    ),
    Wording(name="cox-blocked", meaning=BLOCKED, sites=COX, phrases=phrases("=cxbl\n=cxmj")),
    Wording(name="cox-rate", meaning=SENDS_TOO_MUCH, sites=COX, retries=True, phrases=phrases("=cxthrt\n=cxcnct")),
    Wording(
        name="orange-rate",
        meaning=SENDS_TOO_MUCH,
        sites=ORANGE,
        phrases=phrases("ofr 104\nofr004 104\nofr 108\nofr004 108\nofr 109\nofr004 109"),
        retries=True,
    ),
    Wording(
        name="orange-blocked",
        meaning=BLOCKED,
        sites=ORANGE,
        phrases=phrases("ofr006 102\nofr 102\nofr006 103\nofr 103\nofr006 118\nofr 118"),
    ),
    Wording(
        name="netease-rate", meaning=SENDS_TOO_MUCH, sites=NETEASE, retries=True, phrases=phrases("rp ssl\nrp qrc")
    ),
)
