"""The command line against real stores, as a script uses it: output, exit codes, words on standard error."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from conftest import StartStore
from softbounce_gateway.cli import app
from typer.testing import CliRunner, Result

from softbounce import Client
from softbounce.dsn import Dsn
from softbounce.ids import parse_id
from softbounce.settings import Settings
from softbounce.store import keys, reading
from softbounce.store.call import Call, Operation
from softbounce.store.call import first as first_of
from softbounce.store.kept_bodies import free_bodies
from softbounce.store.lanes import LaneState
from softbounce.store.scripts import script
from softbounce.store.shards import Shards

MESSAGE = b"From: app@example.com\nTo: a@example.net\nSubject: A test\n\nHello.\n"
UNKNOWN = "0" * 26
CONFIG = """\
[identity]
hostname = "mail.example.com"

[policy.otp]
window = "15m"
delays = ["10s", "30s", "1m", "2m"]

[[assign]]
stream = "otp"
policy = "otp"
"""


class Run(Protocol):
    """Runs one command."""

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Return what it printed and its exit code."""
        ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a config file and a message."""
    (tmp_path / "softbounce.toml").write_text(CONFIG)
    (tmp_path / "m.eml").write_bytes(MESSAGE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """The command line without a store of its own."""
    assert folder.is_dir()

    def invoke(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return invoke


@pytest.fixture
def cli(run: Run, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line with an empty store."""
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store_url)
    return run


@pytest.fixture
def mail(store_url: str) -> Iterator[Client]:
    """A client of the same store."""
    with Client(store_url) as client:
        yield client


@pytest.fixture
def store(store_url: str) -> Iterator[Shards]:
    """The same store, asked by itself."""
    store = Shards(store_url)
    yield store
    store.close()


def send(cli: Run, *arguments: str) -> list[str]:
    """Send the message of the folder; the ids that were printed."""
    result = cli("send", "--from", "app@example.com", *arguments, "m.eml")
    assert result.exit_code == 0, result.stderr
    return result.stdout.split()


def as_json(result: Result) -> Any:  # noqa: ANN401 - what JSON can hold
    """The one JSON value that was printed."""
    return json.loads(result.stdout)


# -- send -----------------------------------------------------------------------------------------------------------


def test_send_prints_one_id_a_line_in_the_order_of_the_recipients(cli: Run, mail: Client) -> None:
    """What a shell script reads."""
    ids = send(cli, "--to", "b@example.net", "--to", "a@example.net", "--stream", "otp")
    assert [mail.show(identity).recipient for identity in ids] == ["b@example.net", "a@example.net"]
    assert mail.show(ids[0]).stream == "otp"


