"""What a host says when neither an address nor its behaviour asks for another reply."""

from __future__ import annotations

__all__ = [
    "BAD_SEQUENCE_503",
    "BAD_SYNTAX_501",
    "BYE_221",
    "GO_AHEAD_354",
    "LINE_TOO_LONG_500",
    "NO_RECIPIENTS_554",
    "OK_250",
    "PARAMETER_555",
    "READY_FOR_TLS_220",
    "RECIPIENT_OK_250",
    "SENDER_OK_250",
    "TAKEN_250",
    "TOO_BIG_552",
    "TOO_FAST_450",
    "TOO_MANY_CONNECTIONS_421",
    "TOO_MANY_RECIPIENTS_452",
    "UNKNOWN_COMMAND_500",
]

TOO_FAST_450 = "450 4.7.1 You are sending too many messages, slow down"
OK_250 = "250 2.0.0 Ok"
READY_FOR_TLS_220 = "220 2.0.0 Go ahead"
SENDER_OK_250 = "250 2.1.0 Sender ok"
RECIPIENT_OK_250 = "250 2.1.5 Recipient ok"
TAKEN_250 = "250 2.0.0 Message taken"
BYE_221 = "221 2.0.0 Bye"
GO_AHEAD_354 = "354 End data with <CR><LF>.<CR><LF>"
TOO_MANY_CONNECTIONS_421 = "421 4.7.0 Too many connections from you"
TOO_MANY_RECIPIENTS_452 = "452 4.5.3 Too many recipients"
UNKNOWN_COMMAND_500 = "500 5.5.1 Command not known"
LINE_TOO_LONG_500 = "500 5.5.6 Line too long"
BAD_SYNTAX_501 = "501 5.5.4 Syntax error"
BAD_SEQUENCE_503 = "503 5.5.1 Bad sequence of commands"
TOO_BIG_552 = "552 5.3.4 Message too big"
NO_RECIPIENTS_554 = "554 5.5.1 No valid recipients"
PARAMETER_555 = "555 5.5.4 Parameter not known"
