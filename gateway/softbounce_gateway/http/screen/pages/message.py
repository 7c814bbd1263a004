"""*Message*: one envelope: why it is where it is, each attempt with its reply, and what may be done to it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

from softbounce.client.explain import find_situation, paragraphs
from softbounce.errors import InvalidArgument
from softbounce_gateway.http.envelopes import act_on, identity_of
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["act", "confirm", "page"]

SHOWN = 40
"""Attempts, the latest; `softbounce show` has all that are kept."""
ACTS = {
    "scheduled": ("retry", "hold", "cancel", "bounce"),
    "ready": ("hold", "cancel", "bounce"),
    "attempting": ("hold", "cancel", "bounce"),
    "held": ("release", "cancel", "bounce"),
    "delivered": ("resend",),
    "bounced": ("resend",),
    "cancelled": ("resend",),
}
"""What may be done to an envelope in each state."""
AT_ONCE = frozenset({"retry", "hold", "release"})
"""What can be taken back, and so needs no second look."""
ANSWERS = {
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
    visit.query(Nothing)
    identity, word = identity_of(visit.call), _word(visit)
    shown = await visit.house.client.show(identity)
    return visit.page(
        "confirm.html",
        title=f"{word.capitalize()} this envelope?",
        command=("softbounce", word, identity),
        one=shown,
        act=word,
        effect=EFFECTS.get(word, ""),
    )


async def act(visit: Visit) -> Response[Any]:
    """``POST /ui/message/{id}/{act}``."""
    fields = await visit.form()
    identity, word = identity_of(visit.call), _word(visit)
    done = await act_on(
        visit.house, word, identity, by=visit.by, reason=fields.get("reason", ""), force="force" in fields
    )
    return visit.to(f"/ui/message/{done.resent_as or identity}?answer={done.answer}")


def _word(visit: Visit) -> str:
    word = visit.path("act")
    if word not in AT_ONCE and word not in EFFECTS:
        raise InvalidArgument("act", f"{word[:40]!r} is none: {', '.join(sorted({*AT_ONCE, *EFFECTS}))}")
    return word
