"""What other programs that read bounces got wrong, by their public fault reports: each shape, and what it has to mean.

All are written for these tests, with addresses of example domains. Behind each stands where it was reported.
"""

# ruff: noqa: E501 - as mail systems write them

from __future__ import annotations

from base64 import encodebytes

from returned import BODY, FINAL, ORIGINAL, QMAIL, SAMPLES, Sample, arf, group, plain, report

__all__ = ["ALL", "FAULTS"]

DEAD = {"kind": "failed", "event": "returned", "enhanced": "5.1.1", "reason": "bad_mailbox", "suppress": True}
LIVE = {"kind": "failed", "event": "returned"}
DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.example.net>"
GONE = (FINAL, "Action: failed", "Status: 5.1.1")


def dsn(*fields: str, **told: str) -> str:
    return report("It could not be delivered.", group(*fields), **told)


def of_reports() -> list[Sample]:
    """In the standard form, or nearly so."""
    return [
        # sisimai/p5-sisimai 312
        Sample(
            name="ironport-supplementary-info",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 5.0.0",
                "Remote-MTA: dns; [192.0.2.9]",
                'X-Supplementary-Info: <192.0.2.9 #5.0.0 smtp; 550 "Unknown User">',
            ),
            **(DEAD | {"enhanced": "5.0.0", "code": 550}),
        ),
        Sample(
            name="ironport-supplementary-info-folded",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 5.0.0",
                "X-Supplementary-Info: <mx.example.net #5.0.0 smtp;",
                " 554 delivery error: dd Sorry, your message to {to} cannot be delivered. This",
                " mailbox is disabled (554.30). - mta4490>",
            ),
            code=554,
            reason="inactive",
            suppress=True,
            **LIVE,
        ),
        # sisimai/p5-sisimai 409
        Sample(
            name="ironport-reply-behind-words",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 5.1.0",
                "Diagnostic-Code: smtp; 5.1.0 - Unknown address error 550-'5.1.1 <{to}>... User unknown' (delivery attempts: 0)",
            ),
            code=550,
            **DEAD,
        ),
        # sisimai/p5-sisimai 236
        Sample(
            name="godaddy-rate-with-5.1.1",
            text=dsn(
                *GONE,
                "Diagnostic-Code: smtp; 550 5.1.1 <{to}> - 192.0.2.10 has sent to too many recipients this hour. IB607",
            ),
            code=550,
            reason="rate_limit",
            **LIVE,
        ),
        # sisimai/p5-sisimai 221
        Sample(
            name="access-denied",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 5.7.1",
                "Diagnostic-Code: smtp; 554 5.7.1 <{to}>: Recipient address rejected: Access denied",
            ),
            code=554,
            **LIVE,
        ),
        # mautic/mautic 15371
        Sample(
            name="microsoft-banned-address-of-ours",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 5.7.606",
                "Diagnostic-Code: smtp; 550 5.7.606 Access denied, banned sending IP [192.0.2.10]",
            ),
            code=550,
            reason="ip_reputation",
            **LIVE,
        ),
        # mautic/mautic 2480
        Sample(
            name="no-such-domain",
            text=dsn(
                "Original-Recipient: {to}",
                FINAL,
                "Action: failed",
                "Status: 5.4.4",
                "Diagnostic-Code: DNS; Host not found",
            ),
            enhanced="5.4.4",
            reason="bad_domain",
            suppress=True,
            **LIVE,
        ),
        # mautic/mautic 4638
        Sample(
            name="over-quota-all-in-one-line",
            text=dsn(
                FINAL,
                "Action: failed",
                "Status: 4.2.2",
                "Diagnostic-Code: smtp; 452-4.2.2 The email account that you tried to reach is",
                "    over quota. Please direct 452-4.2.2 the recipient to 452 4.2.2 https://example.net/quota",
            ),
            code=452,
            reason="mailbox_full",
            **LIVE,
        ),
        # kannon-email/kannon 431
        Sample(
            name="delayed-with-a-soft-reply",
            text=dsn(FINAL, "Action: delayed", "Status: 4.7.1", "Diagnostic-Code: smtp; 451 4.7.1 try again later"),
            kind="delayed",
        ),
        # chatmail/core 2490
        Sample(name="success", text=dsn(FINAL, "Action: delivered", "Status: 2.1.5"), kind="delivered"),
        Sample(name="expanded", text=dsn(FINAL, "Action: expanded", "Status: 2.0.0"), kind="delivered"),
        # mikel/mail 1681
        Sample(
            name="several-recipients-ours-is-delayed",
            text=dsn(
                "Final-Recipient: rfc822; other@example.net", *GONE[1:], "", FINAL, "Action: delayed", "Status: 4.2.2"
            ),
            kind="failed",
        ),
        Sample(
            name="several-recipients-ours-is-last",
            text=dsn("Final-Recipient: rfc822; other@example.net", "Action: delayed", "Status: 4.2.2", "", *GONE),
            code=550,
            **DEAD,
        ),
        # oneshot-agent/oneshot-gtm 30
        Sample(
            name="status-within-another-part",
            text=report("Not found.", "Content-Type: text/plain\n\n" + group(*GONE)),
            **DEAD,
        ),
        Sample(
            name="status-as-text",
            text=dsn(*GONE).replace("message/delivery-status", "text/plain"),
            **DEAD,
        ),
        # haraka/Haraka 1688
        Sample(
            name="no-from-and-no-subject",
            text=dsn(*GONE).partition("MIME-Version")[1] + dsn(*GONE).partition("MIME-Version")[2],
            **DEAD,
        ),
        # RIPE-NCC/whois 1785
        Sample(name="cut-within-the-mail-that-is-returned", text=dsn(*GONE)[:-120], **DEAD),
        Sample(
            name="cut-behind-the-status", text=dsn(*GONE).partition("\n--=_b1\nContent-Type: message/rfc822")[0], **DEAD
        ),
        Sample(
            name="returned-mail-of-many-parts",
            text=dsn(*GONE).replace(
                BODY, "\n" + "".join(f'Content-Type: multipart/mixed; boundary="q{n}"\n\n--q{n}\n' for n in range(60))
            ),
            **DEAD,
        ),
        # purelymail/purelymail-issues 21
        Sample(
            name="recipient-in-other-capitals",
            text=dsn("Final-Recipient: rfc822; SomeOne@EXAMPLE.Net", *GONE[1:]),
            **DEAD,
        ),
        Sample(
            name="recipient-in-quotes", text=dsn('Final-Recipient: rfc822; "someone"@example.net', *GONE[1:]), **DEAD
        ),
        Sample(
            name="recipient-in-xtext",
            text=dsn(
                "Original-Recipient: rfc822;some+6Fne@example.net",
                "Final-Recipient: rfc822; someone@imap.example.net",
                *GONE[1:],
            ),
            **DEAD,
        ),
        # hitobito/hitobito 3794
        Sample(
            name="alias-of-another-mailbox",
            text=dsn("Original-Recipient: rfc822;{to}", "Final-Recipient: rfc822; gone@example.net", *GONE[1:]),
            says="gone@example.net, where it was passed on to",
            enhanced="5.1.1",
            **LIVE,
        ),
        Sample(
            name="alias-of-another-organisation",
            text=dsn("Original-Recipient: rfc822;{to}", "Final-Recipient: rfc822; someone@example.org", *GONE[1:]),
            says="where it was passed on to",
            **LIVE,
        ),
        Sample(
            name="the-mailbox-at-a-host-within",
            text=dsn("Original-Recipient: rfc822;{to}", "Final-Recipient: rfc822; someone@imap.example.net", *GONE[1:]),
            **DEAD,
        ),
        Sample(
            name="one-of-two-ways-arrived",
            text=dsn(FINAL, "Action: delivered", "Status: 2.0.0", "", *GONE),
            enhanced="5.1.1",
            **LIVE,
        ),
    ]


