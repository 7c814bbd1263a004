"""What the pages show, and that what a stranger wrote stays text on each of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from html.parser import HTMLParser

import pytest
from screens import EVIL, THERE, WORD, Screen, look_at_health
from service import until
from softbounce_config.identity import host_label

WORDS = (
    "html head meta title link script body header nav ul ol li a form label input select option button main h1 h2 h3 p "
    "div section span strong dl dt dd time bdi code pre table caption thead tbody tr th td details summary footer svg "
    "rect line circle text br article polyline path ul b em small"
)
KNOWN = frozenset(WORDS.split())
SITE = re.compile(r'href="(/ui/sites/[^"]+)"')
LINK = re.compile(r'(?:href|src)="(/[^"]*)"')


class Page(HTMLParser):
    """The elements of a page, and those that should not be there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        known = dict(attrs)
        self.wrong += [tag] if tag not in KNOWN else []
        self.wrong += [name for name in known if name.startswith("on") or name in {"style", "srcdoc"}]
        self.wrong += [str(known["src"])] if tag == "script" and not str(known.get("src")).startswith("/ui/") else []
        self.ids += [str(known["id"])] if known.get("id") else []


NUMBER = re.compile(r'<a href="([^"]+)">(\d[\d,]*)(?: [a-z][^<]*)?</a>')
MORE = re.compile(r'<p class="pages"><a href="([^"]+)"')


def sites(full: Screen) -> list[str]:
    """The paths of the pages of sites."""
    return sorted(set(SITE.findall(full.http.get("/ui/sites").text)))


def pages(full: Screen) -> list[str]:
    """The paths of all pages."""
    return [
        "/ui",
        "/ui/sites",
        *sites(full),
        *(f"/ui/message/{one}" for one in full.ids.values()),
        *(f"/ui/message/{full.ids['bounced']}/{act}" for act in ("cancel", "bounce", "resend")),
        "/ui/search",
        "/ui/search?state=bounced&domain=*.test",
        "/ui/act?action=bounce&recipient=*",
        "/ui/actions",
        "/ui/events",
        "/ui/events?kind=bounced",
        "/ui/bounces",
        "/ui/suppressed",
        "/ui/holds",
        "/ui/policies",
        "/ui/policies?base=otp&window=1h&delays=10s,5m",
        "/ui/health",
    ]


def test_A20_what_a_stranger_wrote_stays_text(full: Screen) -> None:
    """A reply, a tag, a value, an address with markup in it: on no page is it any."""
    seen = 0
    until(lambda: "no such user" in full.http.get("/ui/bounces").text, 20, "the event log was looked through")
    for path in pages(full):
        answer = full.http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        page = Page(answer.text)
        assert page.wrong == [], path
        assert len(page.ids) == len(set(page.ids)), path
        assert EVIL not in answer.text
        assert "\u202e" not in answer.text
        seen += answer.text.count("&lt;img src=x onerror=alert(document.domain)&gt;")
    assert seen > 5


def test_issue15_1_what_an_event_says_of_why_is_a_sentence(full: Screen) -> None:
    """Of each kind that there is here: it begins and ends as one, once."""
    told = {one["why"] for one in full.http.get("/api/v1/events?limit=500").json()["events"]} - {""}
    assert len(told) > 5
    assert {why for why in told if not re.fullmatch(r"[A-Z0-9].*[^.]\.", why, re.DOTALL)} == set()


def test_issue15_1_each_link_of_each_page_leads_somewhere(full: Screen) -> None:
    """None to what is not there, nor to a question that cannot be asked so."""
    links = {(path, unescape(link)) for path in pages(full) for link in LINK.findall(full.http.get(path).text)}
    assert any(path.startswith("/ui/sites/") and link.startswith("/ui/message/") for path, link in links)
    answers = {link: full.http.get(link).status_code for link in {link for _, link in links}}
    assert {(path, link) for path, link in links if answers[link] >= 400} == set()


