"""The empty dict that thousands of lanes share: nobody puts anything in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softbounce_worker.empty import EMPTY


@pytest.mark.parametrize(
    "put",
    [
        lambda: EMPTY.__setitem__("a", 1),
        lambda: EMPTY.setdefault("a", 1),
        lambda: EMPTY.update({"a": 1}),
        lambda: EMPTY.__ior__({"a": 1}),
    ],
    ids=["item", "setdefault", "update", "or"],
)
def test_nothing_goes_into_what_is_everybodys(put: Callable[[], object]) -> None:
    """One lane's session would be all lanes'."""
    with pytest.raises(TypeError, match="everybody's"):
        put()
    assert not EMPTY
    assert EMPTY.pop("a", None) is None
