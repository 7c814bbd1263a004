from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from softbounce_config import reference
from softbounce_config.brakes import BrakeSection
from softbounce_config.config import Config
from softbounce_config.fields import Section
from softbounce_config.rules import AssignSection, LaneSection, PolicySection, ReplySection, StreamSection
from softbounce_config.shape import keys_of

from softbounce import settings

PAGE = Path(__file__).parents[3] / "docs" / "reference-config.md"


def sections(section: type[Section]) -> list[type[Section]]:
    """All tables below *section*."""
    below = [place.section for place in keys_of(section).values() if place.section]
    return below + [inner for each in below for inner in sections(each)]


def test_page_is_fresh() -> None:
    """The page is what the models say; ``python -m softbounce_config.reference_page`` prints a new one."""
    assert PAGE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("section", sections(Config), ids=lambda section: section.__name__)
def test_every_key_is_explained(section: type[Section]) -> None:
    """Each table and each key of it says what it means."""
    assert section.__doc__
    keys = {name: place.field for name, place in keys_of(section).items() if not place.section}
    assert [name for name, field in keys.items() if not field or not field.description] == []


@pytest.mark.parametrize(
    ("section", "struct", "more"),
    [
        (PolicySection, settings.Policy, {"name"}),
        (AssignSection, settings.AssignRule, set()),
        (StreamSection, settings.StreamRule, set()),
        (ReplySection, settings.ReplyRule, set()),
        (LaneSection, settings.LaneRule, {"source"}),
        (BrakeSection, settings.BrakeRule, set()),
    ],
)
def test_file_and_store_have_the_same_keys(
    section: type[Section], struct: type[msgspec.Struct], more: set[str]
) -> None:
    """A key that can be written in the file is published, and one that is published can be written."""
    assert {*section.model_fields, *more} == set(struct.__struct_fields__)
