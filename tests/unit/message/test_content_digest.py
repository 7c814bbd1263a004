"""Digests of content: what rebuilding and signing anew change is no content, and everything else is."""

from __future__ import annotations

from email.message import EmailMessage, Message
from email.mime.text import MIMEText

import pytest

from softbounce.client.send.arguments import Checked, check
from softbounce.errors import InvalidMessage

HEAD = "From: app@example.com\r\nSubject: x\r\n"
SIGNATURES = [
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=a; t={0};\r\n h=from:subject; bh={0}; b={0}\r\n",
    "ARC-Seal: i=1; t={0}; b={0}\r\nARC-Message-Signature: i=1; b={0}\r\nARC-Authentication-Results: i=1; {0}\r\n",
    "DomainKey-Signature: a=rsa-sha1; b={0}\r\n",
    "X-Google-DKIM-Signature: v=1; b={0}\r\n",
    "Received: from app by signer; {0}\r\nAuthentication-Results: signer; auth={0}\r\n",
]


def checked(message: Message | str, *, to: str = "a@example.net") -> Checked:
    """The send as it would be stored."""
    octets = message.encode() if isinstance(message, str) else message
    return check({"sender": "app@example.com", "recipients": [to], "message": octets, "key": "k"}, max_octets=1_000_000)


def is_same(one: EmailMessage | str, other: EmailMessage | str) -> bool:
    """Whether each is a repeat of the other."""
    first, second = checked(one), checked(other)
    assert first.is_same(second.digest) == second.is_same(first.digest)
    return first.is_same(second.digest)


def with_picture(seed: str, text: str = "Hello", picture: bytes = b"\x89PNG", cte: str | None = None) -> EmailMessage:
    """A mail with an inline picture, as an app makes it with a fresh id and fresh boundaries."""
    message = EmailMessage()
    message["From"], message["Subject"] = "app@example.com", "x"
    message.set_content(text)
    message.add_alternative(f'<p>{text}</p> {"long line " * 20}<img src="cid:{seed}">', subtype="html", cte=cte)
    html: EmailMessage = message.get_payload(1)  # type: ignore[assignment]
    html.add_related(picture, maintype="image", subtype="png", cid=f"<{seed}>")
    return message


@pytest.mark.parametrize("fields", SIGNATURES)
def test_issue10_33_a_message_signed_anew_is_the_same_content(fields: str) -> None:
    """A repeat may be signed again, or for the first time, or no more; another text is another one all the same."""
    signed, anew = (f"{fields.format(seed)}{HEAD}\r\nhello\r\n" for seed in ("1767225600", "1767225601"))
    assert is_same(signed, anew)
    assert is_same(signed, f"{HEAD}\r\nhello\r\n")
    assert not is_same(signed, f"{fields.format('1767225601')}{HEAD}\r\ngoodbye\r\n")
    assert not is_same(signed, f"{fields.format('1767225601')}{HEAD}To: c@example.net\r\n\r\nhello\r\n")


@pytest.mark.parametrize("cte", ["quoted-printable", "base64", None])
def test_issue10_33_a_fresh_content_id_is_the_same_content(cte: str | None) -> None:
    """An id by which parts refer to each other is no content, in whatever encoding the text has that names it."""
    one = with_picture("176722560012.345.6789@host.example", cte=cte)
    assert is_same(one, with_picture("17672256001.99.1234567@host.example", cte=cte))
    assert not is_same(one, with_picture("176722560012.345.6789@host.example", cte=cte, text="Bye"))
    assert not is_same(one, with_picture("176722560012.345.6789@host.example", cte=cte, picture=b"\x89PNG2"))


def test_issue10_33_which_picture_is_shown_where_is_content() -> None:
    """Ids are told apart by their order: a text that shows another part is another text."""

    def two(first: str, second: str, shown: str) -> str:
        parts = "".join(f"--=====b\r\nContent-ID: <{one}>\r\n\r\n{n}\r\n" for n, one in enumerate((first, second)))
        html = f"--=====b\r\nContent-Type: text/html\r\n\r\n<img src=cid:{shown}>\r\n"
        return f'{HEAD}Content-Type: multipart/related; boundary="=====b"\r\n\r\n{html}{parts}--=====b--\r\n'

    assert is_same(two("aaaaaaaa@1", "bbbbbbbb@1", "aaaaaaaa@1"), two("cccccccc@1", "dddddddd@1", "cccccccc@1"))
    assert not is_same(two("aaaaaaaa@1", "bbbbbbbb@1", "aaaaaaaa@1"), two("cccccccc@1", "dddddddd@1", "dddddddd@1"))


