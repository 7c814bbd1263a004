"""Who acts on one thing is written down before it is done: whoever dies in it leaves behind that it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mailbag import Mailbag, open_bag
from servers import Valkey
from softbounce_config import Config
from softbounce_gateway.cli.app import app
from softbounce_gateway.http.admission import Admission, Tokens
from softbounce_gateway.http.body import Bodies
from softbounce_gateway.http.envelopes import act_on, change
from softbounce_gateway.http.holds import end_hold
from softbounce_gateway.http.house import House
from softbounce_gateway.http.suppressions import unsuppress
from softbounce_gateway.metrics.reading import Metrics
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.together import Together
from typer.testing import CliRunner

from softbounce import Client, InvalidArgument, ShownAction
from softbounce.store.async_shards import AsyncShards
from softbounce.store.call import Operation
from softbounce.store.held_streams import StreamHold, hold_stream, read_holds
from softbounce.store.shards import Shards
from softbounce.store.tokens import add_token, new_token, revoke_token

MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"
WHO, GONE, HELD = "ann", "gone@example.net", "domain:example.net"
Of: TypeAlias = dict[str, str]


@pytest.fixture
def bag(store_server: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbag]:
    """A store, which the command line finds; its books are audited afterwards."""
    monkeypatch.setenv("SOFTBOUNCE__STORE__URL", store_server.url)
    with open_bag(store_server.url) as bag:
        yield bag
        bag.audit()


class KilledError(BaseException):
    """The process is no more."""


class Mortal:
    """A process whose calls of the store are counted, and that ends behind one of them, before it hears the answer.

    :param last: which.
    """

    def __init__(self, patch: pytest.MonkeyPatch, last: int) -> None:
        self.is_alive = True
        self._left = last
        run, run_async = Shards.run, AsyncShards.run

        def mortal(store: Shards, operation: Operation[Any]) -> Any:  # noqa: ANN401 - whatever it answers
            self._before()
            return self._behind(run(store, operation))

        async def mortal_async(store: AsyncShards, operation: Operation[Any]) -> Any:  # noqa: ANN401
            self._before()
            return self._behind(await run_async(store, operation))

        patch.setattr(Shards, "run", mortal)
        patch.setattr(AsyncShards, "run", mortal_async)

    def _before(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._die()

    def _behind(self, answer: Any) -> Any:  # noqa: ANN401
        if self._left == 0:
            self._die()
        return answer

    def _die(self) -> None:
        self.is_alive = False
        raise KilledError


def at_prompt(*words: str) -> Callable[[str, Of], object]:
    """A command line, with what it is done to behind it."""

    def act(_: str, of: Of) -> object:
        return CliRunner().invoke(app, [*words, *of.values()], catch_exceptions=False)

    return act


def by_http(act: Callable[[House, str], Awaitable[object]]) -> Callable[[str, Of], object]:
    """What a call of HTTP, or a page, does, in a gateway of its own."""

    async def run(url: str, of: Of) -> None:
        store, together = AsyncShards(url), Together(url, patience=5, way="http")
        house = House(
            together=together,
            client=together.client,
            store=store,
            admission=Admission(Tokens(store), "127.0.0.1:1"),
            bodies=Bodies(Budget(1)),
            config=Config(),
            max_octets=1,
            metrics=Metrics(store, frozenset(), frozenset(), has_health=False),
        )
        try:
            await act(house, next(iter(of.values())))
        finally:
            await together.close()
            await store.close()

    return lambda url, of: asyncio.run(run(url, of))


def envelope(mail: Client) -> Of:
    """One that is new."""
    receipt = mail.send(sender="app@example.com", recipients=["a@example.net"], message=MESSAGE)
    return {"id": receipt.envelopes["a@example.net"]}


def suppressed(mail: Client) -> Of:
    """An address that is."""
    mail.suppress(GONE, reason="before")
    return {"address": GONE}


def not_suppressed(mail: Client) -> Of:
    """An address that is not."""
    mail.unsuppress(GONE)
    return {"address": GONE}


def standing(mail: Client) -> Of:
    """A hold that stands."""
    mail.add_hold("domain", "example.net", by="before")
    return {"held": HELD}


def not_standing(mail: Client) -> Of:
    """A hold that does not."""
    for one in mail.holds():
        mail.end_hold(one.hold)
    return {"held": HELD}


def seen(mail: Client, of: Of) -> object:
    """What an act may change of that."""
    if "id" in of:
        shown = mail.show(of["id"])
        return shown.state, shown.set_window
    if "address" in of:
        return [one.reason for one in mail.suppressions(address=GONE)]
    return [one.hold for one in mail.holds()]


ACTS: dict[str, tuple[Callable[[Client], Of], Callable[[str, Of], object]]] = {
    "hold at the prompt": (envelope, at_prompt("hold")),
    "suppress at the prompt": (not_suppressed, at_prompt("suppress", "add")),
    "a standing hold at the prompt": (
        not_standing,
        lambda _url, _of: CliRunner().invoke(app, ["holds", "add", "--domain", "example.net"], catch_exceptions=False),
    ),
    "cancel by HTTP": (envelope, by_http(lambda house, one: act_on(house, "cancel", one, by=WHO))),
    "unsuppress by HTTP": (
        suppressed,
        by_http(lambda house, one: unsuppress(house, [one], by=WHO, stream=None, tenant=None)),
    ),
    "its end by HTTP": (standing, by_http(lambda house, one: end_hold(house, one, by=WHO))),
}
MOST_CALLS = 30
NO_HOLD = StreamHold()
HOLD = StreamHold(held_ms=1, reason="hard_bounces", why="too many were refused", refused=5, of=9)
RECEIVER = """
[[webhook]]
name = "ops"
url = "https://app.test/hook"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""


