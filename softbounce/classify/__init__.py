"""What a reply or a trouble means: one pure function over tables of data.

The reply code rules (RFC 5321 §4.2.1): 4 is soft, 5 is hard, and before MAIL a 5 is soft too,
because it speaks about the road and must not bounce a backlog. Text picks the reason and the fault. It may turn a 5xx
into *soft* only by a named rule (``mailbox-full``, ``greylist``, ``rate-limit-...``, ``says-try-later``) that the user
can switch off, and never turns a 4xx into *hard* or anything into *delivered*. The user's own rules come first.
"""

from __future__ import annotations

from softbounce.classify.grouping import may_blame_grouping
from softbounce.classify.lines import classify_lines
from softbounce.classify.reply_text import parse_reply_text
from softbounce.classify.rule_pack import Rules, active_rules, read_pack
from softbounce.classify.verdicts import classify

__all__ = [
    "Rules",
    "active_rules",
    "classify",
    "classify_lines",
    "may_blame_grouping",
    "parse_reply_text",
    "read_pack",
]