def test_issue15_1_a_number_that_leads_to_a_list_is_its_length(full: Screen) -> None:
    """On each page, whatever it counts, an empty list included; what moved meanwhile is looked at again."""
    once = {path for path in pages(full) if not all_agree(full, path)}
    until(lambda: all(all_agree(full, path) for path in once), 20, f"the numbers of {once} are right")
    counted = sum(len(NUMBER.findall(full.http.get(path).text)) for path in pages(full))
    assert counted >= 9, "four states, four kinds of events, and what is held"


def all_agree(full: Screen, path: str) -> bool:
    """Whether each number with a link on a page is that of the rows behind it."""
    for link, number in NUMBER.findall(full.http.get(path).text):
        rows, place = 0, unescape(link)
        while place:
            page = full.http.get(place).text
            rows += page.partition("<tbody")[2].partition("</tbody>")[0].count("<tr>")
            more = MORE.search(page)
            place = unescape(more[1]) if more else ""
        if rows != int(number.replace(",", "")):
            return False
    return True


@pytest.mark.parametrize("name", ['"a[1]b"', "a?b", "a#b", "a+b", "a%41b", "a&b=c", '"a/b;c"'])
def test_issue15_1_whatever_signs_a_name_has_it_leads_to_its_own_mail(full: Screen, name: str) -> None:
    """What is typed above is that address and no other that it fits as a glob, and so is the name of a hold."""
    with full.service.client() as mail:
        sent = mail.send(
            sender="app@shop.test",
            recipients=[f"{name}@a.full.test", "a1b@a.full.test"],
            message=b"Subject: x\r\n\r\nx\r\n",
            at=datetime.now(UTC) + timedelta(hours=1),
        )
    (one, other) = sent.envelopes.values()
    found = full.http.get("/ui/find", params={"q": f"{name}@a.full.test"}, follow_redirects=True).text
    assert f"/ui/message/{one}" in found
    assert f"/ui/message/{other}" not in found
    with full.service.client() as mail:
        mail.cancel(one)
        mail.cancel(other)


def test_issue15_1_a_message_says_why_it_waits_and_what_was_said(full: Screen) -> None:
    """State, reason, what comes next, each attempt with its reply and its rule; acts for its state."""
    page = full.http.get(f"/ui/message/{full.ids['deferred']}").text
    for words in ("Scheduled: it waits for its time.", "4.3.0", "Local system trouble", "Attempt 1", "What was said"):
        assert words in page
    assert "softbounce explain" in page
    assert f'action="/ui/message/{full.ids["deferred"]}/retry"' in page
    assert f'href="/ui/message/{full.ids["deferred"]}/cancel"' in page
    assert "/resend" in full.http.get(f"/ui/message/{full.ids['bounced']}").text
    assert full.http.get("/ui/message/nothing").status_code == 404


def test_issue15_1_a_sites_page_has_what_its_smarthost_said(full: Screen) -> None:
    """Also of a host that only a route names, and of which its recipients' domains know nothing."""
    page = full.http.get(f"/ui/sites/{THERE}").text
    said = page.partition("Said last")[2]
    assert f"/ui/message/{full.ids['shut']}" in said
    assert "192.0.2.1 is listed" in said
    assert "to hal@shut.test from app@shop.test" in page


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("recipient=bob@*", "deferred"),
        ("sender=app@shop.test&domain=busy.test", "deferred"),
        ("stream=newsletter", "full"),
        ("tag=spring", "deferred"),
        ("meta=order=1042", "deferred"),
        ("state=held&held_for=operator", "held"),
        ("recipient=fay@example.net&state=&tag=", "held"),
    ],
)
def test_issue15_1_a_search_finds_by_what_is_known(full: Screen, asked: str, word: str) -> None:
    """By each filter; a field that was left empty asks nothing."""
    page = full.http.get(f"/ui/search?{asked}").text
    assert f"/ui/message/{full.ids[word]}" in page
    assert page.count('scope="row"') == 1


def test_issue15_1_what_is_typed_leads_to_the_message_or_the_search(full: Screen) -> None:
    """An id, an address, a domain."""
    one = full.ids["held"]
    for text, path in (
        (f" {one} ", f"/ui/message/{one}"),
        ("fay@example.net", "/ui/search?recipient=fay%40example.net"),
        ("Fay <fay@example.net>", "/ui/search?recipient=fay%40example.net"),
        ("mailto:fay%40example.net?subject=x", "/ui/search?recipient=fay%40example.net"),
        ("example.net", "/ui/search?domain=example.net"),
        ("", "/ui/search"),
    ):
        assert full.http.get("/ui/find", params={"q": text}).headers["location"] == path


