"""*Message*: one envelope: why it is where it is, each attempt with its reply, and what may be done to it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

from softbounce.client.explain import find_situation, paragraphs
from softbounce.errors import InvalidArgument
from softbounce_gateway.http.envelopes import act_on, change, identity_of, redirect
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.pages.acting import names_of
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["act", "confirm", "page"]

SHOWN = 40
"""Attempts, the latest; `softbounce show` has all that are kept."""
ACTS = {
    "scheduled": ("retry", "hold", "redirect", "change", "cancel", "bounce"),
    "ready": ("hold", "redirect", "change", "cancel", "bounce"),
    "attempting": ("hold", "redirect", "change", "cancel", "bounce"),
    "held": ("release", "redirect", "change", "cancel", "bounce"),
    "delivered": ("resend",),
    "bounced": ("resend",),
    "cancelled": ("resend",),
}
"""What may be done to an envelope in each state."""
AT_ONCE = frozenset({"retry", "hold", "release"})
"""What can be taken back, and so needs no second look."""
CHOICES = {
    "change": (("policy", "Policy"), ("window", "Window, from when it was accepted (2h; - none by hand)")),
    "redirect": (("route", "Route"),),
}
"""What has to be chosen before an act, and what that is called."""
ANSWERS = {
    "changed": "It goes by that from now on.",
    "changing": "It is being tried; that counts when it comes back.",
    "unchanged": "Nothing was changed: it was so already.",
    "scheduled": "Its next attempt is planned for now.",
    "ready": "Nothing was changed: it waits in its lane already.",
    "attempting": "Nothing was changed: it is being tried.",
    "held": "It is held.",
    "holding": "It is being tried; it is held when it comes back.",
    "released": "It goes on.",
    "not_held": "Nothing was changed: it was not held.",
    "hold_stands": "Nothing was changed: it met a hold that stands; softbounce holds list names it.",
    "stream_held": "Nothing was changed: its whole stream is held.",
    "gated": "Nothing was changed: the staging gate holds it (softbounce release --past-gate).",
    "cancelled": "It is cancelled.",
    "cancelling": "It is being tried; it ends before its message has left, if it can.",
    "too_late": "Nothing was changed: it had ended.",
    "bounced": "It is bounced.",
    "bouncing": "It is being tried; it bounces before its message has left, if it can.",
    "resent": "It is sent again.",
    "already_resent": "Nothing was changed: it had been sent again.",
    "not_ended": "Nothing was changed: it is still tried.",
    "delivered": "Nothing was changed: it is delivered. Sent again in any case its recipient gets it twice.",
    "suppressed": "Nothing was changed: its address gets no mail.",
    "too_often": "Nothing was changed: it was sent again too often.",
}
EFFECTS = {
    "cancel": "Nothing of it is tried any more. That cannot be taken back, but it can be sent again for a while.",
    "bounce": "It ends as a bounce by hand, as if it had failed for good. That cannot be taken back.",
    "resend": "A new envelope of the same message goes to the same recipient, now.",
}


class ChosenQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What is chosen so far."""

    policy: str | None = None
    window: str | None = None
    route: str | None = None


class DoneQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What an act came to."""

    answer: str | None = None


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/message/{id}``."""
    asked = visit.query(DoneQuery)
    identity = identity_of(visit.call)
    situation = await visit.house.run(find_situation(visit.house.knowledge, identity))
    shown = await visit.house.client.show(identity)
    return visit.page(
        "message.html",
        title=shown.recipient,
        command=("softbounce", "explain", identity),
        one=shown,
        attempts=shown.attempts[: -SHOWN - 1 : -1],
        words=[one for one in paragraphs(situation) if one[0] != "You can"],
        acts=ACTS.get(shown.state, ()),
        at_once=AT_ONCE,
        said=ANSWERS.get(asked.answer or "", ""),
    )


async def confirm(visit: Visit) -> Response[Any]:
    """``GET /ui/message/{id}/{act}``: what it would do, before it does."""
    identity, word = identity_of(visit.call), _word(visit)
    asked = visit.query(ChosenQuery if word in CHOICES else Nothing)
    chosen = {name: value for name, _ in CHOICES.get(word, ()) if (value := getattr(asked, name)) is not None}
    shown = await visit.house.client.show(identity)
    effect = EFFECTS.get(word, "")
    if chosen:
        effect = await visit.house.client.preview_one(word, identity, **chosen)
    return visit.page(
        "confirm.html",
        title=f"{word.capitalize()} this envelope?",
        command=("softbounce", word, identity, *(part for one in chosen.items() for part in (f"--{one[0]}", one[1]))),
        one=shown,
        act=word,
        effect=effect,
        choices=CHOICES.get(word, ()),
        chosen=chosen,
        names=await names_of(visit) if word in CHOICES else {},
    )


async def act(visit: Visit) -> Response[Any]:
    """``POST /ui/message/{id}/{act}``."""
    fields = await visit.form()
    identity, word = identity_of(visit.call), _word(visit)
    if word == "change":
        done = await change(
            visit.house, identity, by=visit.by, policy=fields.get("policy"), window=fields.get("window")
        )
    elif word == "redirect":
        done = await redirect(visit.house, identity, by=visit.by, route=fields.get("route"))
    else:
        done = await act_on(
            visit.house, word, identity, by=visit.by, reason=fields.get("reason", ""), force="force" in fields
        )
    return visit.to(f"/ui/message/{done.resent_as or identity}?answer={done.answer}")


def _word(visit: Visit) -> str:
    word = visit.path("act")
    known = {*AT_ONCE, *EFFECTS, *CHOICES}
    if word not in known:
        raise InvalidArgument("act", f"{word[:40]!r} is none: {', '.join(sorted(known))}")
    return word
