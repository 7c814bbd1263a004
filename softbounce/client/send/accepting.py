"""Sending: what was checked goes to the store in batches; each answer becomes a receipt or an error.

Nothing is ever sent twice by itself: an answer that was lost is ``StoreUncertain`` with the key to repeat, because
only the caller knows whether it still wants the mail out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.send.arguments import DIGEST_OCTETS, Checked, Outgoing, check
from softbounce.client.send.copying import keep_copies
from softbounce.client.send.gating import hold_gated
from softbounce.client.send.packing import message_id, new_message, receipt, shard_of_key
from softbounce.client.send.putting_off import Limits, Turn, limits_of, over_quota, turns
from softbounce.client.send.receipt import Receipt
from softbounce.client.send.suppressing import Accepted, end_suppressed
from softbounce.errors import (
    InvalidMessage,
    KeyReused,
    QuotaExceeded,
    SchemaMismatch,
    SoftbounceError,
    StoreError,
    StoreUnavailable,
    StoreUncertain,
)
from softbounce.ids import parse_id, parse_message_id, shard_of
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.accepting import NewMessage, accept, read_accept, read_over
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.quotas import Refusal, Reservation, reserve, unreserve
from softbounce.store.suppressions import LookUp
from softbounce.suppression import names_for

__all__ = ["send", "send_each", "send_many"]

TURNS = 3
BATCH_MESSAGES = 100
BATCH_OCTETS = 8 * 1024 * 1024
ID_OCTETS, COUNT_OCTETS = 14, 2
LASTING_AT = ID_OCTETS + DIGEST_OCTETS + COUNT_OCTETS
Outcome = Receipt | SoftbounceError


@dataclass(slots=True)
class Sending:
    """One of the messages of a send.

    :ivar turn: its place among those that are spread together.
    :ivar message: the id under which something was taken from quotas for it.
    """

    checked: Checked
    turn: Turn | None = None
    message: bytes | None = None

    def packed(self, shards: int, settings: Settings, way: str) -> NewMessage:
        """As it is stored."""
        return new_message(
            self.checked, shards=shards, settings=settings, turn=self.turn, message=self.message, way=way
        )


def send(knowledge: Knowledge, outgoing: Outgoing) -> Flow[Receipt]:
    """Store one message.

    :raises InvalidMessage: nothing was stored.
    :raises KeyReused: nothing was stored.
    :raises QuotaExceeded: nothing was stored.
    :raises StoreError: ``StoreUncertain`` carries the key.
    """
    known = yield from knowledge.current()
    checked = check(outgoing, max_octets=known.settings.max_message_octets)
    (outcome,) = yield from _accept(knowledge, [Sending(checked)])
    if isinstance(outcome, SoftbounceError):
        raise outcome
    return outcome


def send_many(knowledge: Knowledge, messages: Iterable[Outgoing]) -> Flow[list[Receipt]]:
    """Store many messages, checked all before the first is stored; receipts in order.

    :raises InvalidMessage: with ``index``; nothing was stored.
    :raises KeyReused: with ``index``; nothing was stored, unless another caller used the key just now.
    :raises QuotaExceeded: with ``index``; nothing was stored.
    :raises StoreUncertain: some may have been taken; it carries the receipts known so far and the keys of the others.
    :raises StoreError: nothing was taken.
    """
    known = yield from knowledge.current()
    checked = _check_all(messages, known)
    yield from _check_keys(checked, known)
    sendings = [Sending(one, turn) for one, turn in zip(checked, turns(checked), strict=True)]
    yield from _reserve(sendings, known)
    outcomes: list[Outcome] = []
    for batch in _batches(sendings):
        outcomes += yield from _accept(knowledge, batch)
        if not all(isinstance(outcome, Receipt) for outcome in outcomes[-len(batch) :]):
            break
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    if len(receipts) == len(checked):
        return receipts
    raise _failure(checked, outcomes)


def send_each(knowledge: Knowledge, messages: Iterable[Outgoing]) -> Flow[list[Receipt | SoftbounceError]]:
    """Store each message that can be stored: for each, in order, its receipt or its error."""
    known = yield from knowledge.current()
    outcomes: dict[int, Outcome] = {}
    checked: dict[int, Checked] = {}
    for index, outgoing in enumerate(messages):
        try:
            checked[index] = check(outgoing, max_octets=known.settings.max_message_octets)
        except InvalidMessage as error:
            outcomes[index] = error
        except Exception as error:  # noqa: BLE001 - a fault of ours at one message is not the others'
            fault = SoftbounceError(f"a fault of ours: {type(error).__name__}")
            fault.__cause__ = error
            outcomes[index] = fault
    stored: list[Outcome] = []
    fit = list(checked.values())
    sendings = [Sending(one, turn) for one, turn in zip(fit, turns(fit), strict=True)]
    for batch in _batches(sendings):
        stored += yield from _accept(knowledge, batch)
    outcomes.update(zip(checked, stored, strict=True))
    return [outcomes[index] for index in sorted(outcomes)]


def _check_all(messages: Iterable[Outgoing], known: KnownStore) -> list[Checked]:
    checked: list[Checked] = []
    by_key: dict[str, Checked] = {}
    for index, outgoing in enumerate(messages):
        try:
            one = check(outgoing, max_octets=known.settings.max_message_octets)
        except InvalidMessage as error:
            raise type(error)(error.field, error.reason, index=index) from None
        if not by_key.setdefault(one.key, one).is_same(one.digest):
            raise KeyReused(one.key, index=index)
        checked.append(one)
    return checked


def _check_keys(checked: Sequence[Checked], known: KnownStore) -> Flow[None]:
    """Look whether a key was used before for other content, so that such a mistake stores nothing."""
    indexes = [index for index, one in enumerate(checked) if not one.is_key_made]
    if not indexes:
        return
    calls = [
        Call.read(shard, b"HGET", keys.key(shard, "k"), checked[index].key)
        for index in indexes
        for shard in (shard_of_key(checked[index].key, known.shards),)
    ]
    operation: Operation[list[StoreAnswer]] = Operation(calls, every)
    for index, answer in zip(indexes, (yield from repeat(operation)), strict=True):
        if answer is not None and _message_of(answer, checked[index]) is None:
            raise KeyReused(checked[index].key, index=index)


def _message_of(stored: bytes, checked: Checked) -> bytes | None:
    """The id of the message that was stored under the key of this one; ``None``: it has other content."""
    lasting = stored[LASTING_AT : LASTING_AT + DIGEST_OCTETS]
    digest = stored[ID_OCTETS : ID_OCTETS + DIGEST_OCTETS] + (lasting if len(lasting) == DIGEST_OCTETS else b"")
    is_same = checked.is_same(digest) or checked.former() == digest[:DIGEST_OCTETS]
    return stored[:ID_OCTETS] if is_same else None


def _taken_formerly(knowledge: Knowledge, checked: Checked) -> Flow[Outcome]:
    """The receipt of a message that an older version took under this key; else the refusal."""
    known = yield from knowledge.current()
    shard = shard_of_key(checked.key, known.shards)
    read: Operation[StoreAnswer] = Operation([Call.read(shard, b"HGET", keys.key(shard, "k"), checked.key)], first)
    stored = yield from repeat(read)
    message = _message_of(stored, checked) if stored is not None else None
    return KeyReused(checked.key) if message is None else receipt(checked, message, known.settings, known=True)


def _reserve(sendings: Sequence[Sending], known: KnownStore) -> Flow[None]:
    """Take from the quotas that refuse for all of them, so that a refusal stores none.

    In several shards nothing is taken before all have room. What another takes in between is refused like the rest,
    and what was reserved then is counted no more; should that be lost, the scheduler finds it.
    """
    wanted: dict[str, tuple[int, Limits, Reservation]] = {}
    for index, sending in enumerate(sendings):
        one = sending.checked
        limits = limits_of(one, known.settings, shards=known.shards).refusing
        if one.key not in wanted and (limits.buckets or limits.rooms):
            message = message_id(one, known.shards)
            sending.message = message
            wanted[one.key] = index, limits, Reservation(one.key, message, len(one.recipients), *limits)
    reservations = [reservation for _, _, reservation in wanted.values()]
    if not reservations:
        return
    shards = {shard_of(one.message) for one in reservations}
    for take in (False, True) if len(shards) > 1 else (True,):
        operation: Operation[Refusal | None] = reserve(reservations, take=take)
        try:
            refusal: Refusal | None = yield from repeat(operation)
        except StoreUncertain as error:
            raise StoreUnavailable(f"what its quotas have room for could not be asked: {error}") from error
        if refusal is not None:
            if take:
                yield from repeat(unreserve([one.message for one in reservations]))
            index, limits, _ = list(wanted.values())[refusal.at]
            raise over_quota(limits, refusal.over, index=index)


def _batches(sendings: Sequence[Sending]) -> Iterator[list[Sending]]:
    batch: list[Sending] = []
    octets = 0
    for one in sendings:
        size = len(one.checked.prepared.octets)
        if batch and (len(batch) == BATCH_MESSAGES or octets + size > BATCH_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(one)
        octets += size
    if batch:
        yield batch


def _accept(knowledge: Knowledge, batch: Sequence[Sending]) -> Flow[list[Outcome]]:
    """Store a batch in one round trip; one receipt or error each.

    An id that is taken is replaced by another; a store that is not what it was (emptied meanwhile) is looked at anew.
    """
    outcomes: list[Outcome] = [SchemaMismatch("the store's shards disagree about how many there are")] * len(batch)
    pending = list(range(len(batch)))
    copies_octets = 0
    for _ in range(TURNS):
        shards, settings = yield from knowledge.current()
        copies_octets = settings.copies_octets
        calls = [
            accept(batch[at].packed(shards, settings, knowledge.way), shards=shards, settings=settings)
            for at in pending
        ]
        asked = LookUp(_names(batch[at].checked for at in pending) if knowledge.are_suppressed else (), shards)
        answers: list[StoreAnswer] = yield Operation([*calls, *asked.calls], list)
        again: list[int] = []
        for at, answer in zip(pending, answers[: len(pending)], strict=True):
            outcome = _outcome(batch[at].checked, answer, settings, shards)
            if outcome is None:
                batch[at].message = None
                again.append(at)
            elif isinstance(outcome, KeyReused):
                outcomes[at] = yield from _taken_formerly(knowledge, batch[at].checked)
            else:
                outcomes[at] = outcome
        yield from _suppress(batch, outcomes, asked, answers[len(pending) :], KnownStore(shards, settings))
        yield from _gate(batch, outcomes, pending, KnownStore(shards, settings))
        pending = again
        if not pending:
            break
        knowledge.forget()  # the store may be another than it was
    if copies_octets:
        yield from keep_copies(_stored(batch, outcomes), most_octets=copies_octets)
    return outcomes


def _names(sends: Iterable[Checked]) -> Iterator[str]:
    for one in sends:
        for recipient in one.recipients:
            yield from names_for(recipient.canonical)


def _suppress(
    batch: Sequence[Sending], outcomes: list[Outcome], asked: LookUp, answers: list[StoreAnswer], known: KnownStore
) -> Flow[None]:
    """End what was accepted for addresses that get no mail; their receipts say so."""
    try:
        found = asked.read(answers)
    except StoreError:
        return  # whoever claims them asks again
    if not found:
        return
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, Receipt):
            told = yield from end_suppressed(known, _accepted(batch[at].checked, outcome), found)
            if told:
                outcomes[at] = replace(outcome, suppressed=_by_spelling(outcome, told))


def _gate(batch: Sequence[Sending], outcomes: list[Outcome], pending: Sequence[int], known: KnownStore) -> Flow[None]:
    """Hold what was accepted now for those whom the staging gate lets have no mail; their receipts say so."""
    gate = known.settings.gate
    if gate is None or not gate.holds_others:
        return
    for at in pending:
        outcome = outcomes[at]
        if isinstance(outcome, Receipt):
            told = yield from hold_gated(known, gate, _accepted(batch[at].checked, outcome))
            if told:
                outcomes[at] = replace(outcome, held=_by_spelling(outcome, told))


def _accepted(checked: Checked, taken: Receipt) -> list[Accepted]:
    """The envelopes of a message that was taken."""
    ids = {number: parse_id(taken.envelopes[text]) for text, number in checked.numbers.items()}
    return [Accepted(identity, checked.recipients[number].canonical) for number, identity in ids.items()]


def _by_spelling(taken: Receipt, told: Mapping[bytes, str]) -> dict[str, str]:
    """What is told of envelopes, by how the caller writes their recipients."""
    ids = {text: parse_id(identity) for text, identity in taken.envelopes.items()}
    return {text: told[identity] for text, identity in ids.items() if identity in told}


def _stored(batch: Sequence[Sending], outcomes: Sequence[Outcome]) -> Iterator[tuple[bytes, Checked]]:
    """What was not there before, by its id."""
    for one, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Receipt) and not outcome.known:
            yield parse_message_id(outcome.message_id), one.checked


def _outcome(checked: Checked, answer: StoreAnswer, settings: Settings, shards: int) -> Outcome | None:
    """What became of one accept; ``None``: try it again."""
    try:
        accepted = read_accept(answer)
    except StoreUncertain as error:
        error.key = checked.key
        return error
    except StoreError as error:
        return error
    match accepted.outcome:
        case "stored":
            return receipt(checked, accepted.message, settings, known=False)
        case "known":
            return receipt(checked, accepted.message, settings, known=True)
        case "reused":
            return KeyReused(checked.key)
        case "over":
            return over_quota(limits_of(checked, settings, shards=shards), read_over(answer))
        case _:  # a collision of ids, or another schema
            return None


def _failure(checked: Sequence[Checked], outcomes: Sequence[Outcome]) -> SoftbounceError:
    """The one error for a ``send_many`` that did not get all its receipts."""
    receipts = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Receipt)}
    index, first = next((at, one) for at, one in enumerate(outcomes) if not isinstance(one, Receipt))
    if isinstance(first, KeyReused):
        first = KeyReused(first.key, index=index)
    if isinstance(first, QuotaExceeded):
        first = QuotaExceeded(first.quota, first.limit, reason=first.reason, retry_after=first.retry_after, index=index)
    is_uncertain = any(isinstance(outcome, StoreUncertain) for outcome in outcomes)
    if not receipts and not is_uncertain:
        return first
    error = StoreUncertain(
        f"{len(receipts)} of {len(checked)} messages are known to be taken; message {index}: {first}"
    )
    error.key = checked[index].key
    error.receipts = receipts
    error.keys = {at: one.key for at, one in enumerate(checked) if at not in receipts}
    error.__cause__ = first
    return error