EXPLAINED = """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

{to}:
SMTP error from remote server after RCPT command:
host: mx.example.net
5.1.1 <{to}> Recipient rejected: User unknown

--- The header of the original message is following. ---

"""


def of_bounces_for_people() -> list[Sample]:
    """Of mail systems that say, as RFC 3834 asks, that a machine wrote it; and in other languages."""
    qmail = f"{QMAIL}<{{to}}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n{ORIGINAL}"
    html = (
        "<html><body><p>Your message to <b>{to}</b> couldn't be delivered.</p><p>Remote server returned '550 5.1.10 "
        "RESOLVER.ADR.RecipientNotFound; Recipient {to} not found by SMTP address lookup'</p></body></html>"
    )
    subject = "Mail delivery failed: returning message to sender"
    return [
        # mautic/mautic 1312
        Sample(
            name="automatic-and-of-a-daemon",
            text=plain(EXPLAINED + ORIGINAL, sender=DAEMON, subject=subject, header="Auto-Submitted: auto-replied\n"),
            **DEAD,
        ),
        Sample(
            name="qmail-automatic",
            text=plain(
                qmail,
                sender="MAILER-DAEMON@mx.example.net",
                subject="failure notice",
                header="Auto-Submitted: auto-replied\n",
            ),
            **DEAD,
        ),
        Sample(
            name="qmail-with-precedence",
            text=plain(
                qmail, sender="MAILER-DAEMON@mx.example.net", subject="failure notice", header="Precedence: bulk\n"
            ),
            **DEAD,
        ),
        # SuiteCRM/SuiteCRM 8876, crisp-oss/email-bounce-parser 1
        Sample(
            name="exchange-in-html-only",
            text=plain(
                html,
                sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.net>",
                subject="Undeliverable: Your order",
                header="Content-Type: text/html\nAuto-Submitted: auto-replied\nX-MS-Exchange-Message-Is-Ndr:\n",
            ),
            **(DEAD | {"enhanced": "5.1.10"}),
        ),
        # RotherOSS/otobo 2189
        Sample(
            name="japanese-around-a-reply",
            text=plain(
                "次の宛先にメールを配送できませんでした。\n\n<{to}>\n550 5.1.1 User unknown\n",
                sender=DAEMON,
                subject="=?utf-8?B?6YWN6YCB44Ko44Op44O8?=",
                header="Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
            ),
            code=550,
            **DEAD,
        ),
        Sample(
            name="german-warning-around-a-reply",
            text=plain(
                "Ihre Nachricht an {to} wurde noch nicht zugestellt:\n451 4.3.0 spaeter\n",
                sender=DAEMON,
                subject="=?utf-8?Q?Verz=C3=B6gerte_Zustellung?=",
            ),
            kind="delayed",
        ),
        Sample(
            name="a-number-and-a-dash",
            text=plain(
                "This message was created automatically by mail delivery software.\n\n"
                "{to}, ERROR CODE :550 - 5.1.1 <{to}>: Recipient address rejected: User unknown\n",
                sender=DAEMON,
                subject="Undelivered Mail Returned to Sender",
            ),
            code=550,
            **DEAD,
        ),
        # sisimai/set-of-emails, groups of Google
        Sample(
            name="google-groups",
            text=plain(
                "Hello {path},\n\nWe're writing to let you know that the group you tried to contact may not exist, or you may "
                "not have permission to post messages to it.\n",
                sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
                subject="Delivery Status Notification (Failure)",
                header="X-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\n",
            ),
            code=550,
            **LIVE,
        ),
        # justingit/dada-mail 389
        Sample(
            name="exchange-without-a-status",
            text=report(
                "This is an automatically generated Delivery Status Notification.\n\n"
                "Delivery to the following recipients was aborted after 4 second(s):\n\n  * {to}\n",
                "",
                sender="Mail Delivery System <postmaster@example.net>",
            ).replace("Content-Type: message/delivery-status", "Content-Type: text/plain"),
            **LIVE,
        ),
        Sample(
            name="bounce-of-another-passed-on-by-a-person",
            text=plain(
                "Please look at this.\n\n--w\nContent-Type: message/rfc822\n\n" + dsn(*GONE) + "\n--w--\n",
                sender="Some One <someone@example.net>",
                subject="Fwd: Undelivered",
                header='Content-Type: multipart/mixed; boundary="w"\n',
            ),
            kind="unknown",
        ),
    ]