def test_issue10_28_all_commands_find_the_store_by_softbounce_url(
    run: Run, folder: Path, store_url: str, mail: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file says otherwise, as examples and apps find it; a file's word counts more."""
    (folder / "softbounce.toml").unlink()
    monkeypatch.setenv("SOFTBOUNCE_URL", store_url)
    (identity,) = send(run, "--to", "a@example.net")
    assert mail.show(identity).recipient == "a@example.net"
    for command in (
        ("show", identity),
        ("explain", identity),
        ("queue",),
        ("events",),
        ("hold", identity),
        ("release", identity),
        ("retry", identity),
        ("clock",),
        ("tls",),
        ("plan",),
        ("config", "reload"),
        ("cancel", identity),
    ):
        result = run(*command)
        assert result.exit_code == 0, (command, result.stderr)
    (folder / "other.toml").write_text('[store]\nurl = "unix:///nowhere/store.sock"')
    assert run("--config", "other.toml", "queue").exit_code == 3


def test_send_reads_standard_input(cli: Run) -> None:
    """`-` is where the message comes from a pipe."""
    result = cli("send", "--from", "a@example.com", "--to", "b@example.net", "-", stdin=MESSAGE)
    assert result.exit_code == 0
    assert len(result.stdout.strip()) == 26


def test_send_with_json_is_one_object(cli: Run) -> None:
    """The receipt, by the caller's spelling."""
    first = as_json(cli("send", "--json", "--from", "", "--to", "b@Example.net", "--key", "k", "m.eml"))
    again = as_json(cli("--json", "send", "--from", "", "--to", "b@Example.net", "--key", "k", "m.eml"))
    assert set(first) == {"message_id", "key", "envelopes", "known", "suppressed", "held", "warnings"}
    assert list(first["envelopes"]) == ["b@Example.net"]
    assert again == first | {"known": True}


def test_send_with_at_and_window(cli: Run, mail: Client) -> None:
    """A duration from now, or an instant."""
    (soon,) = send(cli, "--to", "a@example.net", "--at", "10m", "--window", "1h30m")
    shown = mail.show(soon)
    assert shown.next_attempt_at is not None
    assert abs(shown.next_attempt_at - datetime.now(UTC) - timedelta(minutes=10)) < timedelta(seconds=10)
    assert shown.expires_at - shown.next_attempt_at == timedelta(minutes=90)
    (later,) = send(cli, "--to", "a@example.net", "--at", "2031-01-31T08:00:00+01:00")
    assert mail.show(later).next_attempt_at == datetime(2031, 1, 31, 7, tzinfo=UTC)


def test_issue12_send_asks_for_reports(cli: Run, store_url: str) -> None:
    """By RFC 3461: when, how much of the message, and the sender's own word."""
    asked = ("--notify", "delay, success", "--ret", "headers", "--envid", "order 7")
    (identity,) = send(cli, "--to", "a@example.net", *asked)
    (other,) = send(cli, "--to", "b@example.net")
    store = Shards(store_url)
    records = store.run(reading.fetch([parse_id(identity), parse_id(other)]))
    store.close()
    assert [one and one.envelope.dsn for one in records] == [
        Dsn(notify="SUCCESS,DELAY", ret="HDRS", envid="order 7"),
        None,
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--to", "nobody", "m.eml"), "recipients[0]: has no @", id="address"),
        pytest.param(("--to", "b@example.net", "--notify", "bounce", "m.eml"), "dsn.notify: takes", id="notify"),
        pytest.param(("--to", "b@example.net", "--ret", "body", "m.eml"), "dsn.ret: is neither", id="ret"),
        pytest.param(("--to", "b@example.net", "none.eml"), "none.eml: cannot be read", id="file"),
        pytest.param(("--to", "b@example.net", "--at", "noon", "m.eml"), "--at: 'noon' is neither", id="at"),
        pytest.param(("--to", "b@example.net", "--at", "2031-01-31T08:00", "m.eml"), "no time zone", id="naive"),
        pytest.param(("--to", "b@example.net", "--window", "15", "m.eml"), "--window: '15'", id="window"),
        pytest.param(("--to", "b@example.net", "--stream", "A B", "m.eml"), "stream:", id="stream"),
        pytest.param(("m.eml",), "Missing option '--to'", id="no-recipient"),
    ],
)
def test_wrong_input_of_send_is_2_and_named(cli: Run, arguments: tuple[str, ...], words: str) -> None:
    """One or two lines, never a traceback."""
    result = cli("send", "--from", "app@example.com", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_a_reused_key_is_2(cli: Run) -> None:
    """The key stands for other content."""
    send(cli, "--to", "a@example.net", "--key", "k")
    result = cli("send", "--from", "app@example.com", "--to", "b@example.net", "--key", "k", "m.eml")
    assert result.exit_code == 2
    assert "'k' was used before" in result.stderr


# -- looking --------------------------------------------------------------------------------------------------------


def test_show_and_explain(cli: Run) -> None:
    """For people and for programs."""
    (identity,) = send(cli, "--to", "a@example.net", "--stream", "otp")
    shown = as_json(cli("show", identity, "--json"))
    assert (shown["id"], shown["state"], shown["policy"]) == (identity, "scheduled", "default")
    text = cli("show", identity.upper()).stdout
    assert "scheduled" in text
    assert "a@example.net" in text
    assert "Now      Scheduled" in cli("explain", identity).stdout
    explained = as_json(cli("explain", identity, "--json"))
    assert explained["id"] == identity
    assert "Scheduled" in explained["text"]


@pytest.mark.parametrize("command", ["show", "explain", "cancel", "retry", "hold", "release"])
def test_an_unknown_id_is_1(cli: Run, command: str) -> None:
    """Not found is a failure, not a wrong usage."""
    for identity in (UNKNOWN, "nonsense"):
        assert cli(command, identity).exit_code == 1


def test_issue13_6_send_and_filters_know_tenants(cli: Run) -> None:
    """As an option of each, and among the facts of ``show``."""
    (own,) = send(cli, "--to", "a@example.net", "--tenant", "acme")
    send(cli, "--to", "b@example.net")
    assert as_json(cli("show", own, "--json"))["tenant"] == "acme"
    assert "tenant        acme\n" in cli("show", own).stdout
    assert as_json(cli("queue", "--json", "--tenant", "acme"))["total"] == 1
    listed = as_json(cli("queue", "--json", "--list", "--tenant", "acme"))["envelopes"]
    assert [shown["id"] for shown in listed] == [own]
    assert cli("cancel", "--tenant", "acme").stdout == "1 match\n1  are cancelled\n"
    assert cli("send", "--from", "app@example.com", "--to", "a@example.net", "--tenant", "a|b", "m.eml").exit_code == 2


def test_queue_counts_and_lists(cli: Run) -> None:
    """By every filter, as a table and as JSON."""
    send(cli, "--to", "a@example.net", "--to", "b@example.org", "--stream", "otp")
    counts = as_json(cli("queue", "--json"))
    assert counts["total"] == 2
    assert counts["states"]["scheduled"] == 2
    assert {row["lane"] for row in counts["lanes"]} == {"?example.net", "?example.org"}
    assert as_json(cli("queue", "--json", "--domain", "*.org"))["total"] == 1
    assert as_json(cli("queue", "--json", "--stream", "news"))["total"] == 0
    assert cli("queue").stdout.startswith("2 envelopes: 2 scheduled\n")
    page = as_json(cli("queue", "--json", "--list", "--domain", "example.net"))
    assert [shown["recipient"] for shown in page["envelopes"]] == ["a@example.net"]
    assert page["next"] is None
    assert "b@example.org" in cli("queue", "--list").stdout
    assert cli("queue", "--state", "gone").exit_code == 2


def test_events_are_lines(cli: Run) -> None:
    """With JSON each has a cursor to read on from."""
    (identity,) = send(cli, "--to", "a@example.net")
    cli("cancel", identity)
    events = [json.loads(line) for line in cli("events", "--json").stdout.splitlines()]
    assert [(event["kind"], event["id"]) for event in events] == [("accepted", identity), ("cancelled", identity)]
    assert events[0]["at"].endswith("Z")
    rest = cli("events", "--after", events[0]["cursor"]).stdout.splitlines()
    assert len(rest) == 1
    assert "cancelled" in rest[0]
    assert cli("events", "--after", "nonsense").exit_code == 2


# -- acting ---------------------------------------------------------------------------------------------------------


def test_acts_say_first_how_many_match(cli: Run, mail: Client) -> None:
    """Then what became of each."""
    first, second = send(cli, "--to", "a@example.net", "--to", "b@example.net", "--at", "1h")
    result = cli("hold", first, second)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["2 of 2 match", f"{first}  is held", f"{second}  is held"]
    assert cli("retry", first).exit_code == 1
    assert mail.show(first).state == "held"
    released = as_json(cli("release", first, "--json"))
    assert released == {
        "act": "release",
        "dry_run": False,
        "matched": 1,
        "results": [{"id": first, "answer": "released", "done": True, "words": "is released"}],
    }
    assert cli("retry", first).exit_code == 0
    assert cli("cancel", first, second).exit_code == 0
    assert mail.show(second).state == "cancelled"
    assert cli("hold", first).exit_code == 1


def test_a_dry_run_changes_nothing(cli: Run, mail: Client) -> None:
    """It says what would be asked."""
    (identity,) = send(cli, "--to", "a@example.net")
    result = cli("cancel", "--dry-run", identity)
    assert result.exit_code == 0
    assert "would be asked to cancel" in result.stdout
    assert mail.show(identity).state == "scheduled"


def test_issue14_bounced_by_hand_and_sent_again(cli: Run, mail: Client, store: Shards) -> None:
    """The answers in words and as JSON, the links in `show`, and what stands in the way, with exit code 1."""
    store.run(free_bodies(0, Settings()))
    sent = json.loads(cli("--json", "send", "--from", "a@b.com", "--to", "x@y.net", "m.eml").stdout)
    (old,) = sent["envelopes"].values()
    early = cli("resend", old)
    assert (early.exit_code, "has not ended; `softbounce retry`" in early.stdout) == (1, True)
    bounced = cli("bounce", old, "--reason", "the list was stolen")
    assert (bounced.exit_code, bounced.stdout.splitlines()[-1]) == (0, f"{old}  is bounced")
    shown = json.loads(cli("--json", "show", old).stdout)
    assert shown["bounce"]["cause"] == "operator"
    (event,) = [one for one in mail.events() if one.kind == "bounced"]
    assert event.why.endswith(" ended it: the list was stolen")
    assert f"softbounce resend {old}" in " ".join(cli("explain", old).stdout.split())
    (result,) = json.loads(cli("--json", "resend", old).stdout)["results"]
    new = result["envelope"]
    assert (result["answer"], mail.show(new).resent_from) == ("resent", old)
    assert f"sent again as {new}" in " ".join(cli("show", old).stdout.split())
    assert "was sent again before; nothing changed as" in cli("resend", old).stdout
    cli("cancel", new)
    store.run(free_bodies(0, Settings(), [parse_id(new)[:14]], gives_way=True))
    gone = cli("resend", new)
    assert (gone.exit_code, "no longer stored" in gone.stdout) == (1, True)
    assert cli("resend", new, "--grace", "5s").exit_code == 2
    assert cli("hold", new, "--reason", "x").exit_code == 2


def test_issue15_an_act_in_the_background_is_listed_and_undone(cli: Run, mail: Client) -> None:
    """What it says first, the list of who did what, and taking it back; an act at the prompt is listed too."""
    for number in range(3):
        cli("send", "--from", "a@b.com", "--to", f"r{number}@y.net", "m.eml")
    assert cli("actions").stdout == "There were no acts yet.\n"
    begun = cli("cancel", "--domain", "y.net", "--grace", "1h")
    said, where = begun.stdout.splitlines()
    assert said == "3 match. They are held at once and cancelled after 1 h, unless the action is undone until then."
    identity = where.split()[1].rstrip(":")
    assert mail.queue().states["cancelled"] == 0
    one = cli("actions", identity).stdout
    assert ("state           waiting" in one, f"undo            softbounce actions undo {identity}" in one) == (
        True,
        True,
    )
    assert json.loads(cli("--json", "actions", "undo", identity).stdout)["state"] == "undoing"
    cli("hold", "--domain", "y.net")
    listed = json.loads(cli("--json", "actions").stdout)["actions"]
    assert [(one["action"], one["state"], one["answers"]) for one in listed] == [
        ("cancel", "undoing", {}),
        ("hold", "done", {"held": 3}),
    ]
    assert all("@" in one["by"] for one in listed)
    table = cli("actions").stdout
    assert "--domain y.net" in table
    assert cli("actions", "undo").exit_code == 2
    assert cli("actions", "0" * 16).exit_code == 1
    assert cli("cancel", "--domain", "y.net", "--grace", "soon").exit_code == 2
    assert cli("cancel", mail.page().envelopes[0].id, "--background").exit_code == 2


def test_issue15_2_terms_by_hand_at_the_prompt(cli: Run, mail: Client) -> None:
    """A dry run says what would be; then it is so, by id and by filter; what cannot be ends with 2, and its names."""
    one, two = send(cli, "--to", "a@y.net", "--to", "b@y.net", "--at", "1h")
    dry = cli("change", one, "--window", "2d", "--dry-run").stdout
    assert (f"{one}  Its window closes" in dry, "instead of" in dry) == (True, True)
    assert mail.show(one).set_window is None
    assert cli("change", one, "--window", "2d").stdout.splitlines()[-1] == f"{one}  has it"
    assert cli("change", one, "--window", "2d").stdout.splitlines()[-1] == f"{one}  had it already; nothing changed"
    said = as_json(cli("change", "--domain", "y.net", "--window", "3d", "--dry-run", "--json"))
    assert (said["matched"], said["ends"], "window of 3 d" in said["effect"]) == (2, 0, True)
    lines = cli("change", "--domain", "y.net", "--window", "3d").stdout.splitlines()
    assert lines[0].startswith("2 match. They get a window of 3 d from when each was accepted. None of them ends")
    assert (lines[-1], mail.show(two).set_window) == ("2  have it", "3d")
    for wrong, words in (
        (("change", one), "is missing"),
        (("change", one, "--policy", "fast"), "none that is published"),
        (("change", one, "--window", "soon"), "a duration is a number"),
        (("redirect", one, "--route", "backup"), "no route has a name"),
        (("redirect", one, "--policy", "otp"), "o such option"),
    ):
        refused = cli(*wrong)
        assert (refused.exit_code, words in refused.stderr + refused.stdout) == (2, True), refused.stderr
    acts = as_json(cli("actions", "--json"))["actions"]
    told = sorted((one["action"], one["detail"], json.dumps(one["chosen"])) for one in acts)
    assert told == [
        ("change", "", '{"window": "3d"}'),
        ("change", "window 2d", "{}"),
        ("change", "window 2d", "{}"),
    ]
    assert "change --window 3d" in " ".join(cli("actions").stdout.split())


def test_issue14_a_retry_says_what_is_closed(cli: Run, store: Shards) -> None:
    """By filter beforehand, and of one that is named; only where there is something to retry, and somebody closed."""
    one, two = send(cli, "--to", "a@a.test", "--to", "b@b.test", "--at", "1h")
    closed = msgspec.msgpack.encode(LaneState(failures=2, closed_until_ms=10**15))
    put = Call(keys.HOME, script("put"), (keys.key(keys.HOME, "lane"),), ["a.test~0123456789abcdef", closed])
    store.run(Operation((put,), first_of))
    words = "What goes to a.test waits until that opens: a retry opens nothing, `softbounce probe a.test` has it asked"
    assert words in cli("retry", "--domain", "a.test", "--dry-run").stdout
    assert as_json(cli("retry", "--domain", "a.test", "--dry-run", "--json"))["closed_sites"] == ["a.test"]
    for domain in ("b.test", "c.test"):
        assert "probe" not in cli("retry", "--domain", domain, "--dry-run").stdout
    assert words in cli("retry", one).stdout
    assert "probe" not in cli("retry", two).stdout


def test_issue14_acts_on_one_thing_are_listed_too(cli: Run, mail: Client, tmp_path: Path) -> None:
    """Who did what to which envelope or address, and what came of it; a dry run did nothing."""
    (one,) = send(cli, "--to", "a@example.net", "--at", "1h")
    cli("hold", one, "--dry-run")
    cli("hold", one)
    cli("release", one, "--past-gate")
    cli("bounce", one, "--reason", "the list was stolen")
    cli("suppress", "add", "a@b.test", "c@d.test", "--stream", "otp", "--reason", "asked us")
    cli("suppress", "remove", "a@b.test")
    (tmp_path / "list.csv").write_text("address\nx@y.test\n")
    cli("suppress", "import", str(tmp_path / "list.csv"))
    found = json.loads(cli("--json", "actions").stdout)["actions"]
    told = sorted((one["action"], *one["filter"].values(), one["reason"], one["detail"]) for one in found)
    assert told == [
        ("bounce", one, "the list was stolen", ""),
        ("hold", one, "", ""),
        ("release", one, "", "past the staging gate"),
        ("suppress", str(tmp_path / "list.csv"), "", ""),
        ("suppress", "a@b.test and 1 more", "otp", "asked us", ""),
        ("unsuppress", "a@b.test", "", ""),
    ]
    assert all("@" in one["by"] and one["count"] is None for one in found)
    (bounced,) = (one for one in found if one["action"] == "bounce")
    assert f"which           {one}\n" in cli("actions", bounced["id"]).stdout
    assert cli("actions", "undo", bounced["id"]).exit_code != 0
    assert mail.actions(limit=2) == mail.actions()[:2]


def test_acts_by_filter(cli: Run, mail: Client) -> None:
    """All that fit and can be acted on; with a count first."""
    news = send(cli, "--to", "a@example.net", "--to", "b@example.org", "--stream", "news", "--at", "1h")
    (other,) = send(cli, "--to", "a@example.net", "--at", "1h")
    named = cli("hold", "--stream", "news", "--dry-run").stdout.splitlines()
    assert named[0] == "2 match"
    assert sorted(line.split()[0] for line in named[1:]) == sorted(news)
    assert cli("hold", "--stream", "news").stdout == "2 match\n2  are held\n"
    assert [mail.show(identity).state for identity in (*news, other)] == ["held", "held", "scheduled"]
    assert cli("hold", "--stream", "news").stdout == "0 match\n"
    released = as_json(cli("release", "--domain", "*.org", "--json"))
    assert released == {
        "act": "release",
        "dry_run": False,
        "matched": 1,
        "answers": {"released": 1},
        "held_streams": [],
    }
    assert cli("retry", "--state", "scheduled").stdout == "2 match\n2  are tried now\n"
    assert cli("cancel", "--domain", "*").stdout == "3 match\n3  are cancelled\n"
    assert cli("cancel", "--state", "gone").exit_code == 2
    assert cli("cancel", other, "--domain", "*").exit_code == 2


def test_issue15_2_a_hold_stands_until_it_is_released(cli: Run, mail: Client) -> None:
    """Named, listed with its end and reason, released by its name; a second time there is none."""
    assert cli("holds", "list").stdout == "No hold stands.\n"
    said = cli("holds", "add", "--sender", "Shop.example", "--reason", "DMARC is broken").stdout
    assert said == "sender:shop.example is held until somebody ends it\n"
    (hold,) = as_json(cli("holds", "list", "--json"))["holds"]
    assert (hold["hold"], hold["reason"], hold["until"]) == ("sender:shop.example", "DMARC is broken", None)
    assert cli("holds", "add", "--tag", "spring", "--until", "2h").exit_code == 0
    assert "tag:spring" in cli("holds", "list").stdout
    assert [one.hold for one in mail.holds()] == ["sender:shop.example", "tag:spring"]
    assert cli("holds", "release", "sender:shop.example").exit_code == 0
    assert cli("holds", "release", "sender:shop.example").exit_code == 1
    assert cli("holds", "add", "--tag", "a", "--stream", "b").exit_code == 2
    assert cli("holds", "add", "--tag", "spring*").exit_code == 2
    assert [(one.action, one.filter) for one in mail.actions()][:1] == [("end_hold", {"held": "sender:shop.example"})]


def test_one_that_is_missing_fails_the_command_and_not_the_others(cli: Run, mail: Client) -> None:
    """What can be done is done."""
    (identity,) = send(cli, "--to", "a@example.net")
    result = cli("cancel", UNKNOWN, identity)
    assert result.exit_code == 1
    assert result.stdout.startswith("1 of 2 match\n")
    assert mail.show(identity).state == "cancelled"


# -- config, plan, classify, codes ----------------------------------------------------------------------------------


def test_reload_publishes_once(cli: Run, mail: Client) -> None:
    """The same settings again are no new version; then the client sees them."""
    first = as_json(cli("config", "reload", "--json"))
    again = as_json(cli("config", "reload", "--json"))
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["version"] == first["version"]
    (identity,) = send(cli, "--to", "a@example.net", "--stream", "otp")
    assert mail.show(identity).policy == "otp"
    assert as_json(cli("plan", "--published", "--stream", "otp", "--json"))["policy"] == "otp"


def test_config_check_says_everything_that_is_wrong(run: Run, folder: Path) -> None:
    """With place and reason, and 2."""
    good = run("config", "check")
    assert (good.exit_code, good.stdout) == (0, "softbounce.toml: ok\n")
    (folder / "bad.toml").write_text('[store]\nurl = 7\nkeep = "3d"\n')
    bad = run("config", "check", "--config", "bad.toml")
    assert bad.exit_code == 2
    assert "bad.toml: store.url = 7" in bad.stderr
    assert "bad.toml: store.keep" in bad.stderr
    report = as_json(run("--config", "bad.toml", "config", "check", "--json"))
    assert (report["ok"], len(report["faults"])) == (False, 2)
    for command in (("queue",), ("config", "show"), ("plan",), ("up",)):
        result = run("--config", "bad.toml", *command)
        assert result.exit_code == 2
        assert "bad.toml" in result.stderr


@pytest.mark.parametrize("machine", ["my_machine.example.com", "3f2a9c1b7d4e", "localhost"])
def test_issue10_02_config_check_says_that_there_is_no_name(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """Where `up` would refuse to mail for want of a name, so does the check, with the same words, and 2."""
    monkeypatch.setattr(socket, "getfqdn", lambda: machine)
    (folder / "nameless.toml").write_text("")
    bad = run("config", "check", "--config", "nameless.toml")
    assert bad.exit_code == 2
    assert f"nameless.toml: identity.hostname is not set, and this machine's name '{machine}'" in bad.stderr
    report = as_json(run("config", "check", "--config", "nameless.toml", "--json"))
    assert (report["ok"], len(report["faults"])) == (False, 1)


def test_config_show_and_reference(run: Run) -> None:
    """Effective values as a file that can be read again."""
    assert "[policy.otp]" in run("config", "show").stdout
    assert as_json(run("config", "show", "--json"))["policy"]["otp"]["window"] == "15m"
    assert run("config", "reference").stdout.startswith("# The config file")


def test_plan_lists_every_attempt(run: Run) -> None:
    """The waits of the policy, the last moment, the promotion."""
    plan = as_json(run("plan", "--stream", "otp", "--to", "a@example.net", "--json"))
    seconds = [attempt["offset_ms"] // 1000 for attempt in plan["attempts"]]
    assert seconds == [0, 10, 40, 100, 220, 340, 460, 580, 700, 820, 855]
    assert plan["promoted_ms"] == 900_000
    text = run("plan", "--stream", "otp").stdout
    assert "+14m15s  last" in text
    assert "Promoted to a hard bounce at +15m, when its window closes." in text


def test_classify_reads_and_writes_json_lines(run: Run) -> None:
    """One answer for each; a line that cannot be read is 2, with its number."""
    line = b'{"id": 7, "reply": "550 5.1.1 User unknown", "stage": "rcpt", "provider": null}\n'
    answer = as_json(run("classify", stdin=line))
    assert list(answer) == ["id", "retry", "dead_address", "fault", "reason", "rule"]
    assert (answer["id"], answer["retry"], answer["dead_address"]) == (7, False, True)
    wrong = run("classify", stdin=line + b"nonsense\n")
    assert wrong.exit_code == 2
    assert "line 2" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("550 5.1.1 User unknown", "--stage", "rcpt"), ("it ends at once. The address is dead", "bad_mailbox")),
        (("552 5.2.2 mailbox full",), ("tried again as the policy says.", "builtin:mailbox-full")),
        (("421 4.7.0 slow down, try again in 300 seconds",), ("not before 5 min 15 s are over", "rate_limit")),
        (("550 5.7.1 rejected by DMARC policy",), ("blames the sender", "sender_config")),
        (("250 ok",), ("The host said yes.", "builtin:positive")),
    ],
)
def test_issue15_classify_tells_in_words_what_one_reply_means(
    run: Run, words: tuple[str, ...], told: tuple[str, str]
) -> None:
    """Somebody at night has a reply in the clipboard, not a file of JSON lines."""
    text = " ".join(run("classify", *words).stdout.split())
    assert [one for one in told if one not in text] == []
    assert as_json(run("classify", *words, "--json"))["rule"] in text
    assert run("classify", "no code").exit_code == run("classify", *words[:1], "--stage", "x").exit_code == 2