@pytest.mark.parametrize("name", ACTS)
def test_issue14_who_dies_in_an_act_on_one_thing_leaves_behind_that_it_began(
    mail: Client, bag: Mailbag, name: str
) -> None:
    """Behind whichever call of the store: what was changed stands in the list, and as done only where it was."""
    ready, act = ACTS[name]
    states: list[str] = []
    for last in range(1, MOST_CALLS):
        of = ready(mail)
        before, known = seen(mail, of), {one.id for one in mail.actions()}
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, last)
            try:
                act(bag.store.url, of)
            except KilledError:
                assert not mortal.is_alive
        found = [one for one in mail.actions() if one.id not in known]
        is_changed = seen(mail, of) != before
        assert len(found) <= 1
        if is_changed:
            assert found, f"killed at call {last}, it was done, and nobody knows by whom"
        for one in found:
            assert (one.filter, bool(one.by), one.can_undo) == (of, True, False)
            assert one.state in ({"begun", "done"} if is_changed else {"begun"})
            assert (one.ended_at is None, not one.answers) == (one.state == "begun",) * 2
            states.append(one.state)
        if mortal.is_alive:
            break
    assert "begun" in states, "it died in none"
    assert states[-1] == "done"


@pytest.mark.parametrize(
    ("words", "act", "of", "answers", "detail"),
    [
        (
            "token new --name app --sender *@b.test",
            "token new",
            {"token": "app"},
            {"made": 1},
            "send; senders: *@b.test",
        ),
        ("token revoke old", "token revoke", {"token": "old"}, {"revoked": 1}, ""),
        ("webhooks replay ops --after 2h", "webhook replay", {"webhook": "ops"}, {"ordered": 1}, "after 2h"),
        ("webhooks replay ops --dead", "webhook replay", {"webhook": "ops"}, {"ordered": 1}, "what was given up"),
        ("webhooks disable ops", "webhook disable", {"webhook": "ops"}, {"ordered": 1}, ""),
        ("webhooks enable ops", "webhook enable", {"webhook": "ops"}, {"ordered": 1}, ""),
        ("clock --believe", "clock believe", {"clock": "shard 0"}, {"believed": 1}, "and is believed"),
        ("release --stream otp", "release", {"stream": "otp"}, {"streams_released": 1}, ""),
    ],
    ids=["token-new", "token-revoke", "replay", "replay-dead", "disable", "enable", "clock", "release-stream"],
)
def test_issue14_what_is_done_to_the_service_itself_is_listed_too(
    mail: Client, bag: Mailbag, tmp_path: Path, *, words: str, act: str, of: Of, answers: dict[str, int], detail: str
) -> None:
    """Who did it, to what, and what came of it; who is killed in it leaves behind that it began."""
    (tmp_path / "softbounce.toml").write_text(RECEIVER)
    command = ["--config", str(tmp_path / "softbounce.toml"), *words.split()]
    dies = act in {"release", "clock believe"}  # these are acts on mail: others are written down in the same way
    for last in range(1 if dies else MOST_CALLS - 1, MOST_CALLS):
        for operation in (
            revoke_token("app"),
            revoke_token("old"),
            add_token(new_token("old", [], [], datetime.now(UTC))[1]),
            hold_stream("otp", HOLD, over=bag.store.run(read_holds()).get("otp", NO_HOLD), keep_events=100),
        ):
            bag.store.run(operation)
        known = {one.id for one in mail.actions()}
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, last)
            try:
                CliRunner().invoke(app, command, catch_exceptions=False)
            except KilledError:
                assert not mortal.is_alive
        found = [one for one in mail.actions() if one.id not in known]
        if mortal.is_alive:
            break
        assert len(found) <= 1
        assert all(one.state in {"begun", "done"} for one in found)
    (one,) = found
    assert (one.state, one.action, one.filter, one.answers) == ("done", act, of, answers)
    assert (detail in one.detail, bool(one.by), one.can_undo) == (True, True, False)
    assert next(iter(of.values())) in CliRunner().invoke(app, ["actions", one.id]).stdout
    assert dies is any(one.state == "begun" for one in mail.actions())