AWAY = {
    "french": "=?utf-8?Q?R=C3=A9ponse_automatique_:_Your_order?=",
    "french-in-octets": "Réponse automatique : Your order",
    "german": "=?utf-8?B?QWJ3ZXNlbmhlaXRzbm90aXo6IFlvdXIgb3JkZXI=?=",
    "german-urlaub": "Urlaubsabwesenheit",
    "spanish": "=?iso-8859-1?Q?Respuesta_autom=E1tica:_Your_order?=",
    "polish": "=?utf-8?Q?Automatyczna_odpowied=C5=BA?=",
    "czech": "=?utf-8?Q?Automatick=C3=A1_odpov=C4=9B=C4=8F?=",
    "hungarian": "=?utf-8?Q?Automatikus_v=C3=A1lasz?=",
    "finnish": "Automaattinen vastaus: Your order",
    "danish": "Automatisk svar: Your order",
    "turkish": "=?utf-8?Q?Otomatik_yan=C4=B1t?=",
    "russian": "=?utf-8?B?0JDQstGC0L7QvNCw0YLQuNGH0LXRgdC60LjQuSDQvtGC0LLQtdGC?=",
    "japanese": "=?iso-2022-jp?B?GyRCPCtGMEpWPy4bKEI=?=",
    "chinese": "=?utf-8?B?6Ieq5Yqo5Zue5aSNOiBZb3VyIG9yZGVy?=",
    "korean": "=?utf-8?B?7J6Q64+ZIO2ajOyLoA==?=",
    "short": "OOO: Your order",
    "a-sentence": "I am out of the office (Re: Your order)",
}


