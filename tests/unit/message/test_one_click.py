"""One-click unsubscribe (RFC 8058): what a header lacks of it."""

from __future__ import annotations

import pytest

from softbounce.message.one_click import lacks_one_click

BY_POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
HTTPS = b"List-Unsubscribe: <https://app.test/u?x=1>\r\n"
NO_WAY = "it has no List-Unsubscribe with an https address"
NO_POST = "it has no List-Unsubscribe-Post: List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("header", "lack"),
    [
        (HTTPS + BY_POST, ""),
        (b"list-unsubscribe: <mailto:u@app.test>,\r\n <https://app.test/u>\r\n" + BY_POST.lower(), ""),
        (b"List-Unsubscribe:\r\n\t<https://app.test/u>\r\n" + BY_POST, ""),
        (b"", NO_WAY),
        (BY_POST, NO_WAY),
        (b"List-Unsubscribe: <mailto:u@app.test>\r\n" + BY_POST, NO_WAY),
        (b"List-Unsubscribe: <http://app.test/u>\r\n" + BY_POST, NO_WAY),
        (b"List-Unsubscribe: https://app.test/u\r\n" + BY_POST, NO_WAY),
        (b"Subject: List-Unsubscribe: <https://app.test/u>\r\n" + BY_POST, NO_WAY),
        (HTTPS, NO_POST),
        (HTTPS + b"List-Unsubscribe-Post: yes\r\n", NO_POST),
        (HTTPS + b"\r\n" + BY_POST, NO_POST),  # it stands in the body
    ],
)
def test_M33_what_is_missing_is_named(header: bytes, lack: str) -> None:
    """An https address in angle brackets, and the field that says what is to be posted there."""
    assert lacks_one_click(b"From: a@b.test\r\n" + header + b"\r\nHello\r\n") == lack
