"""Mailboxes as people write them: one is parted into name and address, two are refused."""

from __future__ import annotations

import pytest

from softbounce.mailbox import part_mailbox


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        pytest.param("ada@x.test", "", "ada@x.test", id="bare"),
        pytest.param("<ada@x.test>", "", "ada@x.test", id="brackets"),
        pytest.param(" Ada <ada@x.test> ", "Ada", "ada@x.test", id="name"),
        pytest.param("info@d.test <info@d.test>", "info@d.test", "info@d.test", id="the-name-is-the-address"),
        pytest.param("'info@d.test' <info@d.test>", "'info@d.test'", "info@d.test", id="as-outlook-has-it"),
        pytest.param("ann@x.test via Shop <shop@d.test>", "ann@x.test via Shop", "shop@d.test", id="as-lists-have-it"),
        pytest.param('"Doe, Jane" <j@x.test>', '"Doe, Jane"', "j@x.test", id="a-comma-in-quotes"),
        pytest.param("Doe, Jane <j@x.test>", "Doe, Jane", "j@x.test", id="a-comma-in-a-name"),
        pytest.param('"a@x.test, <b@x.test>" <j@x.test>', '"a@x.test, <b@x.test>"', "j@x.test", id="all-in-quotes"),
        pytest.param('"a\\", b@x.test" <j@x.test>', '"a\\", b@x.test"', "j@x.test", id="a-quote-in-quotes"),
        pytest.param("x" * 20 + " " * 100_000 + ">", "", "x" * 20 + " " * 100_000 + ">", id="no-brackets-at-all"),
    ],
)
def test_issue14_one_mailbox_has_a_name_and_an_address(text: str, name: str, address: str) -> None:
    """Whatever its name looks like, as long as it has one reading; the time that it takes is linear."""
    assert part_mailbox(text) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "Ann <a@x.test>, Bob <b@y.test>",
        "<a@x.test>, <b@y.test>",
        "<a@x.test> <b@y.test>",
        "a@x.test; Bob <b@y.test>",
        "a@x.test, Bob <b@y.test>",
        "a@x.test b@y.test <c@z.test>",
        "Doe, Jane <a@x.test>; Bob <b@y.test>",
        '"Ann" <a@x.test>, "Bob" <b@y.test>',
        '"Ann <a@x.test>, "Bob" <b@y.test>',
        '"a@x.test", Bob <b@y.test>',
        "a@x.test\uff0cBob <b@y.test>",
    ],
)
def test_issue14_two_mailboxes_in_one_text_are_refused(text: str) -> None:
    """Either alone would be one recipient less than was meant."""
    with pytest.raises(ValueError, match="more than one address"):
        part_mailbox(text)
