"""Tags and metadata of an app's own."""

from __future__ import annotations

from typing import Any

import pytest

from softbounce.errors import InvalidMessage
from softbounce.labels import check_metadata, check_tags


def test_issue14_6_tags_are_kept_once_each_in_their_order() -> None:
    """Any text without control characters is one."""
    assert check_tags(["b", "a", "b", "Größe 7, rot", "🚀"]) == ("b", "a", "Größe 7, rot", "🚀")
    assert check_tags(iter(())) == ()
    assert check_tags(str(n) for n in range(20)) == tuple(map(str, range(20)))


@pytest.mark.parametrize(
    ("tags", "field", "reason"),
    [
        ("one", "tags", "not a list"),
        (b"one", "tags", "not a list"),
        ({"a": "b"}, "tags", "not a list"),
        (7, "tags", "not a list"),
        (["a", 7], "tags[1]", "not a string but int"),
        (["a", ""], "tags[1]", "is empty"),
        (["a\r\nX: b"], "tags[0]", "control character"),
        (["a\u2028b"], "tags[0]", "control character"),
        (["\ud800"], "tags[0]", "control character"),
        (["x" * 129], "tags[0]", "129 characters"),
        ([str(n) for n in range(21)], "tags", "more than 20"),
        ([f"{n:02}" + "€" * 100 for n in range(20)], "tags", "octets in all"),
    ],
)
def test_issue14_6_what_is_no_tag_is_named(tags: Any, field: str, reason: str) -> None:  # noqa: ANN401 - nonsense
    """By its place."""
    with pytest.raises(InvalidMessage, match=reason) as caught:
        check_tags(tags)
    assert caught.value.field == field


def test_issue14_6_metadata_is_strings_by_name() -> None:
    """A value may be empty."""
    assert check_metadata({"order_id": "1042", "Customer.Name-2": ""}) == {"order_id": "1042", "Customer.Name-2": ""}


@pytest.mark.parametrize(
    ("metadata", "field", "reason"),
    [
        ([("a", "b")], "metadata", "not a dict of strings but list"),
        (None, "metadata", "not a dict"),
        ({"a": 7}, "metadata[a]", "not a string but int"),
        ({"a": None}, "metadata[a]", "not a string but NoneType"),
        ({"a": "x\0"}, "metadata[a]", "control character"),
        ({"a": "x" * 501}, "metadata[a]", "501 characters"),
        ({"": "x"}, "metadata", "'' is no name"),
        ({"a b": "x"}, "metadata", "'a b' is no name"),
        ({"x" * 65: "x"}, "metadata", "is no name"),
        ({7: "x"}, "metadata", "'int' is no name"),
        ({str(n): "" for n in range(51)}, "metadata", "more than 50 names"),
        ({str(n): "x" * 500 for n in range(9)}, "metadata", "octets in all"),
    ],
)
def test_issue14_6_what_is_no_metadata_is_named(metadata: Any, field: str, reason: str) -> None:  # noqa: ANN401
    """By its name."""
    with pytest.raises(InvalidMessage, match=reason) as caught:
        check_metadata(metadata)
    assert caught.value.field == field
