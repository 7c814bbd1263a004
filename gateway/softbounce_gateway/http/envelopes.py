"""One envelope: shown, explained, its transcript, and what is done to it; and pages of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from softbounce.client.single_acts import printable
from softbounce.errors import NotFound
from softbounce.ids import format_id, parse_id
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.house import Call, House, answer_json
from softbounce_gateway.http.models import (
    AfterPage,
    Answered,
    BounceQuery,
    ChangeQuery,
    Explanation,
    Nothing,
    RedirectQuery,
    ReleaseQuery,
    ResendAnswered,
    ResendQuery,
)

__all__ = ["Done", "act", "act_on", "change", "explain", "identity_of", "page", "redirect", "show", "transcript"]

ACTS = ("retry", "hold", "cancel")


async def show(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/envelopes/{id}``."""
    read_query(call.request, Nothing)
    shown = (await call.house.client.show(identity_of(call))).to_dict()
    for attempt in shown["attempts"]:
        attempt.pop("transcript", None)
    return answer_json(shown)


async def explain(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes/{id}/explanation``."""
    read_query(call.request, Nothing)
    identity = identity_of(call)
    return answer_json(Explanation(id=identity, explanation=await call.house.client.explain(identity)))


async def transcript(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes/{id}/transcript``."""
    read_query(call.request, Nothing)
    shown = await call.house.client.show(identity_of(call))
    attempts = [
        {
            "number": one.number,
            "host": one.host,
            "transcript": None if one.transcript is None else one.transcript.to_dict(),
        }
        for one in shown.attempts
    ]
    return answer_json({"id": shown.id, "attempts": attempts})


async def act(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/envelopes/{id}/{retry, hold, release, cancel, bounce, resend, change, redirect}``; no body."""
    identity = identity_of(call)
    word = call.request.url.path.rpartition("/")[2]
    by = call.by
    match word:
        case "bounce":
            done = await act_on(call.house, word, identity, by=by, reason=read_query(call.request, BounceQuery).reason)
        case "release":
            past_gate = read_query(call.request, ReleaseQuery).past_gate
            done = await act_on(call.house, word, identity, by=by, past_gate=past_gate)
        case "change":
            asked = read_query(call.request, ChangeQuery)
            done = await change(call.house, identity, by=by, policy=asked.policy, window=asked.window)
        case "redirect":
            done = await redirect(call.house, identity, by=by, route=read_query(call.request, RedirectQuery).route)
        case "resend":
            done = await act_on(call.house, word, identity, by=by, force=read_query(call.request, ResendQuery).force)
            return answer_json(ResendAnswered(id=identity, answer=done.answer, envelope=done.resent_as))
        case _:
            read_query(call.request, Nothing)
            done = await act_on(call.house, word if word in ACTS else "show", identity, by=by)
    return answer_json(Answered(id=identity, answer=done.answer))


class Done(NamedTuple):
    """What became of an act. ``resent_as``: the new envelope of a resend."""

    answer: str
    resent_as: str | None = None


async def act_on(  # noqa: PLR0913 - what an act may be told, by name
    house: House, word: str, identity: str, *, by: str, reason: str = "", force: bool = False, past_gate: bool = False
) -> Done:
    """Act on one envelope, and write down who did.

    :raises SoftbounceError: as the client's calls of the same names.
    """
    past, reason = "past the staging gate" if past_gate else "", reason if word == "bounce" else ""
    async with house.noting(word, {"id": identity}, by=by, reason=reason, force=force, detail=past) as answers:
        match word:
            case "bounce":
                done = Done(str(await house.client.bounce(identity, reason=reason, by=by)))
            case "resend":
                resent = await house.client.resend(identity, force=force, by=by)
                done = Done(str(resent.answer), resent.envelope_id)
            case "release":
                done = Done(str(await house.client.release(identity, past_gate=past_gate)))
            case _:
                done = Done(str(await getattr(house.client, word)(identity)))
        answers[done.answer] = 1
    return done


async def change(house: House, identity: str, *, by: str, policy: str | None, window: str | None) -> Done:
    """Give one envelope a policy or a window, and write down who did.

    :raises SoftbounceError: as the client's call of the same name.
    """
    given = [f"{name} {value}" for name, value in (("policy", policy), ("window", window)) if value is not None]
    async with house.noting("change", {"id": identity}, by=by, detail=printable(", ".join(given))) as answers:
        done = Done(str(await house.client.change(identity, policy=policy, window=window)))
        answers[done.answer] = 1
    return done


async def redirect(house: House, identity: str, *, by: str, route: str | None) -> Done:
    """Send one envelope by a route, and write down who did.

    :raises SoftbounceError: as the client's call of the same name.
    """
    async with house.noting("redirect", {"id": identity}, by=by, detail=printable(f"route {route}")) as answers:
        done = Done(str(await house.client.redirect(identity, route=route or "")))
        answers[done.answer] = 1
    return done


async def page(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes``."""
    asked = read_query(call.request, AfterPage)
    async with call.house.walks:
        found = await call.house.client.page(**filters_of(asked), after=asked.after or None, limit=asked.limit)
    envelopes = [one.to_dict() for one in found.envelopes]
    return answer_json({"envelopes": envelopes, "next": found.next, "unreadable": list(found.unreadable)})


def identity_of(call: Call) -> str:
    """The id that the path names, as it is written.

    :raises NotFound: that is none.
    """
    text = call.path("id")[:64]
    with suppress(NotFound):
        return format_id(parse_id(text))
    raise NotFound(f"{text!r} is no envelope's id: those are in `envelopes` of what a send answers")
