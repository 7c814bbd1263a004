"""What a send may ask of reports, and how that looks on the wire (RFC 3461)."""

from __future__ import annotations

from typing import Any

import pytest
from softbounce_worker.smtp import Ehlo, Engine, Mail, Rcpt

from softbounce.address import parse_address
from softbounce.dsn import Dsn, check_dsn, orcpt_value, xtext
from softbounce.errors import InvalidMessage

RECIPIENTS = {"a@X.test": parse_address("a@X.test"), "b@x.test": parse_address("b@x.test")}


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, {}),
        ({"notify": ["never"]}, {name: Dsn(notify="NEVER") for name in ("a@x.test", "b@x.test")}),
        (
            {"notify": iter(["delay", "Failure"]), "ret": "headers"},
            {name: Dsn(notify="FAILURE,DELAY", ret="HDRS") for name in ("a@x.test", "b@x.test")},
        ),
        ({"notify": {"a@X.test": ["success"]}}, {"a@x.test": Dsn(notify="SUCCESS")}),
        ({"orcpt": {"b@x.test": "old@X.test"}}, {"b@x.test": Dsn(orcpt="old@x.test")}),
        ({"envid": "my id=1+1"}, {name: Dsn(envid="my id=1+1") for name in ("a@x.test", "b@x.test")}),
    ],
)
def test_M27_what_may_be_asked(options: Any, asked: dict[str, Dsn]) -> None:  # noqa: ANN401
    """For all recipients, or for some of them, by the caller's spelling."""
    assert check_dsn(options, RECIPIENTS) == asked


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ([], "dsn"),
        ({"x": 1}, "dsn"),
        ({"notify": "never"}, "dsn.notify"),
        ({"notify": ["never", "delay"]}, "dsn.notify"),
        ({"notify": ["always"]}, "dsn.notify"),
        ({"notify": {"c@x.test": []}}, "dsn.notify"),
        ({"notify": 1}, "dsn.notify"),
        ({"ret": "FULL"}, "dsn.ret"),
        ({"ret": "full\r\nRCPT TO:<c@x.test>"}, "dsn.ret"),
        ({"envid": "a\r\nb"}, "dsn.envid"),
        ({"envid": ""}, "dsn.envid"),
        ({"envid": "x" * 101}, "dsn.envid"),
        ({"envid": "+" * 34}, "dsn.envid"),
        ({"envid": "ü"}, "dsn.envid"),
        ({"orcpt": {"a@X.test": "no address"}}, "dsn.orcpt"),
        ({"orcpt": {"a@X.test": "c@x.test\r\nDATA"}}, "dsn.orcpt"),
        ({"orcpt": []}, "dsn.orcpt"),
        ({"orcpt": {"c@x.test": "a@x.test"}}, "dsn.orcpt"),
    ],
)
def test_A01_M27_anything_else_is_refused_before_it_is_stored(options: Any, field: str) -> None:  # noqa: ANN401
    """Naming what is wrong."""
    with pytest.raises(InvalidMessage) as error:
        check_dsn(options, RECIPIENTS)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("a@x.test", b"rfc822;a@x.test"),
        ("a+b=c@x.test", b"rfc822;a+2Bb+3Dc@x.test"),
        ('"a b"@x.test', b'rfc822;"a+20b"@x.test'),
        ("ü+1@x.test", b"utf-8;\\x{FC}\\x{2B}1@x.test"),
    ],
)
def test_M27_an_original_address_is_ascii_whatever_it_is(address: str, value: bytes) -> None:
    """By xtext, or for addresses beyond ASCII by its twin of RFC 6533."""
    assert orcpt_value(address) == value


def test_A01_nothing_that_is_stored_gets_out_of_its_parameter() -> None:
    """Not even from a record that no send of ours wrote."""
    assert xtext("a\r\nRCPT TO:<b@c> x\0") == b"a+0D+0ARCPT+20TO:<b@c>+20x+00"
    assert xtext("ü") == b"+C3+BC"


@pytest.mark.parametrize("offer", [b"", b"250-DSN\r\n"], ids=["without", "with"])
def test_M27_parameters_go_to_hosts_that_offer_dsn_only(greeted: Engine, offer: bytes) -> None:
    """Each in its command, and none where the host does not know them."""
    greeted.send(Ehlo())
    greeted.feed(b"250-mx\r\n" + offer + b"250 PIPELINING\r\n")
    dsn = Dsn(notify="SUCCESS,DELAY", orcpt="o@x.test", ret="HDRS", envid="a b")
    mail, rcpt = greeted.send(Mail("a@b", dsn=dsn)), greeted.send(Rcpt("c@d", dsn=dsn))
    if offer:
        assert mail == b"MAIL FROM:<a@b> RET=HDRS ENVID=a+20b\r\n"
        assert rcpt == b"RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@x.test\r\n"
    else:
        assert (mail, rcpt) == (b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n")


@pytest.mark.parametrize(
    ("asked", "notify"),
    [
        (None, b" NOTIFY=FAILURE,DELAY"),
        (Dsn(envid="7"), b" NOTIFY=FAILURE,DELAY"),
        (Dsn(notify="SUCCESS"), b" NOTIFY=SUCCESS,DELAY"),
        (Dsn(notify="FAILURE,DELAY"), b" NOTIFY=FAILURE,DELAY"),
        (Dsn(notify="NEVER"), b" NOTIFY=NEVER"),
    ],
)
@pytest.mark.parametrize("offer", ["DSN", "DELIVERBY", "DSN DELIVERBY"])
def test_M31_news_of_delays_is_asked_of_a_host_that_knows_no_time(
    greeted: Engine, asked: Dsn | None, notify: bytes, offer: str
) -> None:
    """RFC 2852 §4.1.4.2: where it offers DSN; and whoever wants to hear nothing hears nothing."""
    greeted.send(Ehlo())
    offered = "".join(f"250-{one}\r\n" for one in ("mx", *offer.split()))
    greeted.feed(f"{offered}250 PIPELINING\r\n".encode())
    greeted.send(Mail("a@b"))
    said = greeted.send(Rcpt("c@d", dsn=asked, is_timed=True))
    own = b"" if asked is None or not asked.notify else b" NOTIFY=" + asked.notify.encode()
    wanted = {"DSN": notify, "DELIVERBY": b"", "DSN DELIVERBY": own}[offer]
    assert said == b"RCPT TO:<c@d>" + wanted + b"\r\n"


@pytest.fixture
def greeted() -> Engine:
    """A session that was greeted."""
    engine = Engine("mail.example.com")
    engine.feed(b"220 x\r\n")
    return engine
