"""The table of brakes: when a stream is held. A struct of :mod:`softbounce.settings`, field by field."""

from __future__ import annotations

from pydantic import Field

from softbounce.settings import BrakeRule
from softbounce_config.fields import Glob, Section, Share

__all__ = ["BrakeSection"]

BRAKE = BrakeRule()


class BrakeSection(Section):
    """When a stream is held, until a person releases it: too many of its last messages were refused.

    The first that fits wins. There is none by default: which share is sick only you know, and a login code must not
    wait because five people mistyped their addresses. At least one share is to be given. A message counts once, as it
    was heard of last, which may be a bounce that came back, or a complaint; fewer than five of a kind are chance,
    whatever share they are; what is older than a day counts no more, nor does what was before the last release.
    """

    stream: Glob = Field(default=BRAKE.stream, description="The app's class of mail.")
    of: int = Field(
        default=BRAKE.of,
        ge=10,
        le=10_000,
        description="So many of its last messages count.",
    )
    at_least: int = Field(
        default=BRAKE.at_least,
        ge=10,
        le=10_000,
        description="Of fewer nothing is made. Not more than `of`.",
    )
    hard: Share | None = Field(
        default=BRAKE.hard,
        description="The share refused for good that is too much: dead addresses, and refused content. Promotions are "
        "none of it, nor is what nobody believes.",
    )
    sender_fault: Share | None = Field(
        default=BRAKE.sender_fault,
        description="The share refused for the sender's reputation, authentication or policy that is too much.",
    )
    complaints: Share | None = Field(
        default=BRAKE.complaints,
        description="The share that recipients called spam that is too much: providers begin to refuse at 0.3 %, which "
        "takes an `of` of thousands. Reports come to `[returns]`.",
    )

    def rule(self) -> BrakeRule:
        """The rule as it is published."""
        return BrakeRule(**dict(self))
