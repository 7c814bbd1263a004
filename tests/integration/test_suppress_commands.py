"""``softbounce suppress``: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from service import run_cli

from softbounce import Client


@pytest.fixture
def file(store_url: str, tmp_path: Path) -> Path:
    """A config file of an empty store."""
    with Client(store_url) as mail:
        mail.queue()
    path = tmp_path / "softbounce.toml"
    path.write_text(f'[store]\nurl = "{store_url}"\n[identity]\nhostname = "client.test"\n')
    return path


def run(file: Path, *words: str, stdin: bytes = b"", code: int = 0) -> tuple[str, str]:
    """A command; what it said on stdout and stderr."""
    done = run_cli("--config", file, "suppress", *words, stdin=stdin)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def in_json(file: Path, *words: str, stdin: bytes = b"", code: int = 0) -> Any:  # noqa: ANN401 - what JSON holds
    """The same, as JSON."""
    return json.loads(run(file, *words, "--json", stdin=stdin, code=code)[0])


def test_issue14_10_addresses_are_added_listed_and_removed(file: Path) -> None:
    """For people and for programs; who is not suppressed cannot be taken off, which says so."""
    assert run(file, "list")[0] == "Nobody is suppressed.\n"
    assert (
        run(file, "add", "A@b.test", "@gone.test", "--reason", "asked", "--expires", "30d")[0]
        == "2 added, 0 replaced\n"
    )
    assert in_json(file, "add", "a@b.test", "--stream", "") == {"added": 1, "replaced": 0}
    text = run(file, "list", "a@B.test")[0]
    assert "asked" in text
    assert "no stream" in text
    page = in_json(file, "list")
    assert {(one["address"], one["stream"]) for one in page["suppressions"]} == {
        ("a@b.test", None),
        ("a@b.test", ""),
        ("@gone.test", None),
    }
    assert page["next"] is None
    assert in_json(file, "remove", "a@b.test", "--stream", "") == {"removed": 1}
    assert run(file, "remove", "a@b.test")[0] == "1 removed\n"
    assert "a@b.test: not suppressed; `softbounce suppress list`" in run(file, "remove", "a@b.test", code=1)[1]
    assert run(file, "list", "a@b.test")[0] == "a@b.test is not suppressed.\n"
    for words in (["add", "nobody"], ["add", "a@b.test", "--expires", "soon"], ["list", "--source", "me"]):
        assert run(file, *words, code=2)[1].startswith("softbounce: ")


def test_issue14_10_a_list_is_imported_and_exported(file: Path, tmp_path: Path) -> None:
    """Bad lines are told by their numbers and cost no other; what was exported is imported again."""
    rows = [f"u{number}@list.test,moved {number}" for number in range(1200)]
    rows[7:7] = ["nobody,x", '"cut', "a@b.test,ok", 'b@b.test,"550 gone\r\nfor good"']
    (tmp_path / "list.csv").write_text("\n".join(["email,reason,ip", *rows]))
    out, err = run(file, "import", str(tmp_path / "list.csv"), code=1)
    assert out == "1202 added, 0 replaced, 2 refused\n"
    assert "columns that are passed over: 'ip'" in err
    assert "line 9: address: has no @" in err
    assert "line 10: unexpected end of data" in err
    assert in_json(file, "list", "b@b.test")["suppressions"][0]["reason"] == "550 gone for good"
    exported = run(file, "export")[0]
    assert len(exported.splitlines()) == 1203
    dry = in_json(file, "import", "-", "--dry-run", stdin=exported.encode())
    assert dry == {"lines": 1202, "added": 0, "replaced": 0, "refused": 0}
    again = in_json(file, "import", "-", stdin=exported.encode())
    assert again == {"lines": 1202, "added": 0, "replaced": 1202, "refused": 0}
    lines = [json.loads(line) for line in run(file, "export", "--source", "import", "--json")[0].splitlines()]
    assert len({one["address"] for one in lines}) == 1202
    assert "cannot be read" in run(file, "import", str(tmp_path / "nowhere.csv"), code=2)[1]
    assert "line 1: the first line names the columns" in run(file, "import", "-", stdin=b"a@b.test\n", code=2)[1]


def test_issue14_10_a_time_that_cannot_be_read_is_told_and_costs_no_address(file: Path) -> None:
    """The command ends well, since everybody is on the list who should be."""
    text = "email,created\na@b.test,01/31/2026 08:00\nb@b.test,1769846400000\n"
    out, err = run(file, "import", "-", stdin=text.encode())
    assert out == "2 added, 0 replaced, 0 refused\n"
    assert "line 2: taken without a time: since: '01/31/2026 08:00' is no time that has one reading" in err
    assert in_json(file, "list", "b@b.test")["suppressions"][0]["since"].startswith("2026-01-31T08:00:00")


def test_issue14_10_an_address_with_too_many_is_told_by_its_line(file: Path) -> None:
    """The lines beside it are added."""
    rows = [f"a@b.test,s{number}" for number in range(17)] + ["c@d.test,"]
    out, err = run(file, "import", "-", stdin="\n".join(["address,stream", *rows]).encode(), code=1)
    assert out == "17 added, 0 replaced, 1 refused\n"
    assert "line 18: address: a@b.test has 16 suppressions already" in err


def test_issue14_10_a_send_to_one_says_that_it_went_nowhere(file: Path) -> None:
    """The id is printed all the same, for it has an end; why not, beside it; --force goes past no person."""
    run(file, "add", "a@b.test", "--reason", "asked")
    for more in ([], ["--force"]):
        words = ["--config", file, "send", "--from", "x@y.test", "--to", "a@b.test", *more, "-"]
        done = run_cli(*words, stdin=b"Subject: x\r\n\r\nx\r\n")
        assert (done.returncode, len(done.stdout.split())) == (0, 1)
        assert b"a@b.test: not sent. The address is suppressed because an operator wants it so (asked)" in done.stderr
