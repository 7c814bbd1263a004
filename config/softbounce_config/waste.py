"""Policies and rules that are allowed and wasteful: what a person would want to hear before mail waits by them."""

from __future__ import annotations

from collections.abc import Iterator

from softbounce.duration import in_words
from softbounce.plan import plan, without_jitter
from softbounce.settings import Policy, ReplyRule, Settings

__all__ = ["wasteful"]


def wasteful(settings: Settings) -> list[str]:
    """One sentence for each waste, with its key."""
    found: list[str] = []
    for name, policy in settings.policies.items():
        found.extend(f"policy.{name}: {waste}" for waste in _of_policy(policy))
    for rule in settings.reply:
        found.extend(f'reply "{rule.name}": {waste}' for waste in _of_rule(rule, settings))
    return found


def _of_policy(policy: Policy) -> Iterator[str]:
    if policy.wait:
        return  # it would have to be asked, and may answer otherwise next time
    first = policy.delays[0] if policy.delays else policy.first
    if first >= policy.window:
        yield (
            f"the first wait of {in_words(first)} is not shorter than the window of {in_words(policy.window)}: "
            "no attempt but the first and the last one is made"
        )
        return
    if policy.max_attempts > 0:
        return
    made = plan(without_jitter(policy))
    late = [attempt for attempt in made.attempts if 2 * attempt.offset >= policy.window]
    if len(late) <= 1 and not made.is_cut:
        yield (
            f"the second half of its window of {in_words(policy.window)} has {len(late)} attempt"
            f"{'' if len(late) == 1 else 's'}: the waits grow too long for it (a shorter cap, or a smaller factor)"
        )


def _of_rule(rule: ReplyRule, settings: Settings) -> Iterator[str]:
    if not rule.delays:
        return
    windows = [rule.window] if rule.window is not None else [policy.window for policy in settings.policies.values()]
    if rule.delays[0] >= max(windows):
        yield (
            f"its first delay of {in_words(rule.delays[0])} is not shorter than any window it can meet "
            f"({in_words(max(windows))}): no attempt but the last one is made"
        )