def test_issue13_classify_prints_its_rules_and_takes_a_copy_of_them(run: Run, folder: Path) -> None:
    """What it prints is a pack that it takes back, and a change of it counts."""
    printed = run("classify", "--rules").stdout
    (folder / "rules.toml").write_text(
        printed.replace('"mailbox full | ', '"zzz mailbox full | ').replace("greylist |", "qux |")
    )
    with (folder / "softbounce.toml").open("a") as file:
        file.write('\n[classify]\nrules = "rules.toml"\n')
    result = run("classify", stdin=json.dumps({"id": 1, "reply": "450 qux", "stage": "rcpt"}).encode())
    assert as_json(result)["rule"] == "builtin:greylist"
    (folder / "rules.toml").write_text(printed.replace("450 4.7.1 Greylisted", "450 4.7.1 Later"))
    refused = run("config", "check")
    assert refused.exit_code == 2
    assert "classify.rules" in refused.stderr
    assert 'rule "greylist" does not fit its own example: 450 4.7.1 Later' in refused.stderr


def test_issue13_classify_lists_what_no_rule_knows(cli: Run) -> None:
    """Nothing happened yet."""
    assert "known by a rule" in cli("classify", "--unknown").stdout
    assert as_json(cli("classify", "--unknown", "--json")) == []


