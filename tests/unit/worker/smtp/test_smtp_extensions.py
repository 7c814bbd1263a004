"""What a reply to EHLO offers."""

from __future__ import annotations

import pytest
from softbounce_worker.smtp import Extensions, TransactionLimits
from softbounce_worker.smtp.extensions import parse_extensions

LINES = {
    "nothing": ([], Extensions()),
    "pipelining": (["PIPELINING"], Extensions(pipelining=True)),
    "S07_any_case": (["pIpElInInG", "8bitmime"], Extensions(pipelining=True, eight_bit_mime=True)),
    "S07_unknown": (["UNKNOWN", "X-WHAT 1 2", "PIPELINING"], Extensions(pipelining=True)),
    "S07_junk": (["", "...", "\\x00\\x01", "PIPELINING!", "hello, mail.example.com", "DSN"], Extensions(dsn=True)),
    "S07_prefix_is_no_keyword": (["PIPELININGS", "XSTARTTLS"], Extensions()),
    "M25_parameters_ignored": (["SMTPUTF8 foo bar", "STARTTLS x"], Extensions(smtputf8=True, starttls=True)),
    "the_rest": (
        ["CHUNKING", "ENHANCEDSTATUSCODES", "REQUIRETLS"],
        Extensions(chunking=True, enhanced_status_codes=True, requiretls=True),
    ),
    "M31_no_shortest": (["DELIVERBY"], Extensions(deliver_by=0)),
    "M31_shortest": (["DeliverBy 240"], Extensions(deliver_by=240)),
    "M31_more_behind_it": (["DELIVERBY 240 X=1"], Extensions(deliver_by=240)),
    "M31_junk": (["DELIVERBY -1"], Extensions(deliver_by=0)),
    "M31_of_ten_digits": (["DELIVERBY 9999999999"], Extensions(deliver_by=0)),
    "M21_size": (["SIZE 26214400"], Extensions(size=26214400)),
    "M21_size_0": (["SIZE 0"], Extensions(size=0)),
    "M21_size_empty": (["SIZE"], Extensions(size=0)),
    "M21_size_blank": (["SIZE "], Extensions(size=0)),
    "M21_size_junk": (["SIZE 10MB"], Extensions(size=0)),
    "M21_size_negative": (["SIZE -1"], Extensions(size=0)),
    "M21_size_of_21_digits": (["SIZE " + "9" * 21], Extensions(size=0)),
    "M21_size_twice": (["SIZE 5", "SIZE 7"], Extensions(size=7)),
    "auth": (["AUTH PLAIN login"], Extensions(auth=frozenset({"PLAIN", "LOGIN"}))),
    "auth_old_form": (["AUTH=LOGIN", "AUTH PLAIN"], Extensions(auth=frozenset({"PLAIN", "LOGIN"}))),
    "M30_limits": (
        ["LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1"],
        Extensions(limits=TransactionLimits(rcpt_max=20, mail_max=5, rcpt_domain_max=1)),
    ),
    "M30_any_case": (["limits rcptmax=20"], Extensions(limits=TransactionLimits(rcpt_max=20))),
    "M30_unknown_limit": (["LIMITS FLAG X=y:z RCPTMAX=1"], Extensions(limits=TransactionLimits(rcpt_max=1))),
    "M30_alone": (["LIMITS"], Extensions()),
    "M30_zero": (["LIMITS RCPTMAX=0 MAILMAX=5"], Extensions()),
    "M30_leading_zero": (["LIMITS RCPTMAX=05"], Extensions()),
    "M30_seven_digits": (["LIMITS RCPTMAX=1000000"], Extensions()),
    "M30_no_value": (["LIMITS MAILMAX=5 RCPTMAX"], Extensions()),
    "M30_empty_value": (["LIMITS MAILMAX=5 RCPTMAX="], Extensions()),
    "M30_semicolon": (["LIMITS MAILMAX=5 X=a;b"], Extensions()),
    "M30_bad_unknown_name": (["LIMITS MAILMAX=5 =3"], Extensions()),
    "M30_other_digits": (["LIMITS RCPTMAX=٣"], Extensions()),
}


@pytest.mark.parametrize(("lines", "extensions"), LINES.values(), ids=LINES.keys())
def test_offer(lines: list[str], extensions: Extensions) -> None:
    """Known keywords are read in any case, junk is passed over, a malformed LIMITS counts as none."""
    assert parse_extensions(lines) == extensions


@pytest.mark.parametrize(
    ("size", "octets", "takes"),
    [(None, 10**9, True), (0, 10**9, True), (1000, 1000, True), (1000, 1001, False)],
    ids=["not_offered", "no_limit", "at_limit", "beyond"],
)
def test_M21_takes_what_is_within_size(size: int | None, octets: int, *, takes: bool) -> None:
    """Only a limit that is offered and not 0 refuses a message."""
    assert Extensions(size=size).takes(octets) is takes
