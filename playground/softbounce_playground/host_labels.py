"""What a label of a domain name asks of the mail hosts below the name: replies, delays, limits, what is not offered."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from softbounce_playground.host_behaviour import HostBehaviour
from softbounce_playground.point import DROP, Point, reply_asked_by

__all__ = ["shaped_by"]

AT_POINT = re.compile(r"(c[1-9][0-9]{2}|drop|hang)at-(greeting|ehlo|starttls|mail|rcpt|data|body|dot|rset|quit)")
GREETING = re.compile(r"greet([1-9][0-9]{2})")
NUMBERED = re.compile(r"(slow|size|rcptmax|maxconn)([0-9]{1,9})")
RATE = re.compile(r"rate([0-9]{1,9})per([1-9][0-9]{0,5})")
WITHOUT = {
    "nostarttls": "STARTTLS",
    "nopipelining": "PIPELINING",
    "nosize": "SIZE",
    "no8bitmime": "8BITMIME",
    "nosmtputf8": "SMTPUTF8",
    "nodeliverby": "DELIVERBY",
    "noenhanced": "ENHANCEDSTATUSCODES",
}
GREETING_TEXTS = {
    "421": "421 4.3.2 Service not available, try again later",
    "554": "554 5.7.1 No mail service for you here",
}


def shaped_by(label: str, behaviour: HostBehaviour) -> HostBehaviour | None:
    """The behaviour with a label's wish added, or ``None`` when the label is not one of ours."""
    if label in WITHOUT:
        return replace(behaviour, extensions=tuple(word for word in behaviour.extensions if word != WITHOUT[label]))
    if label == "noehlo":
        return _with_reply(behaviour, Point.EHLO, "502 5.5.1 Command not implemented")
    if label == "drop":
        return _with_reply(behaviour, Point.GREETING, DROP)
    if label == "blinddata":
        return replace(behaviour, data_without_recipients=True)
    if found := AT_POINT.fullmatch(label):
        return _with_reply(behaviour, Point(found[2]), reply_asked_by(found[1]))
    if found := GREETING.fullmatch(label):
        return _with_reply(behaviour, Point.GREETING, GREETING_TEXTS.get(found[1]) or reply_asked_by(f"c{found[1]}"))
    if found := RATE.fullmatch(label):
        return replace(behaviour, max_messages=int(found[1]), per=timedelta(seconds=int(found[2])))
    if found := NUMBERED.fullmatch(label):
        return _with_number(behaviour, found[1], int(found[2]))
    return None


def _with_reply(behaviour: HostBehaviour, point: Point, reply: str) -> HostBehaviour:
    return replace(behaviour, replies={**behaviour.replies, point: reply})


def _with_number(behaviour: HostBehaviour, word: str, number: int) -> HostBehaviour:
    match word:
        case "slow":
            return replace(behaviour, delay=timedelta(milliseconds=number))
        case "size":
            return replace(behaviour, max_message_octets=number)
        case "rcptmax":
            return replace(behaviour, max_recipients=number)
        case _:
            return replace(behaviour, max_connections=number)
