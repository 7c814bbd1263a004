"""What a client hears. Enhanced status codes are those of RFC 3463 and its registry (RFC 5248)."""

from __future__ import annotations

__all__ = [
    "AUTH_CANCELLED_501",
    "BAD_LOGIN_535",
    "BARE_LINE_END_554",
    "BUSY_421",
    "BYE_221",
    "CANNOT_VERIFY_252",
    "COMMAND_UNKNOWN_500",
    "ENDING_421",
    "GO_AHEAD_354",
    "LINE_TOO_LONG_500",
    "LOGGED_IN_235",
    "MAIL_FIRST_503",
    "NEED_LOGIN_530",
    "NEED_TLS_538",
    "NOT_ALONE_501",
    "NOT_FOR_SENDING_535",
    "NOT_SMTP_521",
    "NO_CREDENTIALS_501",
    "NO_RECIPIENTS_503",
    "NO_ROOM_452",
    "OK_250",
    "OUT_OF_ORDER_503",
    "RECIPIENT_OK_250",
    "SENDER_OK_250",
    "START_TLS_220",
    "STORE_AWAY_451",
    "SYNTAX_501",
    "TLS_LATER_554",
    "TOO_LARGE_552",
    "TOO_MANY_COMMANDS_421",
    "TOO_MANY_ERRORS_421",
    "TOO_MANY_FROM_YOU_421",
    "TOO_MANY_RECIPIENTS_452",
    "TOO_SLOW_421",
    "TRY_LOGIN_LATER_454",
    "in_one_line",
]

LONGEST_TEXT = 400

START_TLS_220 = "220 2.0.0 begin TLS"
BYE_221 = "221 2.0.0 bye"
LOGGED_IN_235 = "235 2.7.0 logged in"
OK_250 = "250 2.0.0 ok"
SENDER_OK_250 = "250 2.1.0 sender ok"
RECIPIENT_OK_250 = "250 2.1.5 recipient ok"
CANNOT_VERIFY_252 = "252 2.0.0 nothing is verified here; send, and it is tried"
GO_AHEAD_354 = "354 go ahead; end with a dot on a line of its own"
BUSY_421 = "421 4.3.2 too many connections, try again later"
TOO_MANY_FROM_YOU_421 = "421 4.7.0 too many connections from your address, try again later"
TOO_SLOW_421 = "421 4.4.2 nothing came for too long, closing"
ENDING_421 = "421 4.3.2 the service is ending, try again in a moment"
TOO_MANY_ERRORS_421 = "421 4.7.0 too many errors, closing"
TOO_MANY_COMMANDS_421 = "421 4.7.0 too many commands without a message, closing"
STORE_AWAY_451 = "451 4.3.0 the store cannot be reached, try again later"
NO_ROOM_452 = "452 4.3.1 too much mail is coming in at one time, try again later"
TOO_MANY_RECIPIENTS_452 = "452 4.5.3 too many recipients; send the rest in another message"
TRY_LOGIN_LATER_454 = "454 4.7.0 logins cannot be checked now, try again later"
LINE_TOO_LONG_500 = "500 5.5.6 the line is too long, closing"
COMMAND_UNKNOWN_500 = "500 5.5.1 there is no such command"
SYNTAX_501 = "501 5.5.4 syntax: {}"
NO_CREDENTIALS_501 = "501 5.5.2 AUTH: a token's name and the token, in base64 as the mechanism has them"
AUTH_CANCELLED_501 = "501 5.7.0 login given up"
NOT_ALONE_501 = "501 5.5.4 nothing may follow STARTTLS before TLS begins, closing"
OUT_OF_ORDER_503 = "503 5.5.1 {} first"
MAIL_FIRST_503 = "503 5.5.1 there is a sender already; RSET begins anew"
NO_RECIPIENTS_503 = "503 5.5.1 there is no recipient"
NOT_SMTP_521 = "521 5.5.2 this is no HTTP, closing"
NEED_LOGIN_530 = "530 5.7.0 log in first: AUTH, with a token's name and the token"
BAD_LOGIN_535 = "535 5.7.8 there is no token of this name, or it is another one"
NOT_FOR_SENDING_535 = "535 5.7.8 this token is not for sending; make one with --scope send"
NEED_TLS_538 = "538 5.7.11 a login needs TLS: STARTTLS first"
TOO_LARGE_552 = "552 5.3.4 the message is larger than {} octets"
TLS_LATER_554 = "554 5.5.1 this port begins in clear, and TLS with STARTTLS, closing"
BARE_LINE_END_554 = "554 5.6.0 a bare CR or LF: lines end in CRLF here, and only in that; closing"


def in_one_line(text: str) -> str:
    """Words of ours about what somebody sent, as a reply may have them: one line of printable ASCII, of some length."""
    safe = "".join(one if one.isascii() and one.isprintable() else "?" for one in text)
    return safe if len(safe) <= LONGEST_TEXT else safe[: LONGEST_TEXT - 3] + "..."