def test_issue13_lanes_say_what_is_in_force_and_why(cli: Run, folder: Path) -> None:
    """For a site without mail too; mail that waits for its domain is in a lane that only resolves it."""
    assert "5 messages each (preset (KumoMTA))" in cli("lanes", "icloud.com").stdout
    with (folder / "softbounce.toml").open("a") as file:
        file.write('\n[[lane]]\nsite = "icloud.*"\nconnections = 3\n')
    assert "3 connections, 100 messages each (lane[0])" in cli("lanes", "icloud.com").stdout
    assert cli("lanes").stdout == "No mail waits or is under way.\n"
    send(cli, "--to", "b@example.net", "--to", "a@example.net")
    (lane,) = as_json(cli("lanes", "--json"))
    assert (lane["site"], lane["state"], lane["envelopes"]) == (None, "open", {"scheduled": 2})
    assert "example.net (not resolved yet)" in cli("lanes").stdout


def test_issue13_config_check_says_what_is_wasteful(run: Run, folder: Path) -> None:
    """It is allowed: the exit code is 0."""
    (folder / "softbounce.toml").write_text(f"{CONFIG}\n[policy.slow]\nwindow = '1h'\nfirst = '2h'\n")
    result = run("config", "check")
    assert result.exit_code == 0
    assert "policy.slow: the first wait of 2 h is not shorter than the window of 1 h" in result.stderr
    assert as_json(run("config", "check", "--json"))["wasteful"]


