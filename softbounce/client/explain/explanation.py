"""An explanation of one envelope, for whoever is on call: what it does, why, what binds, what comes, what to do.

Pure: from a :class:`Situation` to text. Replies were made safe to print when they were read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from softbounce import transitions
from softbounce.client.explain.attempts_in_words import histogram, said, tries
from softbounce.client.explain.lane_in_words import (
    ceiling_words,
    domain_words,
    lane_words,
    probe_words,
    sender_words,
    worker_words,
)
from softbounce.client.explain.put_off_in_words import binding_words, put_off_words
from softbounce.client.explain.situation import Situation, clock, moment
from softbounce.duration import from_epoch_ms, in_words
from softbounce.envelope import BRAKE, GATE, NEWS_MS, STANDING, Final, Flag, State
from softbounce.gate import closes_to
from softbounce.ids import format_id
from softbounce.routing import route_named

__all__ = ["Paragraph", "explanation", "paragraphs"]

WIDTH = 100
LABEL = 9
Paragraph = tuple[str, str]
CAUSES = {
    "rejected": "the host refused it for good",
    "unroutable": "there is no host to give it to",
    "promoted": "a soft bounce became a hard one, because the policy says when to stop trying",
    "uncertain": "an attempt ended unanswered, and the policy sends nothing twice",
    "suppressed": "its address gets no mail",
    "operator": "somebody ended it by hand",
}
UNANSWERED = {
    "resend": "it is sent again, even if the recipient may then get it twice (on_uncertain = resend)",
    "hold": "it is held for a person to decide (on_uncertain = hold)",
    "bounce": "it bounces rather than be sent twice (on_uncertain = bounce)",
}
HOLDS = {
    "operator": "An operator holds it",
    "quarantined": "It is quarantined: worker processes died while they had it, three times in a row",
    "uncertain": "An attempt ended unanswered, and the policy wants a person to decide whether it is sent again",
    "may_duplicate": "Its store was restored from a backup, and it was due since: it may have been delivered",
    "restored": "Its store was restored from a backup; it was not due since, so it was not sent unless hurried",
    BRAKE: "Its whole stream is held by the brake",
    STANDING: "It met a hold that stands",
    GATE: "The staging gate lets its recipient have no mail ([gate] allow)",
}
RESTORED = {
    "may_duplicate": "Sent now, the recipient may get it twice; cancelled, perhaps never. The log of its host knows.",
    "restored": "Nothing speaks against releasing it.",
}


def explanation(situation: Situation) -> str:
    """Why an envelope is where it is, what binds now, what happens next and when. Several lines."""
    record = situation.record
    envelope = record.envelope
    sender = envelope.sender or "<> (the null sender)"
    stream = f"stream {record.stream}, " if record.stream else ""
    head = (
        f"Envelope {format_id(record.id)}, from {sender} to {envelope.recipient} "
        f"({stream}policy {situation.policy.name}), accepted {moment(from_epoch_ms(record.created_ms), situation.now)}."
    )
    lines = [*textwrap.wrap(head, WIDTH), ""]
    for label, text in paragraphs(situation):
        lines += textwrap.wrap(
            text,
            WIDTH,
            initial_indent=label.ljust(LABEL),
            subsequent_indent=" " * LABEL,
            break_on_hyphens=False,
        )
    lines += tries(situation)
    return "\n".join(lines)


def paragraphs(situation: Situation) -> Iterator[Paragraph]:
    """What there is to say, a label and a sentence or two each; the first says where it is."""
    match situation.record.state:
        case State.SCHEDULED:
            yield from _scheduled(situation)
        case State.READY:
            yield from _ready(situation)
        case State.ATTEMPTING:
            yield from _attempting(situation)
        case State.HELD:
            yield from _held(situation)
        case State.DELIVERED:
            yield from _delivered(situation)
        case State.BOUNCED:
            yield from _bounced(situation)
        case State.CANCELLED:
            yield from _cancelled(situation)
    yield from _came_back(situation)


def _scheduled(situation: Situation) -> Iterator[Paragraph]:
    record, now = situation.record, situation.now
    identity = format_id(record.id)
    yield "Now", "Scheduled: it waits for its time."
    yield from _why(situation)
    yield from _brake(situation)
    if record.next_ms == 0:
        yield "Binds", "Its window: no further attempt fits into what is left of it."
        yield "Next", "No attempt. A longer window, published meanwhile, would bring one."
    else:
        next_at = from_epoch_ms(record.next_ms)
        follows = False
        if situation.lane_opens_in.total_seconds() > 0:
            yield "Binds", f"Its own clock. Besides, {lane_words(situation)[:1].lower()}{lane_words(situation)[1:]}"
        elif words := domain_words(situation) or sender_words(situation) or probe_words(situation):
            last = situation.last
            is_own = last is not None and last.charged and last.next_ms == record.next_ms
            yield "Binds", f"Its own clock. Besides, {words[:1].lower()}{words[1:]}" if is_own else words
            follows = not (is_own or domain_words(situation))
        else:
            yield "Binds", binding_words(record, now) or "Its own clock, nothing else."
        number = record.charged + 1
        if next_at > now and follows:
            latest = f"at the latest {moment(next_at, now)}"
            yield "Next", f"Attempt {number} when that gets through, {latest}.{worker_words(situation)}"
        elif next_at > now:
            yield "Next", f"Attempt {number} {moment(next_at, now)}.{worker_words(situation)}"
        else:
            moves = "the scheduler moves it to its lane within moments"
            due = f"Attempt {number}, due {moment(next_at, now)}: {moves}."
            yield "Next", f"{due} If this stays so, no scheduler runs: start `softbounce up`."
    yield from _ends(situation)
    yield "You can", f"softbounce retry {identity} (now) | hold {identity} | cancel {identity}"


def _ready(situation: Situation) -> Iterator[Paragraph]:
    identity = format_id(situation.record.id)
    if situation.is_unresolved:
        yield "Now", f"Ready: it waits for a worker to look up which hosts take mail for {situation.place}."
    else:
        what = "which is closed" if situation.lane_opens_in.total_seconds() > 0 else "for a slot"
        yield "Now", f"Ready: its time has come, and it waits in the lane to {situation.place}, {what}."
    yield from _why(situation)
    yield from _brake(situation)
    yield "Binds", lane_words(situation)
    if ceiling := ceiling_words(situation):
        yield "Ceiling", ceiling
    if situation.lane_opens_in.total_seconds() > 0:
        opens = moment(from_epoch_ms(situation.lane.closed_until_ms), situation.now)
        then = "one envelope goes ahead, and on any answer that does not blame the lane all that wait follow at once"
        yield "Next", f"The lane opens {opens}: {then}, this one included.{worker_words(situation)}"
    else:
        yield "Next", f"Attempt {situation.record.charged + 1}, as soon as it is its turn.{worker_words(situation)}"
    yield from _ends(situation)
    acts = f"hold {identity} | cancel {identity}"
    if not situation.is_unresolved and situation.lane_opens_in.total_seconds() > 0:
        acts = f"probe {situation.record.envelope.domain} (if it is mended) | {acts}"
    yield "You can", f"softbounce {acts}"


def _attempting(situation: Situation) -> Iterator[Paragraph]:
    record = situation.record
    identity = format_id(record.id)
    if record.flags & Flag.MARKED:
        unanswered = UNANSWERED[situation.policy.on_uncertain]
        yield "Now", "Being tried: the message is on its way, and the host's last answer is awaited."
        yield "Note", f"If that answer never comes, {unanswered}."
    else:
        yield "Now", "Being tried: a worker has it. The message has not left in whole."
    if record.flags & Flag.CANCEL_ASKED and record.envelope.bounce_asked:
        yield "Asked", f"To be bounced, before the message has left if it can ({record.envelope.bounce_asked})"
    elif record.flags & Flag.CANCEL_ASKED:
        yield "Asked", "To be cancelled: it ends before the message has left if it can, else after this attempt."
    if record.flags & Flag.HOLD_ASKED:
        yield "Asked", "To be held: it is, unless this attempt ends it."
    if record.next_ms == NEWS_MS:
        yield "Asked", "Another policy, window or route: that counts when it comes back."
    if record.claims > 1:
        lost = record.claims - 1
        times = f"{lost} time{'' if lost == 1 else 's'}"
        alone = "From the third time on it is tried apart from others, at last alone, so that it harms none."
        yield "Note", f"Worker processes were lost with it {times}, before any outcome. {alone}"
    yield from _why(situation)
    died = "If its process dies, the sweep gives it back, uncharged, when the lease ends."
    yield "Next", f"The outcome of this attempt. {died}{worker_words(situation)}"
    yield from _ends(situation)
    yield "You can", f"softbounce cancel {identity} | hold {identity} (both take effect when they can)"


def _held(situation: Situation) -> Iterator[Paragraph]:
    record, envelope = situation.record, situation.record.envelope
    identity = format_id(record.id)
    reason = HOLDS.get(envelope.held_why or "", "It is held")
    since = ""
    if envelope.held_since_ms is not None:
        since = f" for {in_words(situation.now - from_epoch_ms(envelope.held_since_ms))}"
    yield "Now", f"Held{since}: nothing is tried. {reason}."
    yield from _why(situation)
    yield from _brake(situation)
    if envelope.held_why in RESTORED:
        yield "Note", RESTORED[envelope.held_why]
    if transitions.stops_window(record, situation.settings):
        yield "Binds", "The hold. Its window stands still meanwhile."
    else:
        yield "Binds", "The hold. Its window runs on."
    if envelope.held_why == STANDING:
        yield from _met(situation)
        return
    ends = "" if transitions.stops_window(record, situation.settings) else ", or its window closes"
    yield "Next", f"Nothing, until somebody releases it{ends}."
    if envelope.held_why == GATE:
        yield from _gated(situation)
        return
    yield from _ends(situation)
    others = f" (or all of its kind: release --held-for {envelope.held_why})" if envelope.held_why in RESTORED else ""
    if situation.stream_hold is not None:
        which = record.stream or "''"
        yield "You can", f"softbounce release --stream {which} (the whole stream) | cancel {identity}"
        return
    yield "You can", f"softbounce release {identity} | cancel {identity}{others}"


def _met(situation: Situation) -> Iterator[Paragraph]:
    """What can be done about a standing hold."""
    identity, standing = format_id(situation.record.id), situation.standing
    if standing is None:
        yield "Next", "Its hold has ended: the scheduler releases it within moments."
        yield "You can", f"softbounce release {identity} | cancel {identity}"
        return
    until = standing.until
    end = "somebody ends the hold" if until is None else f"the hold ends, {moment(until, situation.now)}"
    yield "Next", f"Nothing, until {end}."
    yield from _ends(situation)
    yield "You can", f"softbounce holds release {standing.hold} (all that it holds) | cancel {identity}"


def _gated(situation: Situation) -> Iterator[Paragraph]:
    """What can be done about the staging gate."""
    identity, gate = format_id(situation.record.id), situation.settings.gate
    if gate is not None and gate.allows(situation.record.envelope.recipient):
        yield "Note", "The gate has been opened for its recipient since: release it."
        yield "You can", f"softbounce release {identity} | cancel {identity}"
        return
    whom = gate.in_words if gate is not None else "whom the file of each worker names"
    yield "Note", f"Who gets mail here: {whom}."
    yield "You can", f"softbounce release --past-gate {identity} (its recipient gets it) | cancel {identity}"


def _delivered(situation: Situation) -> Iterator[Paragraph]:
    record = situation.record
    final = _final(situation)
    at = from_epoch_ms(final.at_ms)
    took = in_words(at - from_epoch_ms(record.created_ms))
    yield "Now", f"Delivered {moment(at, situation.now)}, {took} after it was accepted, at attempt {record.charged}."
    yield from _said(situation)
    if final.replaced:
        yield "Note", f"It had ended as {final.replaced} before: the host's answer was recorded late, and it wins."
    if record.flags & (Flag.UNCERTAIN | Flag.OVERLAPPED):
        yield "Note", "An earlier attempt ended unanswered, so the recipient may have got it more than once."
    if not situation.came_back:
        yield "Next", "Nothing: the host is responsible for it now. What it does with it, it tells the sender by mail."


def _bounced(situation: Situation) -> Iterator[Paragraph]:
    final = _final(situation)
    cause = CAUSES.get(str(final.cause), str(final.cause))
    yield "Now", f"Bounced {moment(from_epoch_ms(final.at_ms), situation.now)}: {cause}."
    yield "Why", final.why
    if situation.record.envelope.attempts:
        yield from _said(situation)
    elif final.text:
        yield "Said", f"It had no attempt of its own. Its lane failed last with: {_reply(final)}"
    if situation.record.flags & Flag.UNCERTAIN:
        yield "Note", "An attempt ended unanswered: the recipient may have got it all the same."
    if final.cause == "promoted" and (replies := histogram(situation.record.envelope.attempts)):
        yield "Replies", replies
    if final.suppress:
        yield "Advice", "The address is dead: no other message will reach it. Take it off your lists."
    elif final.cause == "promoted":
        yield "Advice", "The address is not known to be dead: nobody said so. Other mail to it is tried as ever."
    elif final.cause == "suppressed":
        recipient = situation.record.envelope.recipient
        yield "Advice", f"If that is wrong: softbounce suppress list {recipient} | suppress remove {recipient}"
    yield from _again(situation)


def _cancelled(situation: Situation) -> Iterator[Paragraph]:
    final = _final(situation)
    yield "Now", f"Cancelled {moment(from_epoch_ms(final.at_ms), situation.now)}, by the app or an operator."
    if situation.record.envelope.attempts:
        yield from _said(situation)
    if situation.record.flags & Flag.UNCERTAIN:
        yield "Note", "An attempt ended unanswered: the recipient may have got it all the same."
    yield from _again(situation)


def _came_back(situation: Situation) -> Iterator[Paragraph]:
    """What was reported of it after it had left."""
    for one in situation.came_back:
        what = "Returned" if one.kind == "returned" else "Spam"
        reply = " ".join(str(word) for word in (one.code, one.enhanced, one.text) if word)
        said = f" They said: {reply}" if reply and one.kind == "returned" else ""
        why = one.why or ("It came back." if one.kind == "returned" else "Its recipient complained.")
        yield what, f"{moment(from_epoch_ms(one.at_ms), situation.now)}: {why}{said}"
        if one.suppress:
            yield "Advice", "The address is dead: no other message will reach it. Take it off your lists."


def _again(situation: Situation) -> Iterator[Paragraph]:
    """What may still become of one that ended undelivered."""
    record = situation.record
    if record.envelope.resent_as:
        again = format_id(record.envelope.resent_as)
        yield "Next", f"It was sent again, as envelope {again}: softbounce explain {again}"
        return
    yield "Next", "Nothing, unless it is sent again."
    keep = situation.settings.keep_bodies
    until = from_epoch_ms(_final(situation).at_ms) + keep
    if keep and until > situation.now:
        kept = f"while its message is kept, which ends {moment(until, situation.now)} at the latest"
        yield "You can", f"softbounce resend {format_id(record.id)}, {kept}"


def _brake(situation: Situation) -> Iterator[Paragraph]:
    """Its whole stream is held: what waits is held with it within moments. Or its address gets no mail.

    An attempt under way is seen to its end.
    """
    hold = situation.stream_hold
    if hold is not None:
        name = f"Stream {hold.stream}" if hold.stream else "Mail without a stream"
        yield "Brake", f"{name} has been held since {clock(hold.held_at)}: {hold.why}."
    standing, is_held = situation.standing, situation.record.state is State.HELD
    if standing is not None:
        until = "somebody ends it" if standing.until is None else clock(standing.until)
        reason = standing.reason.rstrip(".")
        why, by = f": {reason}" if reason else "", f", by {standing.by}" if standing.by else ""
        turn = "" if is_held else " It is held when its turn comes."
        since = clock(standing.since)
        what = f"All mail of the {standing.of} {standing.value} has been held since {since}{by}, until {until}"
        yield "Hold", f"{what}{why}.{turn}"
    gate, envelope = situation.settings.gate, situation.record.envelope
    if not is_held and closes_to(gate, envelope.recipient, past_gate=envelope.past_gate):
        becomes = "it is held when its turn comes" if gate is None or gate.holds_others else gate.others_in_words
        yield "Gate", f"The staging gate lets its recipient have no mail: {becomes}."
    if situation.suppressed:
        yield "Stops", f"{situation.suppressed} It ends as a hard bounce when its turn comes."


def _why(situation: Situation) -> Iterator[Paragraph]:
    last = situation.last
    envelope = situation.record.envelope
    if last is None:
        start = from_epoch_ms(envelope.at_ms) if envelope.at_ms is not None else None
        if start is not None and start > situation.now:
            yield "Why", put_off_words(envelope.put_off, start)
        else:
            is_first = situation.record.state is State.ATTEMPTING
            yield "Why", "This is its first attempt." if is_first else "No attempt was made yet."
        return
    if last.why:
        yield "Why", last.why
    yield from _said(situation)


def _said(situation: Situation) -> Iterator[Paragraph]:
    last = situation.last
    if last is not None:
        yield "Said", said(last, situation.now)


def _ends(situation: Situation) -> Iterator[Paragraph]:
    yield from _by_hand(situation)
    yield from _by_when(situation)
    window, owner = situation.window
    held = situation.record.envelope.held_ms
    pause = f", not counting {in_words(from_epoch_ms(held) - from_epoch_ms(0))} on hold" if held else ""
    closes = moment(situation.expires_at, situation.now)
    if situation.expires_at <= situation.now:
        yield "Ends", f"Its window of {in_words(window)} ({owner}{pause}) closed {closes}; the sweep promotes it."
        return
    limit = situation.policy.max_attempts
    count = f" At most {limit} attempt{'' if limit == 1 else 's'}." if limit else ""
    then = f"then its window of {in_words(window)} ({owner}{pause}) closes"
    stands = situation.record.state is State.HELD and transitions.stops_window(situation.record, situation.settings)
    begins = "Not while it is held. Released now, as" if stands else "As"
    yield "Ends", f"{begins} a hard bounce {closes} if nothing takes it before: {then}.{count}"


def _by_hand(situation: Situation) -> Iterator[Paragraph]:
    """What an operator chose for it, and whether that is still there."""
    envelope, settings = situation.record.envelope, situation.settings
    if envelope.set_policy:
        gone = "" if envelope.set_policy in settings.policies else "; there is none of that name any more"
        yield "By hand", f"An operator chose policy {envelope.set_policy} for it{gone}."
    if envelope.set_route:
        gone = "" if route_named(settings, envelope.set_route) else "; there is none of that name any more"
        yield "By hand", f"An operator sent it by route {envelope.set_route}{gone}."


def _by_when(situation: Situation) -> Iterator[Paragraph]:
    """What its sender asked for by BY of MAIL."""
    by = situation.record.envelope.deliver_by
    if by is None:
        return
    when = clock(from_epoch_ms(by.at_ms(situation.record.created_ms)))
    if by.returns:
        yield "By when", f"By {when} or not at all (DELIVERBY)."
    else:
        yield "By when", f"Its sender wants it delivered by {when} (DELIVERBY), and hears of it if it is not."


def _final(situation: Situation) -> Final:
    return situation.record.envelope.final or Final(at_ms=situation.now_ms)


def _reply(final: Final) -> str:
    return " ".join(str(one) for one in (final.code, final.enhanced, final.text) if one)
