"""Addresses: the path grammar of RFC 5321 §4.1.2, its limits, and what is refused with which words."""

from __future__ import annotations

import pytest

from softbounce.address import NULL_SENDER, ascii_domain, parse_address, parse_sender
from softbounce.errors import InvalidAddress, InvalidMessage

TAKEN = [
    pytest.param("a@b", "a@b", id="shortest"),
    pytest.param("john.smith+tag@example.com", "john.smith+tag@example.com", id="dot_string"),
    pytest.param("!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com", id="all_of_atext"),
    pytest.param("user%other.example@example.com", "user%other.example@example.com", id="percent_is_a_letter"),
    pytest.param("<a@example.com>", "a@example.com", id="path_in_brackets"),
    pytest.param('"joe"@example.com', "joe@example.com", id="needless_quotes"),
    pytest.param('"\\j\\oe"@example.com', "joe@example.com", id="needless_backslashes"),
    pytest.param('"j oe"@example.com', '"j oe"@example.com', id="quoted_space"),
    pytest.param('"a\\"b\\\\"@example.com', '"a\\"b\\\\"@example.com', id="quoted_quote_and_backslash"),
    pytest.param('""@example.com', '""@example.com', id="empty_quotes"),
    pytest.param("a@xn--bcher-kva.example", "a@xn--bcher-kva.example", id="a_label"),
    pytest.param("a@localhost", "a@localhost", id="single_label"),
    pytest.param("a@1und1.example", "a@1und1.example", id="label_starts_with_digit"),
]

REFUSED = [
    pytest.param("", "no @", id="empty"),
    pytest.param("postmaster", "no @", id="no_at"),
    pytest.param("@b", "no local part", id="no_local_part"),
    pytest.param("a@", "no domain", id="no_domain"),
    pytest.param("<>", "no @", id="null_path_as_recipient"),
    pytest.param(".a@b", "dot", id="dot_first"),
    pytest.param("a.@b", "dot", id="dot_last"),
    pytest.param("a..b@c", "dot", id="two_dots"),
    pytest.param("a b@c", "' '", id="space_in_local_part"),
    pytest.param("a@b c", "characters other", id="space_in_domain"),
    pytest.param("a@-b", "hyphen", id="hyphen_first"),
    pytest.param("a@b-", "hyphen", id="hyphen_last"),
    pytest.param("a@b..c", "empty label", id="empty_label"),
    pytest.param("a@b_c.example", "underscore", id="underscore"),
    pytest.param("a@" + "b" * 64, "longer than 63", id="long_label"),
    pytest.param("a@192.0.2.1", "number", id="address_without_brackets"),
    pytest.param("a@[192.0.2.1]", "address literals", id="address_literal"),
    pytest.param("a@\u2100.example", "A-labels", id="compatibility_form_with_a_slash"),
    pytest.param("a\uff20b", "no @", id="wide_at"),
    pytest.param("a" * 2000 + "@b", "longer", id="huge"),
]


@pytest.mark.parametrize(("text", "canonical"), TAKEN)
def test_grammar_of_paths_is_taken(text: str, canonical: str) -> None:
    """Every form of RFC 5321 §4.1.2 is taken and has one canonical spelling."""
    address = parse_address(text)
    assert address.canonical == canonical
    assert address.text == text
    assert parse_address(canonical).canonical == canonical


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_outside_the_grammar_is_refused_in_words(text: str, reason: str) -> None:
    """What is no path is refused, and the error names the field and says why."""
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text, field="recipients[3]")
    assert caught.value.field == "recipients[3]"
    assert reason in caught.value.reason
    assert isinstance(caught.value, InvalidMessage)


@pytest.mark.parametrize("control", [*range(32), 127, 0x85, 0x9F, 0x2028, 0x2029, 0x200B, 0x202E, 0xFEFF, 0xD800])
@pytest.mark.parametrize(
    "place", ["a{}b@c.example", "ab@c{}.example", '"a{}"@c.example', "ab@c.example{}", "{}ab@c.example"]
)
def test_A01_controls_and_invisible_characters_are_refused_everywhere(control: int, place: str) -> None:
    """No control, line end, bidirectional mark or surrogate passes anywhere in an address, quoted or not."""
    with pytest.raises(InvalidAddress):
        parse_address(place.format(chr(control)))
    with pytest.raises(InvalidAddress):
        parse_sender(place.format(chr(control)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("<@relay.example:a@b.example>", "source routes", id="source_route"),
        pytest.param("@one.example,@two.example:a@b.example", "source routes", id="long_source_route"),
        pytest.param("a@evil.example@good.example", "more than one @", id="two_ats"),
        pytest.param('"a@evil.example"x@good.example', "quoted local part", id="text_after_quotes"),
        pytest.param("a(comment)@b.example", "comments", id="comment_in_local_part"),
        pytest.param("a@b.example(comment)", "comments", id="comment_in_domain"),
        pytest.param("Joe <a@b.example>", "display name", id="display_name"),
        pytest.param("a@b.example.", "ends with a dot", id="trailing_dot"),
        pytest.param("a@b.example:25", "port", id="port"),
        pytest.param("a@b.example,c@d.example", "more than one @", id="list"),
        pytest.param('a."b"@c.example', "'\"'", id="obsolete_local_part"),
    ],
)
def test_A06_forms_that_confuse_parsers_are_refused(text: str, reason: str) -> None:
    """Forms that lead lenient parsers to another domain are refused instead of interpreted."""
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text)
    assert reason in caught.value.reason