def test_issue15_1_acts_on_one_envelope(full: Screen) -> None:
    """Released, held, cancelled, sent again: each by a form of the page, told in words, and never without its word."""
    one = full.ids["held"]
    page = f"/ui/message/{one}"
    assert full.http.post(f"{page}/release", data={"x": "1"}).status_code == 403
    assert full.http.post(f"{page}/release", data={"word": "0" * 64}).status_code == 403
    with full.service.client() as mail:
        assert mail.show(one).state == "held"
        assert "It goes on." in full.submit(f"{page}/release", page=page).text
        assert mail.show(one).state == "scheduled"
        assert "It is held." in full.submit(f"{page}/hold", page=page).text
        assert mail.show(one).state == "held"
        again = full.submit(f"/ui/message/{full.ids['cancelled']}/resend")
        assert "It is sent again." in again.text
        assert "Sends again" in again.text
        begun = mail.begin_act("hold", {"id": one}, by="who was killed in it")
    listed = full.http.get("/ui/actions").text
    assert (one in listed, full.ids["cancelled"] in listed) == (True, True), "who did what to it"
    for path in ("/ui/actions", f"/ui/actions/{begun.id}"):
        assert "begun, end not heard" in full.http.get(path).text
    late = full.submit(f"/ui/message/{full.ids['bounced']}/cancel")
    assert "Nothing was changed: it had ended." in late.text
    assert full.http.get(f"{page}/explode").status_code == 400


def test_issue15_2_an_act_by_filter_is_previewed_done_and_undone(full: Screen) -> None:
    """How many, some of them and what becomes of them; then progress, in the list with its owner, and the way back."""
    asked = "/ui/act?action=hold&recipient=eve@*"
    page = full.http.get(asked)
    assert "1 fits now." in page.text
    assert "undoing the action releases it" in page.text
    token = page.text.partition('name="token" value="')[2].partition('"')[0]
    began = full.submit("/ui/act", {"token": token}, page=asked)
    assert began.url.path.startswith("/ui/actions/")
    with full.service.client() as mail:
        until(lambda: mail.show(full.ids["later"]).state == "held", 10, "it is held")
        assert "eve@*" in full.http.get("/ui/actions").text
        assert full.submit(f"{began.url.path}/undo", page=began.url.path).status_code == 200
        until(lambda: mail.show(full.ids["later"]).state == "scheduled", 10, "it goes on")
    assert full.http.get("/ui/act?action=hold").status_code == 400
    assert full.http.get("/ui/act?action=explode&state=held").status_code == 400


def test_issue15_2_another_window_is_chosen_looked_at_and_given(full: Screen) -> None:
    """To one: what it would do first, in words; then it stands on its page, and in the list of acts."""
    one = full.ids["held"]
    page = f"/ui/message/{one}/change"
    form = full.http.get(page).text
    assert "What would that do?" in form
    assert 'method="post" action="/ui/message/' not in form
    looked = full.http.get(page, params={"window": "9d"})
    assert "instead of" in looked.text
    done = full.submit(page, {"window": "9d"}, page=f"{page}?window=9d")
    assert "It goes by that from now on." in done.text
    assert "9d by hand" in done.text
    assert "change" in full.http.get("/ui/actions").text
    assert "none that is published" in full.http.get(page, params={"policy": "fast"}).text
    assert "Choose first what is to be done" in full.http.get("/ui/act?action=change&recipient=eve@*").text
    asked = "/ui/act?action=change&recipient=eve@*&window=9d"
    assert "It gets a window of 9 d" in full.http.get(asked).text
    assert "there are backup" in full.http.get(f"/ui/message/{one}/redirect?route=x").text
    assert full.submit(page, {"window": "-"}, page=f"{page}?window=-").status_code == 200


