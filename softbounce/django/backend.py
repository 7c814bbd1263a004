"""The email backend: hands messages over durably, and says how many were taken."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from softbounce.client import Client, Outgoing, Receipt
from softbounce.django.outgoing import outgoing_of
from softbounce.django.settings import OF_SENDS, OF_STORES, client_of, defaults_of
from softbounce.errors import InvalidMessage, SoftbounceError, StoreUncertain

__all__ = ["EmailBackend"]

OPTIONS = tuple(name.lower() for name in (*OF_STORES, *OF_SENDS))
log = logging.getLogger("softbounce.django")


class EmailBackend(BaseEmailBackend):
    """What Django's ``send_mail`` and ``EmailMessage.send`` call.

    Each message that was taken gets ``softbounce_receipt``, with the ids of its envelopes.

    :param url: of the store, and other names of the settings in lower case, where they differ from those.
    :param fail_silently: messages that cannot be taken are logged and left out; else none of a list is taken when one
        cannot be, and the error says which.
    """

    def __init__(self, fail_silently: bool = False, **given: Any) -> None:  # noqa: ANN401, FBT001, FBT002 - Django's
        self._given = {name: given.pop(name) for name in OPTIONS if name in given}
        # Django 6.1 names those of its MAILERS, and tells of options there that are none. Otherwise what came along, as
        # the login of send_mail(auth_user=...), means nothing here. It sets fail_silently no more by itself.
        super().__init__(**(given if given.get("alias") is not None else {}))
        self.fail_silently = fail_silently

    def send_messages(self, email_messages: Iterable[EmailMessage]) -> int:
        """Hand them over; how many were taken. When it returns they are on disk.

        :param email_messages: also a set, or a generator, as Django's own backend takes them.
        :raises ImproperlyConfigured: the settings do not say where, also where it is to fail silently.
        :raises SoftbounceError: none was taken; or, ``StoreUncertain``, perhaps some were: send again with keys.
        """
        messages = list(email_messages or ())
        if not messages:
            return 0
        client, defaults = client_of(self._given), defaults_of(self._given)
        wanted: dict[int, Outgoing] = {}
        for index, message in enumerate(messages):
            try:
                outgoing = outgoing_of(message, defaults)
            except InvalidMessage as error:
                if not self.fail_silently:
                    raise type(error)(error.field, error.reason, index=index) from error
                log.warning("message not sent: %s", error)
                continue
            if outgoing is not None:
                wanted[index] = outgoing
        receipts = _silently(client, wanted) if self.fail_silently else _all(client, wanted, messages)
        return _note(messages, receipts)


def _all(client: Client, wanted: Mapping[int, Outgoing], messages: Sequence[EmailMessage]) -> dict[int, Receipt]:
    """All of them or none, by their place in the app's list."""
    places = list(wanted)
    try:
        return dict(zip(places, client.send_many(wanted.values()), strict=True))
    except InvalidMessage as error:
        place = None if error.index is None else places[error.index]
        raise type(error)(error.field, error.reason, index=place) from error
    except StoreUncertain as error:
        _note(messages, {places[at]: receipt for at, receipt in error.receipts.items()})
        raise


def _silently(client: Client, wanted: Mapping[int, Outgoing]) -> dict[int, Receipt]:
    """Those that can be taken; of the others the log tells."""
    try:
        outcomes = dict(zip(wanted, client.send_each(wanted.values()), strict=True))
    except SoftbounceError as error:
        log.warning("%d messages not sent: %s", len(wanted), error)
        return {}
    for outcome in outcomes.values():
        if isinstance(outcome, SoftbounceError):
            log.warning("message not sent: %s", outcome)
    return {place: one for place, one in outcomes.items() if isinstance(one, Receipt)}


def _note(messages: Sequence[EmailMessage], receipts: Mapping[int, Receipt]) -> int:
    for place, receipt in receipts.items():
        messages[place].softbounce_receipt = receipt
    return len(receipts)
