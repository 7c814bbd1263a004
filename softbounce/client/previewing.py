"""What an act would do, before it does: to how many, to which for example, and what becomes of them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softbounce import transitions
from softbounce.client.action_book import latest_ms
from softbounce.client.action_run import selection_of
from softbounce.client.flow import Flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.matching import Matching, doing_of, find_matching
from softbounce.client.record import find_record
from softbounce.client.shown import Shown, shown_of_record
from softbounce.client.terms import Chosen, check_terms, read_terms, road_words
from softbounce.duration import MILLISECOND, from_epoch_ms, in_words
from softbounce.envelope import Record
from softbounce.settings import Settings
from softbounce.store.actions import Action
from softbounce.transitions import Terms

__all__ = ["PreviewedAct", "preview_act", "preview_one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedAct:
    """What an act would do now.

    :ivar count: how many fit.
    :ivar sample: some of them.
    :ivar effect: what becomes of them, in words.
    :ivar ends: so many end at once because their window is shorter than they are old.
    :ivar before_ms: what is accepted later was not seen.
    """

    count: int
    sample: tuple[Shown, ...]
    effect: str
    ends: int = 0
    before_ms: int = 0


def preview_act(knowledge: Knowledge, action: Action, sample: int) -> Flow[PreviewedAct]:
    """What an action would do, and to how many. Nothing is changed.

    :raises InvalidArgument: there is no such policy or route.
    """
    known = yield from knowledge.current()
    terms = read_terms(action.act, action.chosen)
    check_terms(terms, known.settings)
    before_ms = yield from latest_ms(known.shards)
    doing = doing_of(action.act, selection_of(action.filters), force=action.force, terms=terms)
    found = yield from find_matching(known, doing, sample)
    return PreviewedAct(
        count=found.count,
        sample=tuple(_shown(found.sample, known.settings, found.now_ms)),
        effect=_effect(action, terms, known.settings, found),
        ends=found.ends,
        before_ms=before_ms,
    )


def preview_one(knowledge: Knowledge, act: str, identity: str, chosen: Chosen) -> Flow[str]:
    """What a change or a redirect would do to one envelope, in words.

    :raises InvalidArgument: there is no such policy or route, or the act knows none.
    :raises NotFound: there is none (any more).
    """
    settings = (yield from knowledge.current()).settings
    terms = read_terms(act, chosen)
    check_terms(terms, settings)
    record, now_ms = yield from find_record(identity)
    if record.state.is_final:
        return f"Nothing: it has ended ({record.state.word})."
    if terms.are_of(record.envelope):
        return "Nothing: it is so already."
    if act == "redirect":
        return f"Its next attempts go {_road(terms, settings)}, the first at the time that was planned."
    if transitions.ends_at_once(record, settings, now_ms, terms):
        return f"{_closes(record, terms, settings, now_ms)}: it bounces at once."
    return f"{_closes(record, terms, settings, now_ms)}."


def _effect(action: Action, terms: Terms, settings: Settings, found: Matching) -> str:
    """What will become of those that fit, in a sentence."""
    grace = in_words(action.grace_ms * MILLISECOND)
    is_one = found.count == 1
    they, their = ("It is", "Its") if is_one else ("They are", "Their")
    held = (
        f"{they} held at once and {{}} after {grace}, unless the action is undone until then."
        if action.grace_ms
        else f"{they} {{}} now."
    )
    match action.act:
        case "cancel":
            return held.format("cancelled")
        case "bounce":
            return held.format("bounced")
        case "resend":
            over = f", one after another over {in_words(action.spread_ms * MILLISECOND)}" if action.spread_ms else ""
            return f"Each is sent again as a new envelope{over}; those whose message is no longer kept are left out."
        case "hold":
            return f"{they} held until released; undoing the action releases {'it' if is_one else 'them'}."
        case "release":
            return "Its hold is lifted." if is_one else "Their holds are lifted."
        case "redirect":
            return f"{their} next attempts go {_road(terms, settings)}, at the times that were planned."
        case "change":
            return _effect_of_change(action, terms, settings, found)
        case _:
            return f"{their} next attempt is planned for now."


def _effect_of_change(action: Action, terms: Terms, settings: Settings, found: Matching) -> str:
    ends = f"{found.ends:,} of them {'is' if found.ends == 1 else 'are'} older than that"
    if not found.ends:
        told = "None of them ends by that now."
    elif action.grace_ms:
        grace = in_words(action.grace_ms * MILLISECOND)
        told = f"{ends}: held at once, bounced (promoted) after {grace}, unless the action is undone until then."
    else:
        told = f"{ends}, and bounced (promoted) at once."
    example = ""
    if found.sample:
        first = found.sample[0]
        closes = _closes(first, terms, settings, found.now_ms)
        example = f" For example {first.envelope.recipient}: {closes[:1].lower()}{closes[1:]}."
    return f"{'It gets' if found.count == 1 else 'They get'} {_chosen(terms)}. {told}{example}"


def _closes(record: Record, terms: Terms, settings: Settings, now_ms: int) -> str:
    """When its window would close, and does now."""
    before_ms = transitions.expiry_ms(record, settings, now_ms)
    transitions.give_terms(record, settings, terms)
    after_ms = transitions.expiry_ms(record, settings, now_ms)
    if after_ms == before_ms:
        return f"Its window closes {_moment(before_ms)} as before"
    return f"Its window closes {_moment(after_ms)} instead of {_moment(before_ms)}"


def _moment(at_ms: int) -> str:
    return f"{from_epoch_ms(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def _chosen(terms: Terms) -> str:
    parts = []
    if terms.policy is not None:
        parts.append(f"policy {terms.policy}" if terms.policy else "the policy that the configuration assigns")
    if terms.window_ms is not None:
        length = in_words(terms.window_ms * MILLISECOND)
        parts.append(f"a window of {length} from when each was accepted" if terms.window_ms else "no window by hand")
    return " and ".join(parts)


def _road(terms: Terms, settings: Settings) -> str:
    return f"by route {terms.route}, {road_words(settings, terms.route)}" if terms.route else "as the routes say"


def _shown(records: Sequence[Record], settings: Settings, now_ms: int) -> list[Shown]:
    shown = []
    for record in records:
        try:
            shown.append(shown_of_record(record, settings, now_ms))
        except (ValueError, OverflowError, LookupError):  # a time beyond the calendar, a word that is none
            continue
    return shown
