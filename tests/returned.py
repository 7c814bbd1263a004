"""Bounces, complaints and automatic replies in the shapes that mail systems give them, each with what it has to mean.

All are written for these tests, with addresses of example domains. ``{path}`` stands for the return path that the mail
had left with, ``{to}`` for its recipient.
"""

# ruff: noqa: E501 - as mail systems write them

from __future__ import annotations

from dataclasses import dataclass
from email.base64mime import body_encode
from email.quoprimime import body_encode as quoted

__all__ = ["SAMPLES", "Sample"]

TO = "someone@example.net"
ORIGINAL = """\
Return-Path: <{path}>
Received: from mail.example.com (mail.example.com [192.0.2.10])
\tby mx.example.net with ESMTPS id 4Zq1; Fri, 27 Nov 2026 09:00:01 +0000
From: Shop <shop@example.com>
To: someone@example.net
Subject: Your order
Message-ID: <order-1042@example.com>
Date: Fri, 27 Nov 2026 09:00:00 +0000
"""
BODY = "\nThank you for your order 550 of 5.1.2026.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One.

    :ivar kind: of the report.
    :ivar event: what is told of the envelope; ``None``: nothing.
    :ivar reason: as the classifier has it.
    :ivar suppress: the address is dead.
    """

    name: str
    text: str
    kind: str
    event: str | None = None
    code: int | None = None
    enhanced: str | None = None
    reason: str | None = None
    suppress: bool = False
    says: str = ""

    def octets(self, path: str, to: str = TO) -> bytes:
        """As it comes over the wire."""
        return self.text.replace("{path}", path).replace("{to}", to).replace("\n", "\r\n").encode()


def report(
    prose: str,
    status: str,
    *,
    header: str = "",
    sender: str = "Mail Delivery System <MAILER-DAEMON@mx.example.net>",
    kind: str = "delivery-status",
    returned: str = "message/rfc822",
    encoding: str = "",
    subject: str = "Undelivered Mail Returned to Sender",
) -> str:
    """A multipart/report (RFC 6522)."""
    parts = status
    if encoding == "base64":
        parts = body_encode(status.encode())
    elif encoding == "quoted-printable":
        parts = quoted(status)
    lines = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    return (
        f"From: {sender}\nTo: {{path}}\nSubject: {subject}\n{header}MIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="=_b1"\n\n'
        f"This is a MIME-encapsulated message.\n\n--=_b1\nContent-Type: text/plain; charset=us-ascii\n\n{prose}\n"
        f"--=_b1\nContent-Type: message/{kind}\n{lines}\n{parts}\n"
        f"--=_b1\nContent-Type: {returned}\n\n{ORIGINAL}{BODY}\n--=_b1--\n"
    )


def plain(prose: str, *, sender: str, subject: str, header: str = "") -> str:
    """A message for people."""
    return f"From: {sender}\nTo: {{path}}\nSubject: {subject}\n{header}MIME-Version: 1.0\n\n{prose}"


def group(*fields: str, mta: str = "dns; mx.example.net") -> str:
    """The fields of one recipient behind those of the message."""
    return f"Reporting-MTA: {mta}\nArrival-Date: Fri, 27 Nov 2026 09:00:01 +0000 (UTC)\n\n" + "\n".join(fields) + "\n"


FINAL = "Final-Recipient: rfc822; {to}"
AUTO = "Auto-Submitted: auto-replied\n"
POSTFIX = """\
This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{to}>: """


def postfix(said: str, *fields: str) -> str:
    return report(
        POSTFIX + said,
        group("X-Postfix-Queue-ID: 4Zq1", mta="dns; mx.example.net").rstrip() + "\n\n" + "\n".join(fields),
    )


def of_postfix() -> list[Sample]:
    """As Postfix's bounce(8) writes them."""
    unknown = "550 5.1.1 <{to}>: Recipient address rejected: User unknown in local recipient table"
    return [
        Sample(
            name="postfix-unknown-at-next-host",
            text=postfix(
                f"host imap.example.net[192.0.2.25] said: {unknown} (in reply to RCPT TO command)",
                FINAL,
                "Original-Recipient: rfc822;{to}",
                "Action: failed",
                "Status: 5.1.1",
                "Remote-MTA: dns; imap.example.net",
                f"Diagnostic-Code: smtp; {unknown}",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="postfix-pipe-without-code",
            text=postfix(
                'unknown user: "someone"',
                FINAL,
                "Action: failed",
                "Status: 5.1.1",
                'Diagnostic-Code: X-Postfix; unknown user: "someone"',
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="postfix-mailbox-over-quota",
            text=postfix(
                "host lmtp.example.net[/run/lmtp] said: 552 5.2.2 <{to}> Quota exceeded (mailbox for user is full)",
                FINAL,
                "Action: failed",
                "Status: 5.2.2",
                "Diagnostic-Code: smtp; 552 5.2.2 <{to}> Quota exceeded (mailbox for user is full)",
            ),
            kind="failed",
            event="returned",
            code=552,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
        Sample(
            name="postfix-expired",
            text=postfix(
                "connect to imap.example.net[192.0.2.25]:25: Connection timed out",
                FINAL,
                "Action: failed",
                "Status: 4.4.1",
                "Diagnostic-Code: X-Postfix; connect to imap.example.net[192.0.2.25]:25: Connection timed out",
            ),
            kind="failed",
            event="returned",
            code=450,
            enhanced="4.4.1",
            reason="network",
        ),
        Sample(
            name="postfix-delayed",
            text=report(
                "This is the mail system at host mx.example.net.\n\n"
                "THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n",
                group(FINAL, "Action: delayed", "Status: 4.4.1", "Will-Retry-Until: Wed, 2 Dec 2026 09:00:01 +0000"),
                header=AUTO,
                returned="text/rfc822-headers",
                subject="Delayed Mail (still being retried)",
            ),
            kind="delayed",
        ),
        Sample(
            name="postfix-relayed",
            text=report(
                "Your message was successfully delivered to the destination(s) listed below.",
                group(FINAL, "Action: relayed", "Status: 2.1.5", "Diagnostic-Code: smtp; 250 2.1.5 Ok"),
                subject="Successful Mail Delivery Report",
            ),
            kind="delivered",
        ),
        Sample(
            name="postfix-several-lines",
            text=postfix(
                "host imap.example.net said: 554-5.7.1 refused\n    554 5.7.1 spam detected",
                FINAL,
                "Action: failed",
                "Status: 5.7.1",
                "Diagnostic-Code: smtp; 554-5.7.1 This message looks like spam.",
                "    554-5.7.1 It is refused by our filter.",
                "    554 5.7.1 See https://example.net/why",
            ),
            kind="failed",
            event="returned",
            code=554,
            enhanced="5.7.1",
            reason="spam_content",
        ),
        Sample(
            name="postfix-alias-one-delivered-one-failed",
            text=postfix(
                "unknown user",
                "Final-Recipient: rfc822; first@example.net",
                "Original-Recipient: rfc822;{to}",
                "Action: delivered",
                "Status: 2.0.0",
                "",
                "Final-Recipient: rfc822; gone@example.org",
                "Original-Recipient: rfc822;{to}",
                "Action: failed",
                "Status: 5.1.1",
                "Diagnostic-Code: smtp; 550 5.1.1 <gone@example.org>: no such user here",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            says="passed on to",
        ),
        Sample(
            name="postfix-forwarded-elsewhere",
            text=postfix(
                "unknown user",
                "Final-Recipient: rfc822; gone@example.org",
                "Action: failed",
                "Status: 5.1.1",
                "Diagnostic-Code: smtp; 550 5.1.1 <gone@example.org>: no such user here",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            says="passed on to",
        ),
        Sample(
            name="postfix-utf8",
            text=report(
                POSTFIX + "unknown user",
                group(
                    "Final-Recipient: utf-8; {to}",
                    "Action: failed",
                    "Status: 5.1.1",
                    "Diagnostic-Code: smtp; 550 5.1.1 Benutzer nicht gefunden",
                ),
                kind="global-delivery-status",
                returned="message/global",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
    ]


EXIM = """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {to}
    host imap.example.net [192.0.2.25]
    SMTP error from remote mail server after RCPT TO:<{to}>:
    550 5.1.1 <{to}>... User unknown

------ This is a copy of the message, including all the headers. ------

"""


def of_exim() -> list[Sample]:
    """As Exim writes them, with and without a machine's part."""
    header = "X-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\n"
    sender = "Mail Delivery System <Mailer-Daemon@mx.example.net>"
    subject = "Mail delivery failed: returning message to sender"
    return [
        Sample(
            name="exim-report",
            text=report(
                EXIM,
                group(
                    "Action: failed",
                    "Final-Recipient: rfc822;{to}",
                    "Status: 5.0.0",
                    "Remote-MTA: dns; imap.example.net",
                    "Diagnostic-Code: smtp; 550 5.1.1 <{to}>... User unknown",
                ),
                header=header,
                sender=sender,
                subject=subject,
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="exim-for-people",
            text=plain(EXIM + ORIGINAL + BODY, sender=sender, subject=subject, header=header),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="exim-unrouteable",
            text=plain(
                EXIM.partition("  {to}")[0] + "  {to}\n    Unrouteable address\n\n------ This is a copy\n\n" + ORIGINAL,
                sender=sender,
                subject=subject,
                header=header,
            ),
            kind="failed",
            event="returned",
            code=550,
        ),
        Sample(
            name="exim-retry-timeout",
            text=report(
                "  {to}\n    retry timeout exceeded\n",
                group("Action: failed", "Final-Recipient: rfc822;{to}", "Status: 4.0.0"),
                header=header,
                sender=sender,
                subject=subject,
            ),
            kind="failed",
            event="returned",
            code=450,
            enhanced="4.0.0",
        ),
        Sample(
            name="exim-warning",
            text=report(
                "A message that you sent has not yet been delivered to one or more of its recipients\n"
                "after more than 24 hours on the queue on mx.example.net.\n",
                group("Action: delayed", "Final-Recipient: rfc822;{to}", "Status: 4.0.0"),
                header=AUTO,
                sender=sender,
                subject="Warning: message 1abc delayed 24 hours",
            ),
            kind="delayed",
        ),
        Sample(
            name="exim-mailbox-full",
            text=plain(
                EXIM.replace("550 5.1.1 <{to}>... User unknown", "552 5.2.2 Mailbox size limit exceeded") + ORIGINAL,
                sender=sender,
                subject=subject,
                header=header,
            ),
            kind="failed",
            event="returned",
            code=552,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
    ]


def of_exchange() -> list[Sample]:
    """As Exchange and Office 365 write them."""
    sender = "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.net>"
    header = "Auto-Submitted: auto-replied\nX-MS-Exchange-Message-Is-Ndr:\n"

    def ndr(
        diagnostic: str, status: str, action: str = "failed", prose: str = "Your message couldn't be delivered."
    ) -> str:
        return report(
            prose,
            group(
                "Final-recipient: RFC822; {to}",
                f"Action: {action}",
                f"Status: {status}",
                f"Diagnostic-code: {diagnostic}",
                mta="dns;AM0PR01MB0001.eurprd01.prod.outlook.example",
            ),
            header=header,
            sender=sender,
            subject="Undeliverable: Your order",
        )

    dead = "Recipient {to} not found by SMTP address lookup"
    return [
        Sample(
            name="office365-not-found",
            text=ndr(f"smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; {dead}", "5.1.10"),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.10",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="exchange-not-found-5.1.1",
            text=ndr("smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", "5.1.1"),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="office365-quota",
            text=ndr("smtp;554 5.2.2 mailbox full;\n STOREDRV.Deliver.Exception:QuotaExceededException", "5.2.2"),
            kind="failed",
            event="returned",
            code=554,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
        Sample(
            name="office365-restricted-group",
            text=ndr(
                "smtp;550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "5.7.133"
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.7.133",
            reason="recipient_refused",
        ),
        Sample(
            name="office365-expired",
            text=ndr("smtp;550 4.4.7 QUEUE.Expired; message expired", "4.4.7"),
            kind="failed",
            event="returned",
            code=550,
        ),
        Sample(
            name="exchange-delayed",
            text=ndr("smtp;400 4.4.7 Message delayed", "4.4.7", action="delayed", prose="Delivery is delayed."),
            kind="delayed",
        ),
        Sample(
            name="exchange-base64-status",
            text=report(
                "Delivery has failed to these recipients or groups:",
                group("Final-Recipient: rfc822;{to}", "Action: failed", "Status: 5.1.1").replace("{to}", TO),
                header=header,
                sender=sender,
                encoding="base64",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="exchange-quoted-printable-status",
            text=report(
                "Delivery has failed to these recipients or groups:",
                group("Final-Recipient: rfc822;{to}", "Action: failed", "Status: 5.2.1").replace("{to}", TO),
                header=header,
                sender=sender,
                encoding="quoted-printable",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.2.1",
            reason="inactive",
            suppress=True,
        ),
    ]


def of_large_providers() -> list[Sample]:
    """As Gmail, Yahoo and their like write them."""
    google = "Mail Delivery Subsystem <mailer-daemon@googlemail.example>"
    yahoo = "MAILER-DAEMON@yahoo.example"
    return [
        Sample(
            name="gmail-unknown",
            text=report(
                "** Address not found **\n\nYour message wasn't delivered to {to} because the address couldn't be found.",
                group(
                    FINAL,
                    "Action: failed",
                    "Status: 5.1.1",
                    "Remote-MTA: dns; imap.example.net. (192.0.2.25, the server for the domain example.net.)",
                    "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.",
                    " 550 5.1.1 Please try double-checking the address",
                    "Last-Attempt-Date: Fri, 27 Nov 2026 01:00:02 -0800 (PST)",
                    mta="dns; googlemail.example",
                ),
                header="Auto-Submitted: auto-replied\nX-Failed-Recipients: {to}\n",
                sender=google,
                subject="Delivery Status Notification (Failure)",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gmail-over-quota",
            text=report(
                "** Recipient inbox full **",
                group(
                    FINAL,
                    "Action: failed",
                    "Status: 5.2.2",
                    "Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space.",
                    " 552 5.2.2 https://support.example/over-quota",
                ),
                header=AUTO,
                sender=google,
            ),
            kind="failed",
            event="returned",
            code=552,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
        Sample(
            name="gmail-delay",
            text=report(
                "** Delivery incomplete **\n\nGmail will retry for 46 more hours.",
                group(FINAL, "Action: delayed", "Status: 4.4.1", "Will-Retry-Until: Sun, 29 Nov 2026 07:00:00 -0800"),
                header=AUTO,
                sender=google,
                subject="Delivery Status Notification (Delay)",
            ),
            kind="delayed",
        ),
        Sample(
            name="yahoo-for-people",
            text=plain(
                "Message from yahoo.example.\nSorry, we were unable to deliver your message to the following address.\n\n"
                "<{to}>:\n554 5.7.9 delivery error: dd This user doesn't have a yahoo.example account ({to}) [0]\n\n"
                "--- Original message follows.\n\n" + ORIGINAL,
                sender=yahoo,
                subject="Delivery Failure",
            ),
            kind="failed",
            event="returned",
            code=554,
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="yahoo-report",
            text=report(
                "Sorry, we were unable to deliver your message to the following address.\n\n<{to}>:\n552: over quota",
                group(
                    FINAL,
                    "Action: failed",
                    "Status: 5.2.2",
                    "Diagnostic-Code: smtp; 552 1 Requested mail action aborted, the mailbox is over quota",
                ),
                sender=yahoo,
            ),
            kind="failed",
            event="returned",
            code=552,
        ),
        Sample(
            name="icloud-over-quota",
            text=report(
                "This is the mail system at host example.net.",
                group(
                    FINAL,
                    "Action: failed",
                    "Status: 5.2.2",
                    "Diagnostic-Code: smtp; 552 5.2.2 <{to}>: user is over quota",
                ),
            ),
            kind="failed",
            event="returned",
            code=552,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
        Sample(
            name="opensmtpd-action-error",
            text=report(
                "Hi!\n\nThis is the MAILER-DAEMON, please DO NOT REPLY to this email.",
                group(FINAL, "Action: error", "Status: 5.1.1"),
                sender="Mailer Daemon <MAILER-DAEMON@mx.example.net>",
                subject="Delivery status notification: error",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
    ]


QMAIL = """\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

"""


def of_qmail_and_sendmail() -> list[Sample]:
    """As qmail and sendmail write them."""
    sender = "MAILER-DAEMON@mx.example.net"
    below = "\n--- Below this line is a copy of the message.\n\n"

    def qmail(paragraph: str, intro: str = QMAIL) -> str:
        return plain(intro + paragraph + below + ORIGINAL + BODY, sender=sender, subject="failure notice")

    sendmail = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>"
    return [
        Sample(
            name="qmail-no-mailbox",
            text=qmail("<{to}>:\nSorry, no mailbox here by that name. (#5.1.1)\n"),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="qmail-remote-said",
            text=qmail(
                "<{to}>:\n192.0.2.25 does not like recipient.\n"
                "Remote host said: 550 5.1.1 <{to}>: Recipient address rejected: User unknown\nGiving up on 192.0.2.25.\n"
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="qmail-over-quota",
            text=qmail("<{to}>:\nRemote host said: 552 5.2.2 user is over quota\n"),
            kind="failed",
            event="returned",
            code=552,
            enhanced="5.2.2",
            reason="mailbox_full",
        ),
        Sample(
            name="qmail-too-long-in-queue",
            text=qmail("<{to}>:\nI'm not going to try again; this message has been in the queue too long.\n"),
            kind="failed",
            event="returned",
            code=550,
        ),
        Sample(
            name="qmail-other-words",
            text=qmail(
                "<{to}>:\nThis address no longer accepts mail.\n",
                intro="Hi. This is the mail delivery program at mx.example.net.\n\n",
            ),
            kind="failed",
            event="returned",
            code=550,
        ),
        Sample(
            name="sendmail-report",
            text=report(
                "   ----- The following addresses had permanent fatal errors -----\n<{to}>\n"
                "    (reason: 550 5.1.1 <{to}>... User unknown)\n\n"
                "   ----- Transcript of session follows -----\n... while talking to imap.example.net.:\n"
                ">>> DATA\n<<< 550 5.1.1 <{to}>... User unknown\n550 5.1.1 <{to}>... User unknown\n",
                group(
                    "Final-Recipient: RFC822; {to}",
                    "Action: failed",
                    "Status: 5.1.1",
                    "Remote-MTA: DNS; imap.example.net",
                    "Diagnostic-Code: SMTP; 550 5.1.1 <{to}>... User unknown",
                    "Last-Attempt-Date: Fri, 27 Nov 2026 09:00:02 GMT",
                ),
                header="Auto-Submitted: auto-generated (failure)\n",
                sender=sendmail,
                subject="Returned mail: see transcript for details",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="sendmail-for-people",
            text=plain(
                "   ----- The following addresses had permanent fatal errors -----\n<{to}>\n\n"
                "   ----- Transcript of session follows -----\n550 5.1.1 <{to}>... User unknown\n",
                sender=sendmail,
                subject="Returned mail: User unknown",
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="sendmail-warning",
            text=report(
                "    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n",
                group("Final-Recipient: RFC822; {to}", "Action: delayed", "Status: 4.4.1"),
                header="Auto-Submitted: auto-generated (warning-timeout)\n",
                sender=sendmail,
                subject="Warning: could not send message for past 4 hours",
            ),
            kind="delayed",
        ),
    ]


def of_gateways() -> list[Sample]:
    """As filters and gateways write them, whose reports are not always what RFC 3464 says."""
    return [
        Sample(
            name="gateway-angle-address-without-type",
            text=report(
                "Refused.",
                group(
                    "Final-Recipient: <{to}>",
                    "Action: failed",
                    "Status: 5.7.1",
                    "Diagnostic-Code: smtp; 554 5.7.1 Message rejected as spam by content filter",
                ),
            ),
            kind="failed",
            event="returned",
            code=554,
            enhanced="5.7.1",
            reason="spam_content",
        ),
        Sample(
            name="gateway-no-blank-line-between-groups",
            text=report("Refused.", group(FINAL, "Action: failed", "Status: 5.1.1").replace("\n\n", "\n")),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-blank-line-within-group",
            text=report("Refused.", group(FINAL, "", "Action: failed", "Status: 5.1.1")),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-status-with-comment",
            text=report(
                "Refused.",
                group(FINAL, "Action: failed (permanent)", "Status: 5.1.1 (bad destination mailbox address)"),
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-without-action",
            text=report("Refused.", group(FINAL, "Status: 5.1.1")),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-capitals",
            text=report("Refused.", group("FINAL-RECIPIENT: RFC822; {to}", "ACTION: FAILED", "STATUS: 5.1.1")),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-multipart-mixed",
            text=report("Refused.", group(FINAL, "Action: failed", "Status: 5.1.1")).replace(
                "multipart/report; report-type=delivery-status", "multipart/mixed"
            ),
            kind="failed",
            event="returned",
            code=550,
            enhanced="5.1.1",
            reason="bad_mailbox",
            suppress=True,
        ),
        Sample(
            name="gateway-our-ip-is-listed",
            text=report(
                "Refused.",
                group(
                    FINAL,
                    "Action: failed",
                    "Status: 5.7.1",
                    "Diagnostic-Code: smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using bl.example",
                ),
            ),
            kind="failed",
            event="returned",
            code=554,
            enhanced="5.7.1",
            reason="ip_reputation",
        ),
        Sample(
            name="domino-for-people",
            text=plain(
                "Your message\n\n  Subject: Your order\n\nwas not delivered to:\n\n  {to}\n\nbecause:\n\n  Error.\n",
                sender="postmaster@example.net",
                subject="DELIVERY FAILURE: User not listed",
            ),
            kind="failed",
            event="returned",
            code=550,
        ),
        Sample(
            name="newsletter-of-a-person",
            text=plain("Hello, who are you?\n", sender="someone@example.net", subject="Re: Your order"),
            kind="unknown",
        ),
    ]


def arf(feedback: str, *fields: str, agent: str = "ExampleFBL/1.0", sender: str = "fbl@example.net") -> str:
    """A complaint (RFC 5965)."""
    lines = "\n".join([f"Feedback-Type: {feedback}", f"User-Agent: {agent}", "Version: 1", *fields])
    return report(
        "This is an email abuse report for an email message received from IP 192.0.2.10.",
        lines + "\n",
        kind="feedback-report",
        sender=sender,
        subject="FW: Your order",
    )


def of_complaints() -> list[Sample]:
    """As feedback loops send them."""
    source = "Source-IP: 192.0.2.10"
    from_ = "Original-Mail-From: <{path}>"
    told = {"kind": "complaint", "event": "complained", "reason": "complaint"}
    quiet = {"kind": "other_feedback"}
    return [
        Sample(
            name="arf-yahoo",
            text=arf(
                "abuse",
                from_,
                "Original-Rcpt-To: {to}",
                source,
                "Reported-Domain: example.com",
                agent="Yahoo!-Mail-Feedback/2.0",
            ),
            **told,
        ),
        Sample(
            name="arf-aol-redacted",
            text=arf("abuse", from_, "Original-Rcpt-To: redacted@example.net", source, agent="AOL SComp"),
            **told,
        ),
        Sample(
            name="arf-fastmail",
            text=arf("abuse", source, "Arrival-Date: Fri, 27 Nov 2026 09:00:01 +0000", agent="FastMail-FBL/1.0"),
            **told,
        ),
        Sample(name="arf-fraud", text=arf("fraud", from_, source), **told),
        Sample(name="arf-opt-out", text=arf("opt-out", from_), **told),
        Sample(name="arf-virus", text=arf("virus", from_), **told),
        Sample(name="arf-unknown-type", text=arf("x-newly-invented", from_), **told),
        Sample(name="arf-not-spam", text=arf("not-spam", from_), **quiet),
        Sample(name="arf-auth-failure", text=arf("auth-failure", from_, "Auth-Failure: dmarc"), **quiet),
        Sample(
            name="outlook-jmrp",
            text=(
                "From: <staff@hotmail.example>\nTo: <fbl@bounce.example.com>\nSubject: complaint about message from 192.0.2.10\n"
                'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_j"\n\n--=_j\n'
                "Content-Type: message/rfc822\nContent-Disposition: inline\n\n"
                "X-HmXmrOriginalRecipient: {to}\nX-MS-Exchange-EOPDirect: true\n" + ORIGINAL + BODY + "\n--=_j--\n"
            ),
            **told,
        ),
    ]


def of_automatons() -> list[Sample]:
    """What no bounce is."""
    away = "I am away until Monday. For urgent matters write to colleague@example.net.\n"
    someone = "Some One <someone@example.net>"
    none = {"kind": "auto_reply"}
    return [
        Sample(
            name="out-of-office-rfc3834",
            text=plain(away, sender=someone, subject="Re: Your order", header="Auto-Submitted: auto-replied\n"),
            **none,
        ),
        Sample(
            name="out-of-office-exchange",
            text=plain(
                away, sender=someone, subject="Automatic reply: Your order", header="X-Auto-Response-Suppress: All\n"
            ),
            **none,
        ),
        Sample(
            name="vacation-precedence",
            text=plain(away, sender=someone, subject="away", header="Precedence: bulk\n"),
            **none,
        ),
        Sample(
            name="out-of-office-german",
            text=plain(away, sender=someone, subject="Abwesenheitsnotiz: Your order"),
            **none,
        ),
        Sample(
            name="autoresponder-field",
            text=plain(away, sender=someone, subject="Thank you", header="X-Autoreply: yes\n"),
            **none,
        ),
        Sample(
            name="read-receipt",
            text=report(
                "Your message was read.",
                "Reporting-UA: example.net; Reader 1\nFinal-Recipient: rfc822;{to}\n"
                "Disposition: manual-action/MDN-sent-manually; displayed\n",
                kind="disposition-notification",
                sender=someone,
                subject="Read: Your order",
            ),
            **none,
        ),
    ]


SAMPLES = (
    *of_postfix(),
    *of_exim(),
    *of_exchange(),
    *of_large_providers(),
    *of_qmail_and_sendmail(),
    *of_gateways(),
    *of_complaints(),
    *of_automatons(),
)
