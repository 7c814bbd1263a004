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
    wait because five people mistyped their addresses. At least one share is to be given. A message counts once, as a
    host answered for it last; fewer than five refused ones are chance, whatever share they are; what is older than a
    day counts no more, nor does what was before the last release.
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

    def rule(self) -> BrakeRule:
        """The rule as it is published."""
        return BrakeRule(**dict(self))