def test_A06_quoted_at_sign_does_not_move_the_route() -> None:
    """An @ inside quotes belongs to the local part: the route is what follows the last quote."""
    address = parse_address('"a@evil.example"@good.example')
    assert address.domain == "good.example"
    assert address.local == '"a@evil.example"'


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        pytest.param("a" * 64 + "@b.example", True, id="local_part_64"),
        pytest.param("a" * 65 + "@b.example", False, id="local_part_65"),
        pytest.param("é" * 32 + "@b.example", True, id="local_part_64_octets_of_utf8"),
        pytest.param("é" * 33 + "@b.example", False, id="local_part_66_octets_of_utf8"),
        pytest.param("a@" + "b" * 63 + ".example", True, id="label_63"),
        pytest.param("a" * 61 + "@" + ".".join(["b" * 47] * 4) + "c", True, id="path_256"),
        pytest.param("a" * 62 + "@" + ".".join(["b" * 47] * 4) + "c", False, id="path_257"),
        pytest.param("a@" + ".".join(["b" * 63] * 4), False, id="domain_255"),
        pytest.param("a@" + ".".join(["b" * 63] * 4) + "c", False, id="domain_256"),
    ],
)
def test_M17_lengths_are_checked_at_their_bounds(text: str, is_taken: bool) -> None:
    """A local part has at most 64 octets, a path 256 with its brackets, which also bounds the domain."""
    if is_taken:
        assert parse_address(text).canonical == text
    else:
        with pytest.raises(InvalidAddress):
            parse_address(text)


def test_M18_local_part_keeps_its_case_and_the_domain_loses_it() -> None:
    """The case of the local part is the receiver's business, that of the domain is nobody's."""
    address = parse_address("Smith@EXAMPLE.Com")
    assert (address.local, address.domain, address.text) == ("Smith", "example.com", "Smith@EXAMPLE.Com")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        pytest.param("bücher.example", "xn--bcher-kva.example", id="u_label"),
        pytest.param("BÜCHER.example", "xn--bcher-kva.example", id="upper_case"),
        pytest.param("bu\u0308cher.example", "xn--bcher-kva.example", id="not_nfc"),
        pytest.param("faß.example", "xn--fa-hia.example", id="sharp_s_is_its_own_letter"),
        pytest.param("例え。テスト", "xn--r8jz45g.xn--zckzah", id="ideographic_full_stop"),
    ],
)
def test_D22_domains_become_a_labels(text: str, domain: str) -> None:
    """A U-label domain is mapped by UTS #46 and written in A-labels, so no SMTPUTF8 is needed for it."""
    assert ascii_domain(text) == domain
    address = parse_address(f"a@{text}")
    assert address.domain == domain
    assert not address.smtputf8


def test_A07_local_parts_are_nfc_and_the_original_is_kept() -> None:
    """Two spellings of one UTF-8 local part are one address; the caller's spelling stays readable."""
    composed, decomposed = parse_address("jo\u0308rg@b.example"), parse_address("j\u00f6rg@b.example")
    assert composed.canonical == decomposed.canonical
    assert composed.text != decomposed.text
    assert composed.smtputf8


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        pytest.param("a@[192.0.2.1]", "[192.0.2.1]", id="ipv4"),
        pytest.param("a@[ipv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]", id="ipv6"),
    ],
)
def test_D19_address_literals_are_taken_where_allowed(text: str, domain: str) -> None:
    """Where the caller allows address literals they have one canonical spelling."""
    assert parse_address(text, allow_literals=True).domain == domain


@pytest.mark.parametrize(
    "text", ["a@[192.0.2.256]", "a@[2001:db8::1]", "a@[IPv6:fe80::1%eth0]", "a@[192.0.2.1", "a@[]"]
)
def test_D19_broken_address_literals_are_refused(text: str) -> None:
    """An address literal is an IPv4 address, or a tagged IPv6 address without a zone."""
    with pytest.raises(InvalidAddress, match="neither"):
        parse_address(text, allow_literals=True)


@pytest.mark.parametrize("text", ["", "<>"])
def test_null_sender_is_a_sender_and_no_recipient(text: str) -> None:
    """The null path is a sender whose canonical form is empty; nobody can be mailed at it."""
    assert parse_sender(text) is NULL_SENDER
    assert NULL_SENDER.is_null
    assert NULL_SENDER.canonical == ""
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_what_is_no_string_is_refused_as_an_address() -> None:
    """A wrong type from an untyped caller is bad input like any other."""
    with pytest.raises(InvalidAddress, match="not a string"):
        parse_address(None)  # type: ignore[arg-type]
