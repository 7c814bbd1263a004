"""Whether a refusal may be about how commands were sent, not about what they said.

Asked only of commands that left before the answer to the one before (RFC 2920), or on a session that was used before.
A host that does not keep step refuses such a command with whatever it has for a bad sequence, and nothing of that is
about a mailbox or a message. It is a suspicion: the command is said again by itself, and that answer counts.
"""

from __future__ import annotations

from softbounce.classify.rule_pack import active_rules
from softbounce.classify.wording import read_text
from softbounce.reply import Reply

__all__ = ["may_blame_grouping"]

# RFC 5321 §4.2.3: command unknown, syntax, not implemented, bad sequence, parameter. Beside another enhanced status
# subject than 5 (RFC 3463 §3.6: mail delivery protocol) they are about an address or a policy.
ABOUT_COMMANDS = frozenset({500, 501, 502, 503, 504})
WHATEVER_554 = 554
PROTOCOL = "5"
PIPELINING = "pipelining"
NEGATIVE = frozenset({4, 5})


def may_blame_grouping(reply: Reply) -> bool:
    """Whether the same command, said by itself on a fresh session, might have been accepted."""
    if reply.code // 100 not in NEGATIVE:
        return False
    subject = reply.enhanced.split(".")[1] if reply.enhanced else None
    if reply.code in ABOUT_COMMANDS and subject in {None, PROTOCOL}:
        return True
    return (reply.code == WHATEVER_554 and subject == PROTOCOL) or active_rules().by_name[PIPELINING].fits(
        read_text(reply.text)
    )