def of_people_who_are_away() -> list[Sample]:
    """mozilla/fxa-auth-server 1943, sisimai/go-sisimai 202: away is no bounce, in whatever words."""
    away = "I am away until Monday. There are 550 of us; write to colleague@example.net.\n"
    someone = "Some One <someone@example.net>"
    automatic = "Auto-Submitted: auto-replied\n"
    none = {"kind": "auto_reply"}
    return [
        *(
            Sample(name=f"away-{name}", text=plain(away, sender=someone, subject=said), **none)
            for name, said in AWAY.items()
        ),
        Sample(
            name="away-x-precedence",
            text=plain(away, sender=someone, subject="Re: Your order", header="X-Precedence: auto_reply\n"),
            **none,
        ),
        Sample(
            name="away-of-a-postmaster",
            text=plain(away, sender="postmaster@example.net", subject="Re: Your order", header=automatic),
            **none,
        ),
        Sample(
            name="away-that-quotes-a-bounce",
            text=plain(
                f"I am away.\n\n{QMAIL}<{{to}}>:\nno mailbox (#5.1.1)\n",
                sender=someone,
                subject="Re: Your order",
                header=automatic,
            ),
            **none,
        ),
        Sample(
            name="moved-away",
            text=plain(
                "This inbox {to} is no longer in use.\n550 5.1.1\n",
                sender=someone,
                subject="Re: Your order",
                header=automatic,
            ),
            **none,
        ),
    ]


def of_complaints() -> list[Sample]:
    """rspamd/rspamd 6148, SuiteCRM/SuiteCRM 7712."""
    told = {"kind": "complaint", "event": "complained", "reason": "complaint"}
    encoded = encodebytes(b"Feedback-Type: abuse\nUser-Agent: ExampleFBL\nVersion: 1\n").decode()
    return [
        Sample(name="arf-that-says-next-to-nothing", text=arf("abuse", agent="JMRP/1.0"), **told),
        Sample(
            name="arf-in-base64",
            text=report("Complaint.", "", kind="feedback-report").replace(
                "Content-Type: message/feedback-report\n\n\n",
                f"Content-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n\n{encoded}\n",
            ),
            **told,
        ),
    ]


FAULTS = (*of_reports(), *of_bounces_for_people(), *of_people_who_are_away(), *of_complaints())
ALL = (*SAMPLES, *FAULTS)
