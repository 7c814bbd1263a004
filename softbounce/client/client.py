# Generated from async_client.py by script/twin.py. Change that one, and run script/docs.
"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from email.message import Message
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from softbounce.client import (
    action_book,
    actions,
    closed_sites,
    event_log,
    explain,
    held_streams,
    lanes,
    previewing,
    probing,
    queue,
    resending,
    shown,
    single_acts,
    standing_holds,
    traffic,
)
from softbounce.client.action_book import ShownAction
from softbounce.client.actions import BounceAnswer, CancelAnswer, ChangeAnswer, HoldAnswer, ReleaseAnswer, RetryAnswer
from softbounce.client.closed_sites import ClosedSite
from softbounce.client.connecting import FOLLOW_SECONDS, TIMEOUT, reachable
from softbounce.client.flow import Flow, run_flow
from softbounce.client.health import MachineHealth, read_health
from softbounce.client.held_streams import HeldStream
from softbounce.client.knowledge import Knowledge
from softbounce.client.lanes import LaneView
from softbounce.client.now import reading as now_reading
from softbounce.client.now import sites as now_sites
from softbounce.client.now.sites import SiteDetail, SiteView
from softbounce.client.now.view import Now
from softbounce.client.previewing import PreviewedAct
from softbounce.client.probing import ProbedLane
from softbounce.client.queue import Page, QueueCounts
from softbounce.client.resending import Resent
from softbounce.client.selection import Filters, select
from softbounce.client.send import accepting
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.client.shown import Shown
from softbounce.client.single_acts import Begun, BegunAct, Noted
from softbounce.client.standing_holds import ShownHold
from softbounce.client.suppressions import changing, listing
from softbounce.client.suppressions.changing import Added
from softbounce.client.suppressions.listing import SuppressionPage
from softbounce.client.suppressions.values import NewSuppression, Suppression
from softbounce.client.terms import Chosen
from softbounce.client.traffic import TrafficPoint
from softbounce.deliver_by import DeliverBy
from softbounce.dsn import DsnOptions
from softbounce.errors import SoftbounceError
from softbounce.events import Event
from softbounce.settings import Settings
from softbounce.store.actions import Action
from softbounce.store.shards import PATIENCE, Shards

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """Hands mail over to a softbounce store, and asks what became of it.

    It connects when it is first used, and reads the published settings; on an empty store the built-in ones count.
    Threads may share one; so may a fork.

    :param url: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://`` or ``redis+sentinel://``: the
        ``[store] url`` of the service.
    :param timeout: seconds for one answer of the store.
    :param patience: seconds for which a store that cannot be reached is tried; a failover takes about three.
    :param way: how the mail comes in that it sends, as `/metrics` counts it: ``python``, ``http``, ``smtp``, ``lmtp``,
        ``command``, ``resend``, ``outbox`` or ``notice``. By SMTP and LMTP its sender gets notices (`[notices]`).
    :raises ConfigError: the URL is none.
    :raises InvalidArgument: there is no such way.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT, patience: float = PATIENCE, way: str = "python") -> None:
        with reachable(url):
            self._store = Shards(url, timeout=timeout, patience=min(patience, timeout))
        self._knowledge = Knowledge(way)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A client that is used again opens new ones."""
        self._store.close()

    def send(  # noqa: PLR0913 - what a send can say; all by name
        self,
        *,
        sender: str,
        recipients: Iterable[str],
        message: Message[Any, Any] | bytes,
        stream: str = "",
        key: str | None = None,
        at: datetime | None = None,
        window: timedelta | None = None,
        warn_after: timedelta | None = None,
        dsn: DsnOptions | None = None,
        require_tls: bool = False,
        tenant: str = "",
        spread: timedelta | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        force: bool = False,
        deliver_by: DeliverBy | None = None,
    ) -> Receipt:
        """Store a message durably, once per key, and return the ids of its envelopes.

        :param sender: the envelope's sender; ``""`` is the null sender.
        :param recipients: 1 to 1,000 addresses; one that is there twice gets one envelope.
        :param message: an ``EmailMessage`` or octets. ``Bcc`` and ``Return-Path`` are removed, ``Date`` and
            ``Message-ID`` are added. Octets leave as they are; so does what a signature covers, as far as parsing kept
            it. One with ``X-Softbounce-*`` fields is refused: the arguments say these.
        :param stream: the app's own class of mail: up to 64 of ``a-z 0-9 _ . -``.
        :param key: the same key with the same content returns the same ids, and stores nothing; made if absent.
        :param at: not before this aware instant; one in the past is now.
        :param window: how long a soft bounce may stay soft, instead of what the policy says.
        :param warn_after: after how long it is told to be late (an event ``warned``), instead of what the policy says.
        :param dsn: what is asked of the reports of mail hosts that offer DSN (RFC 3461); no part of the content.
        :param require_tls: every host on the way has to prove its name, and to promise the same of the next
            (REQUIRETLS, RFC 8689); where none can, it bounces.
        :param tenant: whose mail it is, where you send for many: up to 128 of ``A-Z a-z 0-9 _ . : @ + -``. Absent, the
            sender's domain says so. No part of the content.
        :param spread: the first attempts of its envelopes begin evenly over this time, a year at most, the first at
            once. An envelope is not older for it.
        :param tags: up to 20 words of your own to find it by; no part of the content.
        :param metadata: up to 50 values of your own by name (``A-Z a-z 0-9 _ . -``); strings, 4 KiB in all. Each event
            has both, no mail host sees them; no part of the content.
        :param force: send also to an address that is suppressed because hosts said that it is dead, or because its mail
            failed again and again; not where a person said so, by complaint or by hand.
        :param deliver_by: what a client asked for by ``BY`` of MAIL (RFC 2852): it is passed on to hosts, and bounds no
            time here; ``window`` and ``warn_after`` do.
        :raises InvalidMessage: with ``field`` and ``reason``; nothing was stored. ``InvalidAddress`` is one.
        :raises KeyReused: the key was used for other content; nothing was stored.
        :raises QuotaExceeded: a quota that refuses has no room; nothing was stored.
        :raises StoreUnavailable: nothing was taken. So says ``StoreFull``.
        :raises StoreUncertain: it may have been taken: send again with its ``key``.
        """
        outgoing: Outgoing = {
            "sender": sender,
            "recipients": recipients,
            "message": message,
            "stream": stream,
            "key": key,
            "at": at,
            "window": window,
            "warn_after": warn_after,
            "dsn": dsn,
            "require_tls": require_tls,
            "tenant": tenant,
            "spread": spread,
            "tags": tags,
            "metadata": {} if metadata is None else metadata,
            "force": force,
            "deliver_by": deliver_by,
        }
        return self._run(accepting.send(self._knowledge, outgoing))

    def send_many(self, messages: Iterable[Outgoing]) -> list[Receipt]:
        """Store many messages, each a dict of :meth:`send`'s arguments; receipts in order.

        :raises InvalidMessage: with ``index``: all are checked before one is stored. ``KeyReused`` too.
        :raises QuotaExceeded: with ``index``: a quota that refuses has no room for all of them; nothing was stored.
        :raises StoreUncertain: with ``receipts`` of those known to be taken and ``keys`` to repeat the others with.
        :raises StoreUnavailable: nothing was taken. So says ``StoreFull``.
        """
        return self._run(accepting.send_many(self._knowledge, messages))

    def send_each(self, messages: Iterable[Outgoing]) -> list[Receipt | SoftbounceError]:
        """Store each of these messages that can be stored: for each, in order, its receipt or its error.

        :raises StoreUnavailable: what is known of the store cannot be asked: nothing was taken.
        """
        return self._run(accepting.send_each(self._knowledge, messages))

    def settings(self) -> Settings:
        """The settings that are published in the store, a few seconds old at most; built-in ones where none are."""
        return (self._run(self._knowledge.current())).settings

    def show(self, envelope_id: str) -> Shown:
        """The envelope as it stands. :raises NotFound: there is none (any more)."""
        return self._run(shown.show(self._knowledge, envelope_id))

    def explain(self, envelope_id: str) -> str:
        """In words: why it is where it is, what binds now, what happens next and when.

        :raises NotFound: there is none (any more).
        """
        return self._run(explain.explain(self._knowledge, envelope_id))

    def cancel(self, envelope_id: str) -> CancelAnswer:
        """End an envelope: ``cancelled``, ``cancelling`` (an attempt is under way) or ``too_late``.

        :raises NotFound: there is none (any more).
        """
        return self._run(actions.cancel(self._knowledge, envelope_id))

    def bounce(self, envelope_id: str, *, reason: str = "", by: str = "") -> BounceAnswer:
        """End an envelope as a bounce by hand, cause ``operator``: ``bounced``, ``bouncing`` or ``too_late``.

        :param reason: why, and
        :param by: who wants it so: both are shown, and stand in its event.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.bounce(self._knowledge, envelope_id, reason=reason, by=by))

    def resend(self, envelope_id: str, *, force: bool = False, by: str = "") -> Resent:
        """Send an envelope that bounced or was cancelled again: a new envelope of the same message, linked to it.

        Asked for twice it is sent again once. Nothing was done where the answer is ``already_resent``, ``not_ended``,
        ``delivered``, ``suppressed`` or ``too_often``.

        :param force: also where it was delivered, as far as its message is there, and where its address was concluded
            to be dead.
        :param by: who wants it, as its event says.
        :raises MessageGone: its message is no longer stored.
        :raises NotFound: there is none (any more).
        """
        return self._run(resending.resend(self._knowledge, envelope_id, force=force, by=by))

    def retry(self, envelope_id: str) -> RetryAnswer:
        """Plan the next attempt for now: ``scheduled``; or nothing to do: ``ready``, ``attempting``, ``held``.

        :raises AlreadyEnded: :meth:`resend` may send it again.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.retry(self._knowledge, envelope_id))

    def hold(self, envelope_id: str) -> HoldAnswer:
        """Try it no more until it is released: ``held``, or ``holding`` while an attempt is under way.

        :raises AlreadyEnded: :meth:`resend` may send it again.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.hold(self._knowledge, envelope_id))

    def change(
        self, envelope_id: str, *, policy: str | None = None, window: timedelta | str | None = None
    ) -> ChangeAnswer:
        """Give it a policy or a window by hand: ``changed``, ``changing`` (it is being tried) or ``unchanged``.

        It outranks what the configuration says, and the send's own window. Where its window is over by it, it bounces.

        :param policy: the name of one that is published; ``"-"``: as the configuration assigns.
        :param window: from when it was accepted; ``"-"``: none by hand.
        :raises AlreadyEnded: :meth:`resend` may send it again.
        :raises InvalidArgument: there is no such policy; it names those that there are.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.change(self._knowledge, envelope_id, {"policy": policy, "window": window}))

    def redirect(self, envelope_id: str, *, route: str) -> ChangeAnswer:
        """Send an envelope by a route from now on, whatever the conditions of routes say: answers as :meth:`change`.

        :param route: its ``name``, of those that are published; ``"-"``: as the routes say.
        :raises AlreadyEnded: :meth:`resend` may send it again.
        :raises InvalidArgument: there is no such route; it names those that there are.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.change(self._knowledge, envelope_id, {"route": route}, act="redirect"))

    def preview_one(
        self,
        act: str,
        envelope_id: str,
        *,
        policy: str | None = None,
        window: timedelta | str | None = None,
        route: str | None = None,
    ) -> str:
        """What a ``change`` or a ``redirect`` would do to an envelope, in words. Nothing is changed.

        :raises InvalidArgument: there is no such policy or route.
        :raises NotFound: there is none (any more).
        """
        chosen: Chosen = {"policy": policy, "window": window, "route": route}
        return self._run(previewing.preview_one(self._knowledge, act, envelope_id, chosen))

    def release(self, envelope_id: str, *, past_gate: bool = False) -> ReleaseAnswer:
        """Lift a hold: ``released``; ``not_held``, ``stream_held``, ``hold_stands`` or ``gated``: nothing was changed.

        ``stream_held``: its whole stream is. ``hold_stands``: it met a standing hold. ``gated``: the staging gate keeps
        mail from its recipient.

        :param past_gate: let it past that gate: its recipient gets this message.
        :raises AlreadyEnded: :meth:`resend` may send it again.
        :raises NotFound: there is none (any more).
        """
        return self._run(actions.release(self._knowledge, envelope_id, past_gate=past_gate))

    def events(self, after: str | None = None, *, follow: bool = False) -> Iterator[Event]:
        """The event log from behind a cursor, or from its beginning; ends with what is there now.

        After a failover of the store up to a minute of events may come again.

        :param after: the ``cursor`` of the event that was read last.
        :param follow: do not end, but wait for more.
        :raises EventsLost: events behind the cursor were trimmed; ``resume_after`` says where to go on.
        :raises InvalidArgument: ``after`` is no cursor.
        """
        cursor = event_log.read_cursor(after)
        while True:
            events, cursor, has_more = self._run(event_log.read_events(self._knowledge, cursor))
            yield from events
            if has_more:
                continue
            if not follow:
                return
            time.sleep(FOLLOW_SECONDS)

    def queue(self, **filters: Unpack[Filters]) -> QueueCounts:
        """How many envelopes there are, by state, lane and stream. A walk over all that is kept.

        :param filters: which, see :class:`Filters`. Where only held ones are asked for, it counts by why they are too.
        :raises InvalidArgument: there is no such state, or no such reason to be held.
        """
        return self._run(queue.count_queue(self._knowledge, select(**filters)))

    def held_streams(self, *, stream: str | None = None) -> list[HeldStream]:
        """The streams that a brake holds as a whole, and why; ``act_on_matching("release", stream=...)`` ends that.

        :param stream: only these: a name or a glob.
        """
        return self._run(held_streams.read_held_streams(stream))

    def holds(self) -> list[ShownHold]:
        """The holds that stand: they meet what comes later, too. Those of streams by a brake are not among them."""
        return self._run(standing_holds.list_holds())

    def add_hold(
        self, of: str, value: str, *, reason: str = "", until: datetime | timedelta | None = None, by: str = ""
    ) -> ShownHold:
        """Hold all mail of something from now on, what comes later included; where it is held, replace reason and end.

        :param of: ``site``, ``domain`` (of the recipient), ``sender``, ``stream``, ``tenant`` or ``tag``.
        :param value: its name. A sender is an address, or the domain of all of them. Where a ``*`` or ``?`` is of the
            name itself, it stands in brackets, as ``glob.escape`` puts it.
        :param until: when it ends by itself, or after how long; ``None``: when somebody ends it.
        :raises InvalidArgument: there can be no such hold; naming what.
        :raises StoreUnavailable: too many stand.
        """
        return self._run(standing_holds.add_hold(self._knowledge, of, value, reason=reason, until=until, by=by))

    def end_hold(self, hold: str) -> ShownHold:
        """End one: what it held goes on, within moments.

        :param hold: its name: ``site:google.com``.
        :raises NotFound: no such hold stands.
        """
        return self._run(standing_holds.end(self._knowledge, hold))

    def health(self) -> list[MachineHealth]:
        """What the last look of each machine found at what mail depends on, and since when that is so."""
        return self._run(read_health())

    def lanes(self, *, site: str | None = None) -> list[LaneView]:
        """The lanes that have mail now: state, owner, limits in force. A walk over all that is kept.

        :param site: only these sites: a name or a glob.
        """
        return self._run(lanes.read_lanes(self._knowledge, site))

    def probe(self, site: str, *, dry_run: bool = False, by: str = "") -> list[ProbedLane]:
        """Have what is closed at a site asked now: one envelope goes ahead, and its outcome decides as ever.

        :param site: its name, or that of a domain whose mail goes there.
        :param dry_run: nothing is said; only what is closed there.
        :param by: who wants it: it is written into the log of actions then.
        :raises NotFound: nothing is known of it.
        """
        return self._run(probing.probe(self._knowledge, site, dry_run=dry_run, by=by))

    def closed_sites(self, *, site: str | None = None) -> list[ClosedSite]:
        """What is closed now, so that mail there waits, whatever is retried. The same cost whatever waits.

        :param site: only there: its name, or that of a domain whose mail goes there.
        """
        return self._run(closed_sites.closed_for(self._knowledge, site))

    def traffic(self, *, minutes: int = 60, step: int = 1) -> list[TrafficPoint]:
        """How much mail went in and out, the oldest first: a point for each step of time, and one until now.

        The scheduler notes it once a minute and keeps it for a day; it is cheap to ask for.

        :param minutes: 1,440 at most, a day.
        :param step: minutes in a point; 60 at most.
        :raises InvalidArgument: they are out of these bounds.
        """
        return self._run(traffic.read_traffic(self._knowledge, minutes, step))

    def now(self) -> Now:
        """Does mail flow, how much is where, and what is wrong, the worst first. The same cost whatever waits."""
        return self._run(now_reading.read_now(self._knowledge))

    def sites(self, *, limit: int = 100) -> tuple[list[SiteView], int]:
        """Sites that are known now, those in trouble first, and how many more there are. The same cost as :meth:`now`.

        :param limit: so many at most.
        """
        return self._run(now_sites.read_site_list(self._knowledge, limit))

    def site(self, name: str) -> SiteDetail:
        """One site, by its name or by that of a domain whose mail goes there: its state, why, and what was said last.

        :raises NotFound: nothing was seen of it: no trouble, no worker, and no mail among what was looked at.
        """
        return self._run(now_sites.read_site(self._knowledge, name))

    def page(self, *, after: str | None = None, limit: int = 100, **filters: Unpack[Filters]) -> Page:
        """At most *limit* of the envelopes that fit, in no order; ``next`` of the page asks for the page behind it.

        :param filters: which, see :class:`Filters`.
        :raises InvalidArgument: there is no such state, or ``after`` is no page's ``next``.
        """
        return self._run(queue.read_page(self._knowledge, select(**filters), after, limit))

    def act_on_matching(  # noqa: PLR0913 - what an act may be told; all by name
        self,
        act: str,
        *,
        dry_run: bool = False,
        reason: str = "",
        by: str = "",
        force: bool = False,
        spread: timedelta | None = None,
        policy: str | None = None,
        window: timedelta | str | None = None,
        route: str | None = None,
        told: Callable[[Mapping[str, int]], object] | None = None,
        **filters: Unpack[Filters],
    ) -> dict[str, int]:
        """Do to all that fit now what the method of that name does to one, and wait for it.

        Acts are ``cancel``, ``bounce``, ``retry``, ``hold``, ``release``, ``resend``, ``change`` and ``redirect``.

        The answer says how many got which answer. Mail that is accepted afterwards is not touched. A release by nothing
        but a stream, or of what is held for the ``brake``, lifts the holds of whole streams too, and answers
        ``streams_released`` for these. A resend reaches what bounced or was cancelled and was not sent again yet.

        :param dry_run: change nothing; the only answer is ``matched``.
        :param reason: of a bounce, in words.
        :param by: who wants it: it is written into the log of actions then, and a hold can be undone.
        :param force: of a resend: also to addresses that were concluded to be dead; with ``state="delivered"`` what was
            delivered, as far as its message is there.
        :param spread: of a resend: first attempts begin over this time, a week at most. None is older for it.
        :param policy: of a change, as :meth:`change` has it, and
        :param window: the same. What is older than that ends at once.
        :param route: of a redirect, as :meth:`redirect` has it.
        :param told: called with the answers so far, again and again.
        :param filters: which, see :class:`Filters`.
        :raises InvalidArgument: there is no such act or state, or it is told what it does not know.
        """
        flow = action_book.act_on_matching(
            self._knowledge,
            act,
            filters,
            dry_run=dry_run,
            reason=reason,
            by=by,
            force=force,
            spread=spread,
            chosen={"policy": policy, "window": window, "route": route},
            told=told,
        )
        return self._run(flow)

    def suppressions(
        self,
        *,
        address: str | None = None,
        domain: str | None = None,
        stream: str | None = None,
        source: str | None = None,
    ) -> Iterator[Suppression]:
        """The addresses and domains that get no mail, and why, in no order; one may come twice while they change.

        :param address: only those of this address, or of ``@example.com``, itself a domain: one look-up.
        :param domain: only those of addresses in these domains: a name or a glob.
        :param stream: only those for one stream: a name or a glob.
        :param source: only these: ``verdict``, ``complaint``, ``streak``, ``operator`` or ``import``.
        :raises InvalidArgument: there is no such source, or the address is none.
        """
        which = listing.wanted(address=address, domain=domain, stream=stream, source=source)
        after: str | None = None
        while True:
            page = self._run(listing.read_suppressions(self._knowledge, which, after, listing.STEP))
            yield from page.suppressions
            after = page.next
            if after is None:
                return

    def suppression_page(  # noqa: PLR0913 - four filters and the page, all by name
        self,
        *,
        address: str | None = None,
        domain: str | None = None,
        stream: str | None = None,
        source: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> SuppressionPage:
        """At most *limit* of them; ``next`` of the page asks for the page behind it.

        :raises InvalidArgument: as :meth:`suppressions`; or ``after`` is no page's ``next``.
        """
        which = listing.wanted(address=address, domain=domain, stream=stream, source=source)
        return self._run(listing.read_suppressions(self._knowledge, which, after, limit))

    def suppress(
        self,
        address: str,
        *,
        stream: str | None = None,
        tenant: str | None = None,
        reason: str = "",
        expires: datetime | timedelta | None = None,
    ) -> Added:
        """Send an address, or with ``@example.com`` a whole domain, no more mail. What waits ends when its turn comes.

        :param stream: only mail of this stream is stopped; ``""``: that without one; ``None``: all.
        :param tenant: only mail of this tenant.
        :param expires: when that ends, or after how long; ``None``: when it is taken off.
        :raises InvalidAddress: it is none.
        :raises InvalidArgument: something else is not what it should be.
        :raises StoreFull: there are as many suppressions as the settings allow, or the store's memory is full.
        """
        new = NewSuppression(address=address, stream=stream, tenant=tenant, reason=reason, expires=expires)
        return self.suppress_many([new])

    def suppress_many(self, suppressions: Iterable[NewSuppression]) -> Added:
        """Add many, a thousand at a time, checked all first. Repeated it changes nothing.

        :raises InvalidAddress: one is none; nothing was added. ``InvalidArgument`` too.
        :raises StoreFull: as :meth:`suppress`; some may have been added.
        """
        new = [changing.check(one) for one in suppressions]
        added = replaced = 0
        for start in range(0, len(new), changing.MOST_AT_ONCE):
            some = new[start : start + changing.MOST_AT_ONCE]
            done = self._run(changing.add_suppressions(self._knowledge, some))
            added, replaced = added + done.added, replaced + done.replaced
        return Added(added, replaced)

    def unsuppress(self, address: str, *, stream: str | None = None, tenant: str | None = None) -> int:
        """Take an address, or ``@example.com``, off; how many suppressions that were. What was before is forgotten.

        :param stream: only what is said of this stream; ``None``: all that is said of it.
        :param tenant: only what is said of this tenant's mail.
        :raises InvalidAddress: it is none.
        """
        flow = changing.remove_suppressions(self._knowledge, [address], stream=stream, tenant=tenant)
        return self._run(flow)

    def begin_action(  # noqa: PLR0913 - what an act may be told; all by name
        self,
        act: str,
        *,
        reason: str = "",
        by: str = "",
        force: bool = False,
        grace: timedelta | None = None,
        spread: timedelta | None = None,
        policy: str | None = None,
        window: timedelta | str | None = None,
        route: str | None = None,
        **filters: Unpack[Filters],
    ) -> ShownAction:
        """The same as :meth:`act_on_matching`, but carried out by the service, also when this program ends.

        A ``cancel`` or ``bounce`` holds what fits at once, and ends it when its grace period is over; until then
        :meth:`undo_action` takes it back wholly. So does a ``change`` with what ends by it.

        :param grace: that period, a day at most; five seconds where it is not given.
        :param spread: as :meth:`act_on_matching`.
        :raises InvalidArgument: as :meth:`act_on_matching`.
        :raises StoreUnavailable: 50 actions are under way.
        """
        action = action_book.new_action(
            act,
            filters,
            by=by,
            reason=reason,
            force=force,
            grace=grace,
            spread=spread,
            chosen={"policy": policy, "window": window, "route": route},
        )
        return self.begin(action)

    def begin(self, action: Action) -> ShownAction:
        """The same with an action that was checked before; twice the same one is begun once."""
        return self._run(action_book.begin(self._knowledge, action))

    def preview(self, action: Action, *, sample: int = 10) -> PreviewedAct:
        """What such an action would do, and to how many. Nothing is changed.

        :param sample: so many of them are shown at most.
        :raises InvalidArgument: there is no such policy or route.
        """
        return self._run(previewing.preview_act(self._knowledge, action, sample))

    def action(self, action_id: str) -> ShownAction:
        """How far an action is. :raises NotFound: there is none (any more)."""
        return self._run(action_book.find(action_id))

    def actions(self, *, limit: int = 100) -> list[ShownAction]:
        """The actions: those under way, then those that are over, the latest first; a thousand of these are kept.

        So are the last thousand acts of people on one envelope, address or site, which stand among them.
        """
        return self._run(action_book.list_actions(limit))

    def note_act(self, act: str, of: Mapping[str, str], **noted: Unpack[Noted]) -> None:
        """Write down that somebody did something to one thing, so that :meth:`actions` has it. Nothing is done by it.

        The command line, HTTP and the screen do so; where your own program acts for a person, so can it.

        :param act: what was done, such as ``cancel``.
        :param of: to what, such as ``{"id": ...}`` or ``{"address": ...}``.
        :param noted: ``by``, who did it; ``answers``, what came of it, and how often, such as ``{"cancelled": 1}``;
            ``reason``, ``force`` and ``detail`` where there are any.
        :raises InvalidArgument: something of it is too long, or not to be printed.
        """
        self._run(single_acts.note_act(act, of, **noted))

    def begin_act(self, act: str, of: Mapping[str, str], **begun: Unpack[Begun]) -> BegunAct:
        """The same ahead of the act, so that who dies in it leaves behind that it began. :meth:`end_act` ends it.

        Until then :meth:`actions` shows it as ``begun``.

        :param begun: as of :meth:`note_act`, without ``answers``.
        :raises InvalidArgument: something of it is too long, or not to be printed.
        """
        return self._run(single_acts.begin_act(act, of, **begun))

    def end_act(self, begun: BegunAct, answers: Mapping[str, int] | None) -> None:
        """Write down what came of an act that began.

        :param answers: what, and how often; ``None``: nothing was done, and it leaves the list.
        :raises InvalidArgument: something of it is too long, or not to be printed.
        """
        self._run(single_acts.end_act(begun, answers))

    def undo_action(self, action_id: str) -> ShownAction:
        """Take an action back, or stop it: what it holds goes on, and it ends nothing more.

        :raises CannotUndo: nothing of it can be taken back.
        :raises NotFound: there is none (any more).
        """
        return self._run(action_book.undo(action_id))

    def _run(self, flow: Flow[T]) -> T:
        return run_flow(flow, self._store)
