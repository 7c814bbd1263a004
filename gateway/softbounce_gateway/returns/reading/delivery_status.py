"""Delivery status notifications in their standard form (RFC 3464, RFC 6533): what they say of each recipient."""

from __future__ import annotations

import re

from softbounce_gateway.returns.reading.fields import Group, address_of, groups, word_of
from softbounce_gateway.returns.reading.parts import Part, Parts
from softbounce_gateway.returns.reading.report import Kind, Outcome, Report

__all__ = ["read_delivery_status", "worst_of"]

STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
NAMES = ("original-recipient", "x-actual-recipient", "final-recipient")
AS_TEXT = re.compile(r"^Final-Recipient:.{1,500}\n(?:.{1,500}\n){0,9}?(?:Action|Status):", re.IGNORECASE | re.MULTILINE)
SUPPLEMENT = re.compile(r"#\d\.\d\.\d smtp;", re.IGNORECASE)
"""As Cisco's and IronPort's gateways quote a host: ``<mx.example.net #5.0.0 smtp; 550 5.1.1 ...>``."""
ACTIONS = {
    "fail": Kind.FAILED,
    "error": Kind.FAILED,  # some hosts' own word
    "delay": Kind.DELAYED,
    "warn": Kind.DELAYED,
    "deliver": Kind.DELIVERED,
    "relay": Kind.DELIVERED,
    "expand": Kind.DELIVERED,
    "success": Kind.DELIVERED,
}
BY_CLASS = {"2": Kind.DELIVERED, "4": Kind.DELAYED, "5": Kind.FAILED}
ORDER = (Kind.FAILED, Kind.DELAYED, Kind.DELIVERED)


def read_delivery_status(parts: Parts) -> Report | None:
    """Read it; ``None``: the message is no such report."""
    outcomes: list[Outcome] = []
    reporter = ""
    is_there = False
    for part in _fields_in(parts):
        is_there = True
        about: list[Group] = []
        for group in groups(part.text):
            reporter = reporter or word_of(group.get("reporting-mta", ""))
            if about and "action" in group and not any(name in group for name in NAMES) and "action" not in about[-1]:
                about[-1] |= group  # a blank line too many
            elif "action" in group or "status" in group or any(name in group for name in NAMES):
                about.append(group)
        outcomes += [one for group in about if (one := _outcome(group)) is not None]
    if not is_there:
        return None
    if not outcomes:
        return Report(kind=Kind.UNKNOWN, reporter=reporter, why="a delivery status that names no recipient's outcome")
    return Report(kind=worst_of(outcomes), outcomes=tuple(outcomes), reporter=reporter, why="a delivery status")


def _fields_in(parts: Parts) -> list[Part]:
    """The parts that have the fields: of the right type, or, in a report that says to be one, as text."""
    found = list(parts.of_type("message/delivery-status", "message/global-delivery-status"))
    if found or "delivery-status" not in parts.field("Content-Type").lower():
        return found
    return [one for one in parts.of_type("text/plain") if AS_TEXT.search(one.text) is not None]


def worst_of(outcomes: list[Outcome]) -> Kind:
    """What the report is on the whole: a failure where there is one."""
    kinds = {one.kind for one in outcomes}
    return next(kind for kind in ORDER if kind in kinds)


def _outcome(group: Group) -> Outcome | None:
    status = STATUS.search(group.get("status", ""))
    action = group.get("action", "").strip().lower()
    kind = next((kind for word, kind in ACTIONS.items() if action.startswith(word)), None)
    if kind is None and status is not None:  # the action is missing, or no word that anybody knows
        kind = BY_CLASS[status[0][0]]
    if kind is None:
        return None
    return Outcome(
        kind=kind,
        addresses=address_of(group[name] for name in NAMES if name in group),
        final=next(iter(address_of([tried])), "") if (tried := group.get("final-recipient", "")) else "",
        status=status[0] if status else "",
        diagnostic=_diagnostic(group),
        host=word_of(group.get("remote-mta", "")),
    )


def _diagnostic(group: Group) -> str:
    """What the host said, without the type in front: ``smtp; 550 5.1.1 ...``."""
    value = group.get("diagnostic-code", "") or group.get("x-diagnostic-code", "")
    supplement = group.get("x-supplementary-info", "")
    if not value and (quoted := SUPPLEMENT.search(supplement)) is not None:
        return supplement[quoted.end() :].strip().removesuffix(">")
    kind, mark, rest = value.partition(";")
    return rest.strip() if mark and re.fullmatch(r"\s*[A-Za-z0-9-]{1,30}\s*", kind) else value.strip()
