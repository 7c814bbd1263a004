"""What may be said when: the states of a client session, and every transition between them.

Everything that decides legality is in this file. The theory of operation:

A session is in two places at once when commands are pipelined (RFC 2920): where the *answers* so far have brought
it, and where the commands *sent* will bring it if all of them succeed. The engine keeps both. ``LEGAL`` moves the
second when a command is sent; ``settle`` moves the first when its answer comes. When nothing is outstanding any more
there is only one truth, the answers', and what was hoped for is forgotten. So a refused MAIL with its RCPTs on the
way does no harm: they are answered, and the session stands at READY, as if nothing had been sent.

``WAITING`` is how groups end. EHLO, HELO, STARTTLS, AUTH, DATA and QUIT are the last command of a group (RFC 2920
§3.1, RFC 3207 §4, RFC 4954 §4), so they lead to WAITING, where nothing is legal; without PIPELINING every command does.
Content does too: RFC 2920 lets the next transaction leave in the group of its final dot, but since mail was smuggled
behind dots (2023) hosts refuse what stands there, or cut the line before they answer the dot, which makes copies.

Why the missing transitions are missing:

* CONNECTED has none: nothing is sent before the greeting (S01).
* GREETED has no MAIL: a host has to be greeted first, again after TLS (L01).
* READY alone has MAIL, STARTTLS and AUTH. A transaction that was begun and left has to be ended by RSET (S20).
* SENDER has no DATA: no recipient was named, or all were refused (M04). A DATA that had left before the refusals came
  may still get its 354; then the host waits for content, and LONE_DOT gives it an empty one (P03).
* A chunk leaves from RECIPIENTS alone, and ends its group: all answers to MAIL and RCPT have to be in before (RFC 3030
  §2). A host that is told of nobody to deliver to may read what follows BDAT as commands. UNDONE is where a refused
  one leads: what the host still keeps of the transaction nobody knows, and RSET clears it. DATA never follows one.
* CONTENT and LONE_DOT have nothing but content: a host that said 354 reads everything as message text.
* HANDSHAKE has none: the next octets are TLS's. ``tls_started`` leads back to GREETED.
* CHALLENGE has nothing but the response: a host that said 334 reads everything as one. Giving up is a response too.
* CLOSING has only QUIT: the host refused the session, said 421, or refused RSET. Commands that had left before are
  still answered, and a 354 among the answers still gets its content.
* CLOSED has none, and nothing leads out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from softbounce.stage import Stage
from softbounce_worker.errors import RemoteProtocolError
from softbounce_worker.smtp.commands import (
    Auth,
    AuthResponse,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)

__all__ = ["LEGAL", "SmtpState", "settle", "stage_of"]


class SmtpState(StrEnum):
    """Where a session stands."""

    CONNECTED = "connected"  # the greeting is awaited
    GREETED = "greeted"  # EHLO or HELO is due
    READY = "ready"  # no transaction is open
    SENDER = "sender"  # MAIL was accepted, no RCPT so far
    RECIPIENTS = "recipients"  # at least one RCPT was accepted
    CONTENT = "content"  # 354: content is due
    LONE_DOT = "lone_dot"  # 354 although no recipient was accepted: an empty content is due
    UNDONE = "undone"  # the message was refused as a chunk: RSET is due
    HANDSHAKE = "handshake"  # 220 to STARTTLS: TLS is due
    CHALLENGE = "challenge"  # 334 to AUTH: a response is due
    WAITING = "waiting"  # the group has ended: nothing until all of it is answered
    CLOSING = "closing"  # nothing but QUIT
    CLOSED = "closed"  # over: by QUIT, by the remote, or broken


LEGAL: Mapping[SmtpState, Mapping[type[Command], SmtpState]] = {
    SmtpState.CONNECTED: {},
    SmtpState.GREETED: {Ehlo: SmtpState.WAITING, Helo: SmtpState.WAITING, Quit: SmtpState.WAITING},
    SmtpState.READY: {
        Mail: SmtpState.SENDER,
        Rset: SmtpState.READY,
        Ehlo: SmtpState.WAITING,
        Helo: SmtpState.WAITING,
        StartTls: SmtpState.WAITING,
        Auth: SmtpState.WAITING,
        Quit: SmtpState.WAITING,
    },
    SmtpState.SENDER: {Rcpt: SmtpState.RECIPIENTS, Rset: SmtpState.READY, Quit: SmtpState.WAITING},
    SmtpState.RECIPIENTS: {
        Rcpt: SmtpState.RECIPIENTS,
        Data: SmtpState.WAITING,
        Chunk: SmtpState.WAITING,
        Rset: SmtpState.READY,
        Quit: SmtpState.WAITING,
    },
    SmtpState.CONTENT: {Content: SmtpState.WAITING},
    SmtpState.LONE_DOT: {Content: SmtpState.WAITING},
    SmtpState.UNDONE: {Rset: SmtpState.READY, Quit: SmtpState.WAITING},
    SmtpState.HANDSHAKE: {},
    SmtpState.CHALLENGE: {AuthResponse: SmtpState.WAITING},
    SmtpState.WAITING: {},
    SmtpState.CLOSING: {Quit: SmtpState.WAITING},
    SmtpState.CLOSED: {},
}
"""What may be sent in each state, and where it leads if it succeeds and more may follow in its group."""

READY_FOR_TLS_220 = 220
START_CONTENT_354 = 354
CHALLENGE_334 = 334
SUCCESS = 2  # the first digits of RFC 5321 §4.2.1 that a client can make use of
REFUSALS = (4, 5)
EXCHANGE = (Auth, AuthResponse)


def settle(state: SmtpState, command: Command | None, code: int) -> SmtpState:
    """Where the answer *code* to *command* (``None``: the greeting) brings a session that stood at *state*.

    Only the code is asked, never the text (RFC 5321 §4.2). A refusal (4yz, 5yz) leaves things as they were, but for
    content and QUIT, which end what they end either way. Any 2yz is success, except where the RFC names one code.

    :raises RemoteProtocolError: the code makes no sense here: 0yz, 1yz, 6yz and up; 3yz other than 354 to DATA; 2yz to
        DATA; 2yz other than 220 to STARTTLS, after which nobody can tell whether TLS or a reply comes next.
    """
    digit = code // 100
    if code == CHALLENGE_334 and type(command) in EXCHANGE:
        return SmtpState.CHALLENGE
    if digit in REFUSALS:
        return REFUSED.get(type(command), state)
    if code != START_CONTENT_354 if type(command) is Data else digit != SUCCESS:
        raise RemoteProtocolError(f"reply code {code} makes no sense here")
    if type(command) is StartTls and code != READY_FOR_TLS_220:
        raise RemoteProtocolError(f"reply code {code} to STARTTLS is neither 220 nor a refusal")
    return ACCEPTED[type(command)].get(state, state)


def _from_anywhere(state: SmtpState) -> Mapping[SmtpState, SmtpState]:
    return dict.fromkeys(SmtpState, state)


ACCEPTED: Mapping[type[Command | None], Mapping[SmtpState, SmtpState]] = {
    type(None): {SmtpState.CONNECTED: SmtpState.GREETED},
    Ehlo: _from_anywhere(SmtpState.READY),
    Helo: _from_anywhere(SmtpState.READY),
    StartTls: _from_anywhere(SmtpState.HANDSHAKE),
    Auth: {},
    AuthResponse: _from_anywhere(SmtpState.READY),
    Mail: {SmtpState.READY: SmtpState.SENDER},
    Rcpt: {SmtpState.SENDER: SmtpState.RECIPIENTS},
    Data: {**_from_anywhere(SmtpState.LONE_DOT), SmtpState.RECIPIENTS: SmtpState.CONTENT},
    Content: _from_anywhere(SmtpState.READY),
    Chunk: _from_anywhere(SmtpState.READY),
    Rset: _from_anywhere(SmtpState.READY),
    Quit: _from_anywhere(SmtpState.CLOSED),
}
"""Where success leads. A state that is not named stays: a RCPT accepted behind a refused MAIL means nothing."""

REFUSED: Mapping[type[Command | None], SmtpState] = {
    AuthResponse: SmtpState.READY,
    Content: SmtpState.READY,
    Chunk: SmtpState.UNDONE,
    Quit: SmtpState.CLOSED,
}
"""Where a refusal leads, for the commands that change something even so."""

STANDING: Mapping[SmtpState, Stage] = {  # the states that answers lead to, while a session lives
    SmtpState.CONNECTED: Stage.GREETING,
    SmtpState.GREETED: Stage.EHLO,
    SmtpState.READY: Stage.MAIL,
    SmtpState.SENDER: Stage.RCPT,
    SmtpState.RECIPIENTS: Stage.DATA,
    SmtpState.CONTENT: Stage.DATA,  # no content has left yet
    SmtpState.LONE_DOT: Stage.DATA,
    SmtpState.UNDONE: Stage.MAIL,
    SmtpState.HANDSHAKE: Stage.STARTTLS,
    SmtpState.CHALLENGE: Stage.AUTH,
}


STAGES: Mapping[type[Command], Stage] = {
    Ehlo: Stage.EHLO,
    Helo: Stage.EHLO,
    StartTls: Stage.STARTTLS,
    Auth: Stage.AUTH,
    AuthResponse: Stage.AUTH,
    Mail: Stage.MAIL,
    Rcpt: Stage.RCPT,
    Data: Stage.DATA,
    Content: Stage.END_OF_DATA,
    Chunk: Stage.END_OF_DATA,
    Rset: Stage.MAIL,  # it clears the way for the next MAIL
}


def stage_of(command: Command | None, state: SmtpState) -> Stage:
    """The stage of *command*. QUIT belongs to none, and neither does ``None``: theirs is where the session stands."""
    return STANDING[state] if command is None or type(command) is Quit else STAGES[type(command)]
