"""The backend: Anymail's own options for a message become arguments of ``send``; Django makes the message itself.

Templates, merge data, and tracking of opens and clicks are not softbounce's: Anymail says so when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from anymail.backends.base import AnymailBaseBackend, BasePayload
from anymail.exceptions import AnymailAPIError
from anymail.message import AnymailRecipientStatus
from django.core.mail import EmailMessage

from softbounce.client import Client, Outgoing, Receipt
from softbounce.django.outgoing import outgoing_of
from softbounce.django.settings import OF_SENDS, OF_STORES, client_of, defaults_of
from softbounce.errors import SoftbounceError

__all__ = ["EmailBackend", "Payload"]

OURS = tuple(name.lower() for name in (*OF_STORES, *OF_SENDS))


class EmailBackend(AnymailBaseBackend):
    """What Django's ``send_mail`` calls. ``message.anymail_status`` has the id of each recipient's envelope."""

    esp_name = "Softbounce"

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Django's
        given = {name: kwargs.pop(name) for name in OURS if name in kwargs}
        super().__init__(**kwargs)
        self._given = given

    def build_message_payload(self, message: EmailMessage, defaults: Mapping[str, Any]) -> Payload:
        """What will be handed over."""
        return Payload(message, defaults, self)

    def post_to_esp(self, payload: Payload, message: EmailMessage) -> Receipt:
        """Hand it over; it is on disk when this returns.

        :raises AnymailAPIError: it was not taken, or perhaps; its cause says which.
        """
        client: Client = client_of(self._given)
        try:
            (outcome,) = client.send_each([payload.outgoing(defaults_of(self._given))])
        except SoftbounceError as error:
            outcome = error
        if isinstance(outcome, SoftbounceError):
            raise AnymailAPIError(str(outcome), backend=self, email_message=message, payload=payload) from outcome
        return outcome

    def parse_recipient_status(
        self, response: Receipt, payload: Payload, message: EmailMessage
    ) -> dict[str, AnymailRecipientStatus]:
        """Of each recipient: its envelope's id, and whether its address gets any mail."""
        del payload, message
        return {
            recipient: AnymailRecipientStatus(
                message_id=identity, status="rejected" if recipient in response.suppressed else "queued"
            )
            for recipient, identity in response.envelopes.items()
        }


class Payload(BasePayload):
    """A message's envelope and options. Its content is what Django writes."""

    def init_payload(self) -> None:
        """Nothing is known yet."""
        self._author = ""
        self._envelope_sender: str | None = None
        self._recipients: list[str] = []
        self._asked: dict[str, Any] = {}

    def outgoing(self, defaults: Mapping[str, Any]) -> Outgoing:
        """The arguments of ``send``.

        :raises InvalidMessage: it cannot be sent.
        """
        sender = self._author if self._envelope_sender is None else self._envelope_sender
        made = outgoing_of(self.message, defaults, envelope=(sender, self._recipients))
        if made is None:
            raise AssertionError("Anymail passes on no message without recipients")
        made.update({**self._asked, "sender": sender, "recipients": self._recipients})  # type: ignore[typeddict-item]
        return made

    def set_from_email_list(self, emails: Sequence[Any]) -> None:
        """The envelope's sender is the first of them, unless another is asked for."""
        self._author = emails[0].addr_spec if emails else ""

    def set_envelope_sender(self, email: Any) -> None:  # noqa: ANN401 - Anymail's address
        """Where bounces of mail hosts go."""
        self._envelope_sender = email.addr_spec

    def set_recipients(self, recipient_type: str, emails: Sequence[Any]) -> None:
        """Whoever gets it, by ``bcc`` too."""
        del recipient_type
        self._recipients += [email.addr_spec for email in emails]

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Numbers become text, as with other providers."""
        self._asked["metadata"] = {str(name): str(value) for name, value in metadata.items()}

    def set_tags(self, tags: Sequence[str]) -> None:
        """Any number, as far as softbounce takes them."""
        self._asked["tags"] = [str(tag) for tag in tags]

    def set_send_at(self, send_at: object) -> None:
        """Not before."""
        if not isinstance(send_at, datetime):
            self.unsupported_feature(f"send_at={send_at!r}")
            return
        self._asked["at"] = send_at

    def set_esp_extra(self, extra: Mapping[str, Any]) -> None:
        """Other arguments of ``send``, such as ``stream``, ``key``, ``window``, ``tenant`` and ``require_tls``."""
        self._asked.update(extra)

    def set_track_clicks(self, track_clicks: object) -> None:
        """Links stay as they are."""
        if track_clicks:
            self.unsupported_feature("track_clicks")

    def set_track_opens(self, track_opens: object) -> None:
        """No image is put in."""
        if track_opens:
            self.unsupported_feature("track_opens")

    # What follows is in the message that Django writes.

    def set_subject(self, subject: str) -> None:
        """In the message."""

    def set_reply_to(self, emails: Sequence[Any]) -> None:
        """In the message."""

    def set_extra_headers(self, headers: Mapping[str, str]) -> None:
        """In the message; ``X-Softbounce-*`` are read and taken out."""

    def set_spoofed_to_header(self, header_to: str) -> None:
        """In the message; the envelope has who gets it."""

    def set_text_body(self, body: str) -> None:
        """In the message."""

    def set_html_body(self, body: str) -> None:
        """In the message."""

    def add_alternative(self, content: str, mimetype: str) -> None:
        """In the message."""

    def add_attachment(self, attachment: object) -> None:
        """In the message."""