def test_codes_say_what_is_done(run: Run) -> None:
    """All of them, or one stage by stage."""
    assert "552" in run("codes").stdout
    rows = as_json(run("codes", "550", "--json"))
    verdicts = {row["stage"]: row["verdict"] for row in rows}
    assert verdicts["greeting"] == "soft"
    assert verdicts["rcpt"] == "hard"
    assert run("codes", "999").exit_code == 2


# -- the store in trouble, and usage --------------------------------------------------------------------------------


def test_a_store_that_cannot_be_reached_is_3(
    run: Run, start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the place where it was looked for, and what to do."""
    server = start_store()
    server.stop()
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", server.url)
    result = run("show", UNKNOWN)
    assert result.exit_code == 3
    assert str(server.socket_path) in result.stderr
    assert "softbounce up" in result.stderr


@pytest.mark.parametrize("arguments", [("frobnicate",), ("send",), ("show",), ("queue", "--limit", "0"), ("hold",)])
def test_wrong_usage_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    """Whatever is wrong with it."""
    assert run(*arguments).exit_code == 2


def test_the_installed_command_runs(folder: Path, store_url: str) -> None:
    """As a process: output for a pipe has no colour."""
    command = Path(sys.executable).parent / "softbounce"
    environ = os.environ | {"SOFTBOUNCE__STORE__URL": store_url}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [command, *arguments], env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )

    sent = call("send", "--from", "a@example.com", "--to", "b@example.net", "m.eml")
    assert (sent.returncode, sent.stderr) == (0, "")
    queue = call("queue")
    assert queue.stdout.startswith("1 envelope: 1 scheduled\n")
    assert "\x1b" not in queue.stdout
    assert call("show", UNKNOWN).returncode == 1
    assert call("--version").stdout.startswith("softbounce ")
