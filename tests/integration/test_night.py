"""The operator's night on one running service: from the first page to the reason and to a retry. Issue 15."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from calling import calling
from ports import free_ports
from service import PlaygroundProcess, Service, until
from terminals import Terminal

BODY = b"From: app@shop.test\r\nTo: all@a.test\r\nSubject: x\r\n\r\nHello.\r\n"
CONFIG = """
[gateway]
http = "127.0.0.1:{port}"
[worker]
processes = 1
[[lane]]
site = "*"
close_first = "2m"
close_cap = "5m"
[policy.default]
delays = ["1h"]
"""
STUCK = "greet554.test"
SMALL, WIDE = (80, 24), (160, 50)


class Night:
    """A service to which mail is stuck at one site, and who is called for it."""

    def __init__(self, service: Service, http: httpx.Client, ids: list[str]) -> None:
        self.service = service
        self.http = http
        self.ids = ids

    def page(self, path: str) -> str:
        """A page of the screen, as it is read."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def top(self, *arguments: str) -> list[str]:
        """The command's words."""
        return [sys.executable, "-m", "softbounce", "--config", str(self.service.config), "top", *arguments]


@pytest.fixture(scope="module")
def night(store_binary: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Mail to one site waits because it shuts us out; to others it goes."""
    del store_binary
    (port,) = free_ports(1)
    playground = PlaygroundProcess(tmp_path_factory.mktemp("playground"))
    service = Service(CONFIG.format(port=port), playground)
    try:
        service.start()
        with service.client() as mail:
            mail.send(sender="app@shop.test", recipients=["accept@ok.test"], message=BODY)
            receipt = mail.send(
                sender="app@shop.test",
                recipients=[f"accept-{number}@x.{STUCK}" for number in range(30)],
                message=BODY,
                stream="newsletter",
            )
            until(lambda: "site_closed" in {one.kind for one in mail.now().findings}, 30, "the site closes")
        with calling(port) as http:
            yield Night(service, http, list(receipt.envelopes.values()))
    finally:
        service.clean()
        playground.end()


def links(page: str) -> list[str]:
    """Where a page leads to."""
    return [unescape(one) for one in re.findall(r'<a [^>]*href="([^"]+)"', page)]


def test_issue15_mail_is_stuck_and_the_first_page_says_why(night: Night) -> None:
    """One look: partly, and which site; a click: its reply, since when, the next probe, and what waits there."""
    start = night.page("/ui")
    assert f"Yes, but not everywhere. {STUCK} is closed: mail to it waits." in start
    assert "554 5.7.1 No mail service for you here" in start
    assert "softbounce doctor" in start
    site = f"/ui/sites/{STUCK}"
    assert site in links(start)
    page = night.page(site)
    for words in ("The site is closed", "554 5.7.1 No mail service for you here", "One envelope goes ahead",
                  f"softbounce retry --site {STUCK}", "The lane to the site"):  # fmt: skip
        assert words in page
    assert any(one.startswith("/ui/message/") for one in links(page))
    listed = night.page("/ui/sites")
    assert links(listed).count(site) == 1
    assert "554 5.7.1" in listed
    missing = night.http.get("/ui/sites/<b>nowhere")
    assert missing.status_code == 404
    assert "<b>nowhere" not in missing.text


def test_issue15_a_site_that_is_said_to_be_mended_is_asked_from_its_page_and_by_one_command(night: Night) -> None:
    """From the first page: the site, *Ask it now*. It is not mended: it closes once more, and nothing bounces."""
    path = f"/ui/sites/{STUCK}"
    form = re.search(rf'<form method="post" action="{path}".*?name="word" value="([^"]*)">', night.page(path))
    assert form is not None
    failures = night.service.json("lanes", STUCK)[0]["failures"]
    posted = night.http.post(path, data={"word": form[1]}, headers={"Sec-Fetch-Site": "same-origin"})
    assert posted.status_code == 303, posted.text
    assert "It is being asked" in night.page(posted.headers["location"])
    until(lambda: night.service.json("lanes", STUCK)[0]["failures"] == failures + 1, 30, "its probe fails")
    (one,) = night.service.json("probe", STUCK)
    assert (one["answer"], one["site"], one["ready"]) == ("asked", True, len(night.ids))
    (would,) = night.service.json("probe", STUCK, "--dry-run")
    assert would["answer"] == "would"
    (told,) = night.http.post(f"/api/v1/sites/{STUCK}/probe").json()["lanes"]
    assert told["answer"] == "asked"
    assert b"Nothing is closed at ok.test" in night.service.cli("probe", "ok.test").stdout


def test_issue15_the_interface_and_the_command_say_the_same(night: Night) -> None:
    """``GET /api/v1/now``, ``/sites`` and ``/sites/NAME``, and ``softbounce top --json``."""
    told = night.http.get("/api/v1/now").json()
    printed = night.service.json("top")
    for one in (told, printed):
        assert one["flows"] == "partly"
        assert one["findings"][0]["kind"] == "site_closed"
        assert one["findings"][0]["command"] == ["softbounce", "doctor"]
        assert (one["workers"], one["schedulers"]) == (1, 1)
    sites = night.http.get("/api/v1/sites", params={"limit": 1}).json()
    assert [one["site"] for one in sites["sites"]] == [STUCK]
    by_domain = night.http.get(f"/api/v1/sites/x.{STUCK}").json()
    assert by_domain["lanes"][0]["trouble"]["waiting"] == 30
    assert by_domain["said"][0]["words"].startswith("554 5.7.1")
    assert night.http.get("/api/v1/sites/nowhere.test").status_code == 404


def test_issue15_7_without_a_terminal_it_is_printed_once(night: Night) -> None:
    """As text; a site that nothing is known of ends with 1, a pace that is none with 2."""
    done = night.service.cli("top")
    assert done.returncode == 0
    assert done.stdout.decode().startswith("Does mail flow? Yes, but not everywhere.")
    assert "$ softbounce doctor" in done.stdout.decode()
    one = night.service.cli("top", STUCK).stdout.decode()
    assert "The site is closed" in one
    assert night.service.cli("top", "nowhere.test").returncode == 1
    assert night.service.cli("top", "--every", "0").returncode == 2


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="80x24"), pytest.param(WIDE, id="160x50", marks=pytest.mark.thorough)]
)
def test_issue15_7_in_a_terminal_one_goes_into_a_site_and_a_message(night: Night, size: tuple[int, int]) -> None:
    """It fits, is live, goes deeper and back by keys, and leaves the terminal as it was."""
    width, height = size
    with Terminal(night.top("--every", "1"), width=width, height=height, environ={}) as terminal:
        first = terminal.until(lambda text: "Trouble first" in text)
        assert "Does mail flow?" in first[1]
        clock = first[0]
        terminal.until(lambda text: text.split("\n", 1)[0] != clock and "Trouble first" in text)
        terminal.press("\r")
        terminal.until(lambda text: "Said last" in text and "The site is closed" in text)
        terminal.press("\r")
        terminal.until(lambda text: "Message 0" in text and "The lane to the site" in text)
        terminal.press("\x1b")
        terminal.until(lambda text: "Said last" in text)
        terminal.press("s")
        drawn = terminal.until(lambda text: "waiting  why" in text)
        assert len(drawn) <= height
        assert max(map(len, drawn)) <= width
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.attributes == terminal.before


def test_issue15_one_command_has_what_was_deferred_tried_now(night: Night) -> None:
    """The command that the page of a domain names: what waits for its own clock there, an hour, is tried again."""
    with night.service.client() as mail:
        (identity,) = mail.send(sender="app@shop.test", recipients=["defer@late.test"], message=BODY).envelopes.values()
        until(lambda: len(mail.show(identity).attempts) == 1, 30, "it is deferred")
        page = night.page("/ui/sites/late.test")
        assert "softbounce retry --site late.test" in page
        assert "450 4.2.0 The mailbox is busy, try again later" in page
        assert identity in page
        assert night.service.cli("retry", "--site", "late.test").returncode == 0
        until(lambda: len(mail.show(identity).attempts) == 2, 30, "it is tried again")


def test_issue15_a_store_that_is_away_is_an_answer(night: Night) -> None:
    """The command says so and why, as JSON and in words, after two seconds of trying."""
    night.service.stop()
    told = night.service.json("top")
    assert (told["flows"], told["findings"][0]["kind"]) == ("no", "store_away")
    assert night.service.cli("top", STUCK).returncode == 3