def test_issue14_an_act_that_began_and_did_nothing_is_not_listed(mail: Client, bag: Mailbag) -> None:
    """What was refused, or found nothing; what was done before that stands."""
    assert CliRunner().invoke(app, ["suppress", "remove", GONE]).exit_code == 1
    assert CliRunner().invoke(app, ["holds", "release", "domain:a.test"]).exit_code == 1
    with pytest.raises(InvalidArgument):
        by_http(lambda house, one: change(house, one, by=WHO, policy="none\nsuch", window=None))(
            bag.store.url, envelope(mail)
        )
    assert mail.actions() == []
    both = by_http(lambda house, one: unsuppress(house, [one, "no address"], by=WHO, stream=None, tenant=None))
    with pytest.raises(InvalidArgument):
        both(bag.store.url, suppressed(mail))
    (left,) = mail.actions()
    assert (left.action, left.answers, left.filter["address"]) == ("unsuppress", {"removed": 1}, f"{GONE} and 1 more")


def test_issue14_an_act_whose_end_was_not_heard_says_so(mail: Client, bag: Mailbag) -> None:
    """At the prompt; its end, heard later, replaces it, and is there once."""
    begun = mail.begin_act("cancel", {"id": "x"}, by=WHO, reason="why")

    def one() -> ShownAction:
        (found,) = mail.actions()
        assert mail.action(begun.id) == found
        return found

    assert (one().state, one().reason, one().ended_at) == ("begun", "why", None)
    for words in (["actions"], ["actions", begun.id]):
        assert "begun, end not heard" in " ".join(CliRunner().invoke(app, words).stdout.split())
    for _ in range(2):
        mail.end_act(begun, {"cancelled": 1})
        assert (one().state, one().answers, one().asked_at) == ("done", {"cancelled": 1}, one().asked_at)
    for wrong in ({"x" * 65: 1}, {str(number): 1 for number in range(9)}):
        with pytest.raises(InvalidArgument):
            mail.end_act(begun, wrong)
    assert bag.raw.llen(bag.key("acted_one")) == 2, "the beginning is gone, the end was written down twice"
    mail.end_act(mail.begin_act("hold", {"id": "y"}, by=WHO), None)
    assert one().action == "cancel"


def test_issue14_an_act_by_filter_that_its_caller_carries_out_is_begun_until_its_end(
    mail: Client, bag: Mailbag
) -> None:
    """Who dies in it leaves that behind, too; then its end stands in its place."""
    of = envelope(mail)
    with pytest.MonkeyPatch.context() as patch:
        mortal = Mortal(patch, 4)
        with pytest.raises(KilledError):
            mail.act_on_matching("hold", domain="example.net", by=WHO)
        assert not mortal.is_alive
    (left,) = mail.actions()
    assert (left.state, left.filter, left.by, left.ended_at) == ("begun", {"domain": "example.net"}, WHO, None)
    mail.release(of["id"])
    mail.act_on_matching("hold", domain="example.net", by=WHO)
    assert sorted(one.state for one in mail.actions()) == ["begun", "done"]
    assert bag.raw.llen(bag.key("acted")) == 2
