"""Replies as text and JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from softbounce.classify import classify_lines, parse_reply_text
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("250 OK", Reply(code=250, lines=("OK",)), id="plain"),
        pytest.param("250", Reply(code=250, lines=("",)), id="bare code"),
        pytest.param(
            "550 5.1.1 No such user", Reply(code=550, enhanced="5.1.1", lines=("No such user",)), id="enhanced status"
        ),
        pytest.param(
            "550-5.7.1 one\r\n550 5.7.1 two", Reply(code=550, enhanced="5.7.1", lines=("one", "two")), id="two lines"
        ),
        pytest.param(
            "550 no (#5.1.1)",
            Reply(code=550, enhanced="5.1.1", lines=("no (#5.1.1)",)),
            id="enhanced status last",
        ),
        pytest.param("550 4.2.2 x", Reply(code=550, enhanced="4.2.2", lines=("x",)), id="S18 another class is kept"),
        pytest.param("550 from 5.1.2.3", Reply(code=550, lines=("from 5.1.2.3",)), id="an address is no status"),
        pytest.param("421 a\x1b[31m\u202eb", Reply(code=421, lines=("a\\x1b[31m\\x202eb",)), id="A22 controls escaped"),
    ],
)
def test_parse(text: str, expected: Reply) -> None:
    """A reply written as text is read into code, enhanced status and lines."""
    assert parse_reply_text(text) == expected


@pytest.mark.parametrize("text", ["", "hello", "55 x", "5500 x", "x550"])
def test_parse_refuses(text: str) -> None:
    """What does not begin with three digits is no reply."""
    with pytest.raises(ValueError, match="three digits"):
        parse_reply_text(text)


def test_lines_are_answered_in_order() -> None:
    """Each line gets one answer under its own id; empty lines get none."""
    rows = [
        {"id": 1, "reply": "550 5.1.1 User unknown", "stage": "rcpt", "provider": None},
        {"id": "b", "reply": "550 on a blocklist", "stage": None, "provider": "x"},
        {"id": None, "reply": "250 ok", "stage": "end_of_data"},
    ]
    answers = [json.loads(line) for line in classify_lines([*map(json.dumps, rows), "  \n"], BUILT_IN)]
    assert answers == [
        {
            "id": 1,
            "retry": False,
            "dead_address": True,
            "fault": "recipient",
            "reason": "bad_mailbox",
            "rule": "builtin:bad-mailbox",
        },
        {
            "id": "b",
            "retry": None,
            "dead_address": False,
            "fault": "sender_reputation",
            "reason": "ip_reputation",
            "rule": "builtin:sender-reputation",
        },
        {
            "id": None,
            "retry": False,
            "dead_address": False,
            "fault": None,
            "reason": None,
            "rule": "builtin:positive",
        },
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        pytest.param("{", "line 2: not JSON", id="not JSON"),
        pytest.param("[" * 100_000, "line 2: not JSON", id="nested too deep"),
        pytest.param("[]", "line 2: expected an object", id="no object"),
        pytest.param('{"reply": 5}', 'line 2: "reply" must be', id="reply is a number"),
        pytest.param('{"reply": "x"}', "line 2: a reply begins", id="no reply"),
        pytest.param('{"reply": "250", "stage": "lunch"}', 'line 2: "stage" must be', id="unknown stage"),
        pytest.param('{"reply": "250", "stage": ["rcpt"]}', 'line 2: "stage" must be', id="stage is a list"),
        pytest.param('{"reply": "250", "provider": 1}', 'line 2: "provider" must be', id="provider is a number"),
    ],
)
def test_a_bad_line_is_named(line: str, why: str) -> None:
    """What cannot be read is refused with the line's number and the reason."""
    with pytest.raises(ValueError, match=why):
        list(classify_lines(['{"reply": "250 ok"}', line], BUILT_IN))


@pytest.mark.parametrize(("line", "code"), [('{"id": 7, "reply": "250 ok"}', 0), ("{", 2)])
def test_the_module_runs(line: str, code: int) -> None:
    """``python -m softbounce.classify`` answers standard input; a line that cannot be read is exit code 2."""
    command = [sys.executable, "-m", "softbounce.classify"]
    done = subprocess.run(command, input=line, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    assert done.returncode == code
    assert ('"id": 7' in done.stdout) == (code == 0)
    assert ("line 1: not JSON" in done.stderr) == (code == 2)