@pytest.mark.parametrize("kind", ["pgp-signature", "pkcs7-signature", "x-pkcs7-signature"])
def test_issue10_33_a_detached_signature_made_anew_is_the_same_content(kind: str) -> None:
    """A signature in a part of its own, PGP's or S/MIME's, changes with each signing; what it signs is the content."""

    def signed(boundary: str, text: str, signature: str) -> str:
        return (
            f'{HEAD}Content-Type: multipart/signed; protocol="application/{kind}"; boundary="{boundary}"\r\n\r\n'
            f"--{boundary}\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--{boundary}\r\n"
            f"Content-Type: application/{kind}; name=s\r\n\r\n{signature}\r\n--{boundary}--\r\n"
        )

    assert is_same(signed("===1234567==", "hello", "one\r\ntwo"), signed("===7654321==", "hello", "three"))
    assert not is_same(signed("===1234567==", "hello", "one"), signed("===7654321==", "bye", "one"))


def test_issue10_33_what_was_encrypted_anew_is_other_content() -> None:
    """Nobody but its reader can tell, so an app repeats an encrypted mail with the octets that it made first."""
    one, two = (f"{HEAD}Content-Type: application/pkcs7-mime\r\n\r\n{text}\r\n" for text in ("MIIa", "MIIb"))
    assert not is_same(one, two)


def test_issue10_33_broken_base64_is_content_as_it_stands() -> None:
    """A part that nobody can read is compared by its octets."""

    def part(text: str) -> str:
        return (
            f'{HEAD}Content-Type: multipart/related; boundary="=====b"\r\n\r\n--=====b\r\nContent-ID: <aaaaaaaa@1>\r\n'
            f"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n--=====b--\r\n"
        )

    assert is_same(part("a"), part("a"))
    assert not is_same(part("a"), part("abcde"))


def test_issue10_33_nothing_more_is_stored_for_mail_without_signatures() -> None:
    """The lasting digest is there only where it is another one, so an older version's digests are today's."""
    assert len(checked(f"{HEAD}\r\nhello\r\n").digest) == 16
    assert len(checked(f"DKIM-Signature: x\r\n{HEAD}\r\nhello\r\n").digest) == 32


def old_message() -> EmailMessage:
    """A message whose header the version before wrote otherwise."""
    message = EmailMessage()
    message["From"], message["To"] = "Jörg Müller <app@example.com>", "a@example.net"
    message["Subject"] = "Grüße an alle, die diesen Betreff lesen, der länger als eine Zeile ist"
    message["List-Unsubscribe"] = f"<https://news.example/unsubscribe?token={'a1-_' * 30}>"
    message.set_content("Grüße\n")
    return message


def test_issue10_33_an_older_version_s_digest_of_a_message_object_is_known() -> None:
    """The digest that stands in stores since before header fields were written by us is still found."""
    one = checked(old_message())
    assert one.former() == bytes.fromhex("b9d32537cbdf6163021b7762d1c15fa0")
    assert one.former() != one.digest


def test_issue10_33_octets_and_what_could_not_be_written_have_no_former_digest() -> None:
    """Octets were digested as they are now, and what was refused then is in no store."""
    assert checked(f"{HEAD}\r\nhello\r\n").former() is None
    older = MIMEText("hello", "plain", "utf-8")
    older["Subject"] = "x"
    assert checked(older).former() == checked(older).digest
    message = old_message()
    message.as_bytes = lambda **_: 1 / 0  # type: ignore[assignment,method-assign]
    assert checked(message).former() is None
    message.as_bytes = lambda **_: b"\r\n"  # type: ignore[method-assign]
    assert checked(message).former() is None
    with pytest.raises(InvalidMessage):
        checked("")
