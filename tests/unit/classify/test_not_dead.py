"""Words of closed accounts and of nobody there, said of something else: no address is called dead for them."""

from __future__ import annotations

import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.settings import BUILT_IN


@pytest.mark.parametrize(
    "reply",
    [
        "554 邮件已被删除",  # the message was deleted
        "550 收件人不接受来自您的邮件",  # the recipient takes no mail from you
        "552 لا يوجد مساحة كافية",  # there is no room
        "550 宛先アドレスが多すぎます",  # too many recipients
        "550 IP não cadastrado",  # the IP is not registered
        "554 Message supprimé, compte tenu de son contenu",
        "554 El mensaje fue eliminado; tenga en cuenta nuestras normas",
        "550 Mensagem removida por conta das regras",
        "550 Сообщение удалено пользователем",  # the user deleted the message
        "550 Viesti poistettu, postilista on suljettu",  # the mailing list
        "550 Relaying is now disabled",
        "550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address",
        "550 Account temporarily suspended",
        "500 Ingen sådan kommando",  # no such command
        "550 5.1.8 Adres nadawcy odrzucony: nie znaleziono domeny",  # the sender's domain was not found
        "550 Absenderadresse abgelehnt: Benutzer unbekannt in der lokalen Empfängertabelle",  # it is the sender
        "550 Adresse de l'expéditeur rejetée : utilisateur inconnu dans la table des destinataires",
        "550 El destinatario rechaza correo de remitente desconocido",  # a sender whom the recipient does not know
        "550 Dirección del destinatario rechazada: acceso denegado",
        "550 5.1.7 Callback failed: the sender's mailbox <news@example.org> does not exist",
        "550 The client's host name mail.example.org does not exist in the DNS",
        "550 Your sending service has been suspended because of complaints",
        "550 O destinatário não deseja receber e-mails de você",
    ],
)
def test_it_is_not_dead(reply: str) -> None:
    """Suppression is for good: it needs words that are about the address."""
    read = parse_reply_text(reply)
    assert not classify(read, stage=None, site=None, settings=BUILT_IN).suppress
