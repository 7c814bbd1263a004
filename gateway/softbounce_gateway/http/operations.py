"""Every call of the interface: its path, what it asks and answers, what a token has to be for.

Both the routes and the OpenAPI document are made of this table.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from softbounce.client.shown import Shown
from softbounce_gateway.http import actions, envelopes, events, overview, sending, suppressions
from softbounce_gateway.http.health import Health, Readiness, healthz, readyz
from softbounce_gateway.http.house import Call, Operation, answer_json
from softbounce_gateway.http.metrics import metrics
from softbounce_gateway.http.models import (
    ActionPage,
    ActionsQuery,
    AfterPage,
    Answered,
    BatchQuery,
    BounceQuery,
    EventsQuery,
    Explanation,
    LanesQuery,
    NewAction,
    NewMessage,
    NoLongerSuppressed,
    PlanQuery,
    Preview,
    Progress,
    QueueQuery,
    RawQuery,
    ReceiptAnswer,
    ReplyToJudge,
    ResendAnswered,
    ResendQuery,
    Started,
    StreamQuery,
    SuppressionsAdded,
    SuppressionsPage,
    SuppressionsQuery,
    SuppressionsRemoved,
    ToSuppress,
)
from softbounce_gateway.http.openapi import document
from softbounce_gateway.http.problems import ProblemDetails
from softbounce_gateway.http.sending import BATCH_MOST
from softbounce_gateway.http.shapes import EnvelopesPage, EventsPage, Judged, Lane, Lanes, Plan, Queue, Transcript

__all__ = ["OPERATIONS"]

API = "/api/v1"
MESSAGE = {
    "from": "Shop <app@shop.example>",
    "to": ["ann@example.net"],
    "subject": "Your order",
    "text": "It is on its way.",
}
OF_BODIES = (408, 413, 415, 422)


async def _openapi(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    del call
    return answer_json(document(OPERATIONS))


def _act(word: str, summary: str, *, query: tuple[type, ...] = (), answer: type = Answered) -> Operation:
    return Operation(
        method="POST",
        path=f"{API}/envelopes/{{id}}/{word}",
        name=word,
        summary=summary,
        scope="operate",
        answer_with=envelopes.act,
        answers={200: answer},
        query=query,
        problems=(404, 409),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path=f"{API}/messages",
        name="send",
        summary="Hand a message over. 202 says that it is durably stored, once per Idempotency-Key.",
        scope="send",
        answer_with=sending.send,
        answers={202: ReceiptAnswer},
        query=(RawQuery,),
        body=NewMessage,
        example=MESSAGE,
        octets=True,
        problems=(409, 429, *OF_BODIES),
    ),
    Operation(
        method="POST",
        path=f"{API}/messages/batch",
        name="send_batch",
        summary="Hand over up to 500 messages: for each, in order, a receipt or a problem. With atomic, all are "
        "checked before one is stored.",
        scope="send",
        answer_with=sending.send_batch,
        answers={202: (ReceiptAnswer, ProblemDetails)},
        query=(BatchQuery,),
        body=Annotated[list[NewMessage], Meta(min_length=1, max_length=BATCH_MOST)],
        example=[MESSAGE],
        problems=(409, 429, *OF_BODIES),
    ),
    Operation(
        method="GET",
        path=f"{API}/envelopes",
        name="page_envelopes",
        summary="Envelopes that fit, page by page. Names are globs.",
        scope="read",
        answer_with=envelopes.page,
        answers={200: EnvelopesPage},
        query=(AfterPage,),
    ),
    Operation(
        method="GET",
        path=f"{API}/envelopes/{{id}}",
        name="show",
        summary="State, every attempt, next attempt, expiry, policy.",
        scope="read",
        answer_with=envelopes.show,
        answers={200: Shown},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path=f"{API}/envelopes/{{id}}/explanation",
        name="explain",
        summary="In words: why it is where it is, what binds now, what happens next and when.",
        scope="read",
        answer_with=envelopes.explain,
        answers={200: Explanation},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path=f"{API}/envelopes/{{id}}/transcript",
        name="transcript",
        summary="What was said in its attempts.",
        scope="read",
        answer_with=envelopes.transcript,
        answers={200: Transcript},
        problems=(404,),
    ),
    _act("retry", "Plan the next attempt for now."),
    _act("hold", "Try it no more until it is released."),
    _act("release", "Lift a hold."),
    _act("cancel", "End it: cancelled, cancelling (an attempt is under way) or too_late."),
    _act(
        "bounce",
        "End it as a bounce by hand: bounced, bouncing (an attempt is under way) or too_late.",
        query=(BounceQuery,),
    ),
    _act(
        "resend",
        "Send what bounced or was cancelled again, as a new envelope; asked for twice it is sent again once.",
        query=(ResendQuery,),
        answer=ResendAnswered,
    ),
    Operation(
        method="POST",
        path=f"{API}/actions",
        name="begin_action",
        summary="Preview an act on all envelopes that fit; or, with the preview's token, have it done.",
        scope="operate",
        answer_with=actions.begin,
        answers={200: Preview, 202: Started},
        body=NewAction,
        example={"action": "retry", "filter": {"domain": "example.net"}},
        problems=OF_BODIES,
    ),
    Operation(
        method="GET",
        path=f"{API}/actions",
        name="page_actions",
        summary="Who did what to how many: the actions under way, then those that are over, the latest first.",
        scope="read",
        answer_with=actions.page,
        answers={200: ActionPage},
        query=(ActionsQuery,),
    ),
    Operation(
        method="POST",
        path=f"{API}/actions/{{id}}/undo",
        name="undo_action",
        summary="Take an action back, or stop it: what it holds goes on, and it ends nothing more.",
        scope="operate",
        answer_with=actions.undo,
        answers={202: Progress},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path=f"{API}/actions/{{id}}",
        name="action",
        summary="How far an action is.",
        scope="operate",
        answer_with=actions.progress,
        answers={200: Progress},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path=f"{API}/events",
        name="page_events",
        summary="The event log behind a cursor. A page may have fewer events than there are: go on from next.",
        scope="read",
        answer_with=events.page,
        answers={200: EventsPage},
        query=(EventsQuery,),
        problems=(410,),
    ),
    Operation(
        method="GET",
        path=f"{API}/events/stream",
        name="stream_events",
        summary="Server-sent events; the id of each is its cursor, and Last-Event-ID goes on behind it.",
        scope="read",
        answer_with=events.stream,
        answers={200: None},
        query=(StreamQuery,),
        media_type="text/event-stream",
    ),
    Operation(
        method="GET",
        path=f"{API}/queue",
        name="queue",
        summary="Counts by state, lane and stream.",
        scope="read",
        answer_with=overview.queue,
        answers={200: Queue},
        query=(QueueQuery,),
    ),
    Operation(
        method="GET",
        path=f"{API}/lanes",
        name="lanes",
        summary="The lanes that have mail now: state, owner, limits.",
        scope="read",
        answer_with=overview.lanes,
        answers={200: Lanes},
        query=(LanesQuery,),
    ),
    Operation(
        method="GET",
        path=f"{API}/lanes/{{lane}}",
        name="lane",
        summary="One of them.",
        scope="read",
        answer_with=overview.lane,
        answers={200: Lane},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path=f"{API}/plan",
        name="plan",
        summary="Every attempt that the published settings would make, and the moment of promotion.",
        scope="read",
        answer_with=overview.plan,
        answers={200: Plan},
        query=(PlanQuery,),
    ),
    Operation(
        method="POST",
        path=f"{API}/classify",
        name="classify",
        summary="What replies of mail hosts mean.",
        scope="read",
        answer_with=overview.classify,
        answers={200: list[Judged]},
        body=Annotated[list[ReplyToJudge], Meta(max_length=overview.MOST_REPLIES)],
        example=[{"reply": "550 5.1.1 User unknown", "stage": "rcpt"}],
        problems=OF_BODIES,
    ),
    Operation(
        method="GET",
        path=f"{API}/suppressions",
        name="page_suppressions",
        summary="Who gets no mail, and why: page by page, or all of them as text/csv.",
        scope="read",
        answer_with=suppressions.page,
        answers={200: SuppressionsPage},
        query=(SuppressionsQuery,),
        csv=True,
    ),
    Operation(
        method="POST",
        path=f"{API}/suppressions",
        name="suppress",
        summary="Send an address or a domain no more mail: one, many, or a list as text/csv; all are checked first.",
        scope="operate",
        answer_with=suppressions.add,
        answers={200: SuppressionsAdded},
        body=ToSuppress | list[ToSuppress],
        csv=True,
        problems=OF_BODIES,
    ),
    Operation(
        method="DELETE",
        path=f"{API}/suppressions",
        name="unsuppress",
        summary="Take addresses off the list: what happened before is no evidence any more.",
        scope="operate",
        answer_with=suppressions.remove,
        answers={200: SuppressionsRemoved},
        query=(NoLongerSuppressed,),
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/healthz",
        name="healthz",
        summary="This process lives.",
        scope="",
        answer_with=healthz,
        answers={200: Health},
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Store, scheduler and a worker are there; 503 says what is not.",
        scope="",
        answer_with=readyz,
        answers={200: Readiness, 503: Readiness},
    ),
    Operation(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="What is counted, for Prometheus; also as OpenMetrics.",
        scope="read",
        answer_with=metrics,
        answers={200: None},
        media_type="text/plain",
    ),
    Operation(
        method="GET",
        path=f"{API}/openapi.json",
        name="openapi",
        summary="This document.",
        scope="",
        answer_with=_openapi,
        answers={200: dict[str, Any]},
    ),
)
