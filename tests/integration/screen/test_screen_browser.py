"""The pages in a real browser: nothing is said of broken rules, events come, and who cannot see finds the way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser import DESKTOP, PHONE, Browser, axe_source
from screens import THERE, Screen, look_at_health, quiet_screen

pytestmark = pytest.mark.thorough  # a browser is half a gigabyte of packages
GRAVE = frozenset({"serious", "critical"})
AXE = "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations.map(one => "
AXE += "({id: one.id, impact: one.impact, nodes: one.nodes.slice(0, 3).map(node => node.html)}))))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with Browser() as browser:
        yield browser


def paths(full: Screen) -> list[str]:
    """A page of each kind."""
    return [
        "/ui",
        f"/ui/message/{full.ids['bounced']}",
        "/ui/sites",
        f"/ui/sites/{THERE}",
        f"/ui/message/{full.ids['deferred']}",
        f"/ui/message/{full.ids['deferred']}/bounce",
        "/ui/search?sender=*@shop.test",
        "/ui/act?action=cancel&recipient=*@busy.test",
        "/ui/events",
        "/ui/bounces",
        "/ui/suppressed",
        "/ui/holds",
        "/ui/policies?base=otp&window=1h",
        "/ui/actions",
        "/ui/health",
        "/ui/login",
        "/ui/message/nothing",
    ]


def test_A20_nothing_of_a_strangers_runs_in_a_browser(full: Screen, browser: Browser) -> None:
    """No dialog opens, no element comes of it, and no page breaks its own policy; events come without a reload."""
    here = f"http://127.0.0.1:{full.port}"
    browser.look_as(DESKTOP)
    for path in paths(full)[:2]:
        browser.open(here + path)
        assert browser.evaluate("document.querySelectorAll('img, [onerror], [style]').length") == 0
    browser.open(f"{here}/ui/events")
    browser.until("document.getElementById('told').textContent === 'Live'", "the stream is open")
    with full.service.client() as mail:
        mail.send(sender="app@shop.test", recipients=["live@evil.test"], message=b"From: a@b.test\r\n\r\nHi\r\n")
    browser.until("document.querySelector('tbody').textContent.includes('live@evil.test')", "the event has come")
    browser.until("document.querySelector('tbody').textContent.includes('<img src=x')", "with its reply, as text")
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert [one for one in browser.said if "404" not in one] == []


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False)])
def test_issue15_1_axe_finds_nothing_grave(full: Screen, browser: Browser, size: tuple[int, int], dark: bool) -> None:
    """On each page, in a wide window and a narrow one, by day and by night; and nothing sticks out to the side."""
    source = axe_source()
    look_at_health(full)
    browser.look_as(size, dark=dark)
    grave: dict[str, object] = {}
    for path in paths(full):
        browser.open(f"http://127.0.0.1:{full.port}{path}")
        browser.evaluate(source + ";0")
        found = [one for one in json.loads(browser.evaluate(AXE)) if one["impact"] in GRAVE]
        if found:
            grave[path] = found
        assert browser.evaluate("document.documentElement.scrollWidth") <= size[0], path
    assert grave == {}


def test_issue15_1_who_logged_out_is_not_shown_the_page_by_going_back(store_binary: object, browser: Browser) -> None:
    """A browser keeps none of these pages, not for going back either."""
    del store_binary
    with quiet_screen() as screen:
        text = screen.add_token("night", "read", "operate")
        browser.open(f"http://127.0.0.1:{screen.port}/ui/suppressed")
        browser.type_into("Token", text)
        browser.click("Log in")
        assert "Add one" in browser.text
        browser.evaluate("location.reload()")
        browser.until("document.body?.innerText.includes('Add one')", "a reload ends no session")
        browser.click("Log out")
        browser.evaluate("history.back()")
        browser.until("document.title.startsWith('Log in')", "nobody is shown anything")
        assert "Add one" not in browser.text


def test_issue15_1_an_open_message_follows_in_whole(full: Screen, browser: Browser) -> None:
    """Its state, its acts and its attempts, not its words alone; what was opened to be read stays open."""
    one = full.ids["deferred"]
    with full.service.client() as mail:
        browser.look_as(DESKTOP)
        browser.open(f"http://127.0.0.1:{full.port}/ui/message/{one}")
        browser.evaluate("document.querySelector('details').open = true")
        assert mail.hold(one) == "held"
        browser.until("document.querySelector('.first .state').textContent === 'held'", "it is held")
        browser.until("[...document.querySelectorAll('button')].some(one => one.innerText === 'Release')", "its act")
        assert browser.evaluate("document.querySelector('details').open")
        assert mail.release(one) == "released"


def test_issue15_1_a_page_of_what_is_no_more_says_so_and_asks_no_further(
    store_binary: object, browser: Browser
) -> None:
    """It is not said of the service that it does not answer."""
    del store_binary
    with quiet_screen() as screen, screen.service.client() as mail:
        sent = mail.send(sender="app@shop.test", recipients=["ann@a.test"], message=b"Subject: x\r\n\r\nx\r\n")
        browser.open(f"http://127.0.0.1:{screen.port}/ui/sites/a.test")
        browser.click("Its mail")
        assert "ann@a.test" in browser.text
        browser.open(f"http://127.0.0.1:{screen.port}/ui/sites/a.test")
        mail.cancel(next(iter(sent.envelopes.values())))
        browser.until("document.title.startsWith('There is no such thing here')", "it is no more", 25)
        assert "does not answer" not in browser.text


IN_BACKGROUND = """
let isHidden = true;
Object.defineProperty(document, "hidden", { get: () => isHidden });
window.look = yes => { isHidden = !yes; document.dispatchEvent(new Event("visibilitychange")); };
window.opened = [];
window.EventSource = class extends EventSource {
  constructor(url) { super(url); opened.push(this); }
};
"""
"""What a tab knows that was opened behind another one; and what a page holds open is counted."""
OPEN = "opened.filter(one => one.readyState !== EventSource.CLOSED).length"


def test_issue15_1_a_page_of_events_that_was_opened_in_the_background_shows_each_once(screen: Screen) -> None:
    """It has one stream while somebody looks and none while nobody does, however often that changes."""
    with Browser() as browser, screen.service.client() as mail:
        browser.look_as(DESKTOP)
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=IN_BACKGROUND)
        browser.open(f"http://127.0.0.1:{screen.port}/ui/events")
        assert browser.evaluate("opened.length") == 0
        for number in range(2):
            browser.evaluate("look(true)")
            browser.until("document.getElementById('told').textContent === 'Live'", "the stream is open")
            browser.evaluate("look(true)")
            assert browser.evaluate(OPEN) == 1
            address = f"once{number}@a.test"
            mail.send(sender="app@shop.test", recipients=[address], message=b"Subject: x\r\n\r\nx\r\n")
            rows = f"[...document.querySelectorAll('tbody tr')].filter(one => one.innerText.includes('{address}'))"
            browser.until(f"{rows}.length > 0", "the event has come")
            mail.send(sender="app@shop.test", recipients=[f"then{number}@a.test"], message=b"Subject: x\r\n\r\nx\r\n")
            there = f"document.querySelector('tbody').innerText.includes('then{number}@a.test')"
            browser.until(there, "so has the next")
            assert browser.evaluate(f"{rows}.length") == 1
            browser.evaluate("look(false)")
            assert browser.evaluate(OPEN) == 0