def test_issue15_2_a_standing_hold_is_begun_and_ended_on_its_page(full: Screen) -> None:
    """Never without the word of the form; what cannot be one is told; each is in the list of acts."""
    page = "/ui/holds"
    assert full.http.post(page, data={"of": "tag", "value": "x"}).status_code == 403
    assert full.http.post(f"{page}/end", data={"hold": "tag:x"}).status_code == 403
    wrong = full.submit(page, {"of": "tag", "value": "x", "for": "soon"}, page=page)
    assert (wrong.status_code, "a duration is a number" in wrong.text) == (400, True)
    value = "<img src=x onerror=alert(1)>"
    added = full.submit(page, {"of": "tag", "value": value, "reason": value, "for": "2h"}, page=page)
    assert "It is held from now on" in added.text
    assert value not in added.text
    assert "&lt;img src=x" in added.text
    ended = full.submit(f"{page}/end", {"hold": f"tag:{value}"}, page=page)
    assert "It is held no more" in ended.text
    assert "No hold stands." in ended.text
    listed = full.http.get("/ui/actions").text
    assert ("add_hold" in listed, "end_hold" in listed) == (True, True)
    offered = full.http.get(page, params={"of": "site", "value": "mx.example"}).text
    assert 'value="mx.example"' in offered


def test_issue15_2_a_form_sends_back_what_it_was_given(full: Screen) -> None:
    """Each of several filters, and in each what cannot be seen: an act is on what was looked at."""
    asked = {"meta": [f"order={EVIL}\u202e", "other=a\u200bb"], "sender": "app@shop.test"}
    page = full.http.get("/ui/search", params=asked).text
    fields = re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', page.partition('action="/ui/act"')[2])
    given = [(name, unescape(value)) for name, value in fields]
    assert given == [("sender", "app@shop.test"), *(("meta", one) for one in asked["meta"])]
    typed = re.findall(r'<input id="f-meta[0-9]*" name="meta" value="([^"]*)"', page)
    assert [unescape(one) for one in typed] == asked["meta"]
    act = full.http.get("/ui/act", params=[("action", "resend"), *given[:2]]).text
    assert "<strong>1 fits now.</strong>" in act


