from __future__ import annotations

import pytest
import softbounce_config
from softbounce_config.shape import KeyPath, Shape, dotted, place_at, variable


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ((), Shape.SECTION),
        (("smtp",), Shape.SECTION),
        (("smtp", "timeouts", "connect"), Shape.VALUE),
        (("policy",), Shape.NAMED),
        (("policy", "any"), Shape.SECTION),
        (("policy", "any", "window"), Shape.VALUE),
        (("lane",), Shape.LISTED),
        (("lane", 3, "site"), Shape.VALUE),
        (("smtp", "prot"), None),
        (("smtp", "port", "x"), None),
    ],
    ids=str,
)
def test_path_leads_to_a_place_or_nowhere(path: KeyPath, shape: Shape | None) -> None:
    """A path leads to a table, a value, named or listed tables, or nowhere."""
    place = place_at(path)
    assert (place and place.shape) == shape


def test_path_is_written_for_people_and_for_the_environment() -> None:
    """A key has one name in errors and one in the environment."""
    assert dotted(("assign", 2, "policy")) == "assign[2].policy"
    assert variable(("smtp", "timeouts", "connect")) == "SOFTBOUNCE__SMTP__TIMEOUTS__CONNECT"


def test_every_public_name_is_there() -> None:
    """What the package promises can be imported from it, and nothing else."""
    assert all(getattr(softbounce_config, name) for name in softbounce_config.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        softbounce_config.nothing  # noqa: B018
