"""What is written down directly says what the standard library's message says."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from hypothesis import given
from hypothesis import strategies as st
from softbounce_gateway.http.composing import _composed, compose, read_mailbox, read_sender
from softbounce_gateway.http.models import NewMessage

from softbounce.errors import InvalidMessage
from softbounce.message.prepared import prepare

WORDS = st.text("abcXYZ019 .,;:-_!'()=?\"\\@<>", max_size=24)
NAMES = st.one_of(
    st.just(""), st.sampled_from(["Ann Lee", "Lee, Ann", "A. B.", "O'Neil", "=?utf-8?q?x?=", "Ä Ö"]), WORDS
)
PATHS = st.sampled_from(
    ["ann@example.net", "a.b+c@x.example", '"a b"@example.net', "x@b\u00fccher.example", "\u00fc@example.net"]
)
TEXTS = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.lists(st.sampled_from(["", ".", "From me", "x" * 77, "y" * 1200, "Grüße ", "日本" * 40, "\t", "a=b"])).map(
        "\r\n".join
    ),
)


@st.composite
def mailboxes(draw: st.DrawFn) -> str:
    """A name and an address as an app gives them."""
    name, path = draw(NAMES), draw(PATHS)
    return f"{name} <{path}>" if name else path


NEW = st.builds(
    NewMessage,
    sender=st.just("app@shop.example") | mailboxes(),
    to=st.just(["ann@example.net"]) | st.lists(mailboxes(), max_size=4),
    cc=st.just([]) | st.lists(mailboxes(), max_size=2),
    reply_to=st.none() | mailboxes(),
    subject=st.none() | st.just("Hi") | WORDS | st.text(max_size=90),
    text=TEXTS,
    html=TEXTS,
    headers=st.dictionaries(st.sampled_from(["X-Order", "List-Unsubscribe", "x-a", "Importance"]), WORDS, max_size=2),
)


def read(octets: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Fields and texts, as a reader gets them."""
    found = message_from_bytes(octets, policy=default)
    assert isinstance(found, EmailMessage)
    fields = [
        (name, str(value))
        for name, value in found.items()
        if not name.lower().startswith(("content-", "message-id", "date"))
    ]
    texts = [
        (one.get_content_type(), one.get_content()) for one in found.walk() if one.get_content_maintype() == "text"
    ]
    return fields, [(kind, text.replace("\r\n", "\n")) for kind, text in texts]


@given(NEW)
def test_issue14_what_is_written_directly_reads_the_same(new: NewMessage) -> None:
    """Fields and texts are those of the standard library's message, or both are refused alike."""
    try:
        made = compose(new)
    except InvalidMessage:
        return
    if isinstance(made, EmailMessage):
        return
    addresses = {"From": [read_sender(new.sender)]}
    for name, texts in (("To", new.to), ("Cc", new.cc), ("Reply-To", [new.reply_to] if new.reply_to else [])):
        if texts:
            addresses[name] = [read_mailbox(one, name) for one in texts]
    fields = [("Subject", new.subject)] if new.subject is not None else []
    other = _composed(new, addresses, [*fields, *new.headers.items()])
    try:
        theirs = prepare(other, max_octets=10**7).octets
    except InvalidMessage:
        theirs = None
    try:
        ours = prepare(made, max_octets=10**7).octets
    except InvalidMessage:
        ours = None
    assert (theirs is None) == (ours is None)  # a NUL, say, is in no message
    if theirs is None or ours is None:
        return
    assert read(ours) == read(theirs)
    assert all(len(line) <= 998 for line in ours.split(b"\r\n"))


def test_issue14_what_is_usual_is_written_directly() -> None:
    """A name, two addresses, a subject, a text in any language and HTML with long lines: no object is made of it."""
    html = "<p>" + "Grüße, 你好 " * 400 + "</p>"
    new = NewMessage(
        sender='"Shop, Inc." <app@shop.example>', to=["Ann Lee <ann@example.net>", "b@example.net"],
        subject="Your order", text="It is on its way.\n", html=html, headers={"X-Order": "7"},
    )  # fmt: skip
    made = compose(new)
    assert isinstance(made, bytes)
    fields, texts = read(made)
    assert dict(fields)["From"] == '"Shop, Inc." <app@shop.example>'
    assert texts == [("text/plain", "It is on its way.\n"), ("text/html", html + "\n")]
    assert compose(new) == made