def test_issue15_2_a_double_click_begins_one_act(full: Screen) -> None:
    """The form of a preview that comes twice, as from a person in doubt: both answers lead to the same act."""
    path = "/ui/act?action=hold&recipient=*@full.test"
    page = full.http.get(path).text
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token is not None
    first, second = (full.submit("/ui/act", {"token": token[1]}, page="/ui/suppressed") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.url == second.url
    with full.service.client() as mail:
        until(lambda: mail.show(full.ids["full"]).state == "held", 20, "it is held")
        assert mail.release(full.ids["full"]) == "released"


def test_issue15_1_who_only_reads_is_offered_nothing_and_refused(full: Screen) -> None:
    """With the scope read there are pages, no buttons, and a form that is made up does nothing."""
    text = full.add_token("eyes", "read")
    until(lambda: full.http.get("/ui").status_code == 303, 10, "the token is known")
    try:
        full.http.post("/ui/login", data={"token": text})
        page = full.http.get(f"/ui/message/{full.ids['held']}")
        assert "looks only" in page.text
        assert "/release" not in page.text
        word = WORD.search(page.text)
        assert word is not None
        refused = full.http.post(f"/ui/message/{full.ids['held']}/release", data={"word": word[1]})
        assert refused.status_code == 403
        assert "not for &#39;operate&#39;" in refused.text
    finally:
        full.http.cookies.clear()
        full.revoke("eyes")
        until(lambda: full.http.get("/ui").status_code == 200, 10, "it is open again")


def test_issue15_1_events_are_there_and_come(full: Screen) -> None:
    """The newest first, of one kind where that is asked for; the stream brings rows that are made here, escaped."""
    page = full.http.get("/ui/events?kind=bounced").text
    assert full.ids["bounced"] in page
    assert full.ids["deferred"] not in page
    assert "Earlier" not in page
    stream = page.partition('data-stream="')[2].partition('"')[0].replace("&amp;", "&")
    assert "kind=bounced" in stream
    with full.http.stream("GET", stream) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        with full.service.client() as mail:
            mail.send(sender="app@shop.test", recipients=["late@evil.test"], message=b"From: a@b.test\r\n\r\nHi\r\n")
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        row = next(lines)
    assert "late@evil.test" in row
    assert "&lt;img src=x" in row
    assert Page(row.removeprefix("data: ")).wrong == []
    until(lambda: "late@evil.test" in full.http.get("/ui/events").text, 10, "it is on the page")
    assert full.http.get("/ui/events?before=1").text.count("<tr>") == 1
    assert full.http.get("/ui/events/stream?after=x").status_code == 400


def test_issue15_1_events_since_an_instant_are_those_and_no_others(full: Screen) -> None:
    """As a number on the start page counts them; the way to all others is beside it."""
    with full.service.client() as mail:
        held = next(event for event in mail.events() if event.kind == "held")
        before = [event.id for event in mail.events() if event.kind == "accepted" and event.at < held.at]
    since = round(held.at.timestamp() * 1000)
    page = full.http.get("/ui/events", params={"kind": "accepted", "since": since}).text
    assert len(before) > 5
    assert [one for one in before if f"/ui/message/{one}" in page] == []
    assert f"/ui/message/{full.ids['cancelled']}" in page
    assert 'href="/ui/events?kind=accepted">From the beginning' in page


def test_issue15_1_addresses_are_suppressed_and_taken_off(full: Screen) -> None:
    """Added by a form, listed with who said so and why, found, taken off; what is no address is refused in words."""
    page = "/ui/suppressed"
    added = full.submit(page, {"address": "hal@example.org", "reason": EVIL, "expires": "30d"})
    assert "It gets no more mail." in added.text
    assert "hal@example.org" in added.text
    assert "operator" in added.text
    assert Page(added.text).wrong == []
    assert "hal@example.org" in full.http.get(f"{page}?domain=example.org&source=operator").text
    removed = full.submit(f"{page}/remove", {"address": "hal@example.org"}, page=page)
    assert "It gets mail again." in removed.text
    assert "hal@example.org" not in full.http.get(page).text
    for fields in ({"address": "nobody"}, {"address": "a@b.test", "expires": "soon"}):
        assert full.submit(page, fields).status_code == 400


def test_issue15_1_a_policy_is_drawn_and_a_draft_is_compared(full: Screen) -> None:
    """Each attempt is a dot, the end a line; a draft is checked as a file is, and changes nothing."""
    page = full.http.get("/ui/policies").text
    assert page.count("<svg") == 2
    assert "bounces at 15 min" in page
    assert page.count('<circle class="mark last"') == 2
    drafted = full.http.get("/ui/policies?base=otp&delays=1m,5m&window=1h").text
    assert "a draft of otp" in drafted
    assert "bounces at 1 h" in drafted
    for wrong in ("window=soon", "factor=0", "delays=x", "max_attempts=-1"):
        assert full.http.get(f"/ui/policies?{wrong}").status_code == 400
    assert full.http.get("/ui/policies").text.count("<svg") == 2


def test_issue15_1_bounces_have_reasons_and_what_no_rule_knew(full: Screen) -> None:
    """By reason, with an example; what was judged by its code alone is listed, as `classify --unknown` does."""
    until(lambda: "Quux" in full.http.get("/ui/bounces").text, 70, "the event log was looked through")
    page = full.http.get("/ui/bounces").text
    assert "bad mailbox" in page
    unknown = page.partition("Replies that no rule knew")[2].partition("<h2>Reasons</h2>")[0]
    assert "Quux &lt;img" in unknown
    assert "no such user" not in unknown


def test_issue15_1_health_is_what_the_doctor_says(full: Screen) -> None:
    """Of each machine, since when, and how to mend it; looked at anew at a press of the button, and kept."""
    page = full.http.get("/ui/health").text
    assert '<span class="state fail">1 failed</span>' in page
    assert page.index(f"<h2><bdi>mail-2 {escape(EVIL)}") < page.index("→") < page.index("was warn")
    look_at_health(full)
    page = full.http.get("/ui/health").text
    assert f"<h2><bdi>{host_label()}</bdi></h2>" in page
    assert "disk" in page
    assert "→" in page
    assert "softbounce doctor --last" in page
    with full.service.client() as mail:
        assert {one.machine for one in mail.health()} == {host_label(), f"mail-2 {EVIL}"}
