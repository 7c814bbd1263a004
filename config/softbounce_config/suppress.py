"""The table of suppression: who gets no mail any more. A struct of :mod:`softbounce.suppression`, field by field."""

from __future__ import annotations

from pydantic import Field

from softbounce.suppression import Complaints, SuppressRules
from softbounce_config.fields import Duration, DurationOrZero, Globs, Section

__all__ = ["SuppressSection"]

RULES = SuppressRules()


class SuppressSection(Section):
    """Who gets no mail any more, by what happened to mail, and for how long.

    Mail to a suppressed address ends at once, and says why. `softbounce suppress` lists, adds and takes off. What is
    switched off here adds nobody any more; who is suppressed stays so.
    """

    dead_addresses: bool = Field(
        default=RULES.dead_addresses,
        description="Whether an address is suppressed when a mail host said that it is dead: for all mail; "
        "never for a soft bounce, a full mailbox or a refused content.",
    )
    dead_addresses_for: DurationOrZero = Field(
        default=RULES.dead_addresses_for,
        description="For how long; then its next mail is tried once more. 0: until it is taken off.",
    )
    complaints: Complaints = Field(
        default=RULES.complaints,
        description="What a complaint stops: mail of the `stream` that it was about, that of the same `tenant` only, "
        "`everything`, or nothing (`off`).",
    )
    complaints_for: DurationOrZero = Field(
        default=RULES.complaints_for, description="For how long. 0: until it is taken off."
    )
    streak: int = Field(
        default=RULES.streak,
        ge=0,
        le=100,
        description="An address is suppressed after so many soft bounces that turned hard, for its own sake (a full "
        "mailbox), with no delivery between. Those less than a day apart are one; outages and greylisting are none. 0: "
        "never.",
    )
    streak_within: Duration = Field(default=RULES.streak_within, description="They count for so long.")
    streak_for: DurationOrZero = Field(
        default=RULES.streak_for, description="For how long it is then. 0: until it is taken off."
    )
    exempt: Globs = Field(
        default=RULES.exempt,
        description='Streams, such as `["otp"]`, whose mail goes in spite of complaints and streaks. A dead address, '
        "and what a person put on the list, stops it all the same.",
    )
    most: int = Field(
        default=RULES.most,
        ge=1,
        le=100_000_000,
        description="Addresses and domains that may be suppressed in all; some 200 octets of the store each.",
    )

    def rules(self) -> SuppressRules:
        """The rules as they are published."""
        return SuppressRules(**dict(self))
