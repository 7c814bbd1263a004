"""The tables of the config file that say how the service runs on this machine.

Policies and rules, which travel in the store, are in :mod:`softbounce_config.rules`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from softbounce.settings import BUILT_IN
from softbounce_config.fields import (
    Addresses,
    Duration,
    DurationOrZero,
    Endpoint,
    Hostname,
    JobsUrl,
    Lease,
    Memory,
    Nameservers,
    OwnAddresses,
    RulePack,
    Section,
    Size,
    StoreUrl,
    TextPath,
    Words,
)
from softbounce_config.hosts import LARGEST_PORT, split_nameserver
from softbounce_config.process_settings import DialSettings, RouteSettings, Timeouts, Transcripts

__all__ = [
    "ClassifySection",
    "DnsSection",
    "GatewaySection",
    "IdentitySection",
    "JobsSection",
    "SchedulerSection",
    "SmtpSection",
    "SmtpTimeouts",
    "StoreSection",
    "WorkerSection",
]

# Whose defaults the fields take, so that each stands once.
ROUTE = RouteSettings(own_hostname="")
DIALLING = DialSettings(hostname="")
TIMEOUTS = Timeouts()


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class StoreSection(Section):
    """Where mail is kept, how safely, and for how long after it ended."""

    url: StoreUrl = Field(
        default="embedded",
        description="`embedded` (a Valkey of our own on `{data_dir}/store.sock`), or `redis://`, `rediss://`, "
        "`unix://`, `redis+cluster://HOST:PORT,HOST:PORT`, `redis+sentinel://HOST:PORT,HOST:PORT/SERVICE` (the hosts "
        "are sentinels, the service is what they call the primary).",
    )
    data_dir: TextPath = Field(
        default=Path("var"),
        description="The folder for all that must outlive a restart: the embedded store, its socket, the workers' "
        "journals. Relative to the config file.",
    )
    durability: Literal["always", "everysec", "none"] = Field(
        default="always",
        description="What is claimed of the store: that it writes to disk before it answers, or once a second (a power "
        "loss may then take up to two seconds of accepted mail), or nothing (a restart of it may lose accepted mail: "
        "for trying things out, or a managed server without an append-only file). The embedded store does as it says; "
        "a server of your own that is less safe than this claims is refused at start, also where this is the default.",
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Into how many parts the store's keys are split: 1 on one server, 16 or so on a cluster. The "
        "first write fixes it.",
    )
    maxmemory: Memory = Field(
        default="auto",
        description="How much memory the embedded store may take before it refuses new mail (`StoreFull`). `auto`: of "
        "the memory of this container (all its control groups) or machine 60 % of what the other processes of this "
        "`up` leave, at least a quarter of it all; `none` or 0: no limit, and the kernel kills the store when there is "
        "none left. A server of your own is limited by its own `maxmemory`.",
    )
    keep_finished: Duration = Field(
        default=BUILT_IN.keep_finished, description="How long `show` knows an envelope that ended."
    )
    keep_finished_max: Size = Field(
        default=BUILT_IN.keep_finished_max_octets,
        description="How much finished envelopes of each shard may take together; beyond it the oldest go first. When "
        "memory is short they all give way, then events, then keys of ended messages.",
    )
    keep_bodies: DurationOrZero = Field(
        default=BUILT_IN.keep_bodies,
        description="How long the message of an envelope that bounced or was cancelled is kept, so that `resend` can "
        "send it again. 0: not at all. That of a delivered one goes at once.",
    )
    keep_bodies_max: Size = Field(
        default=BUILT_IN.keep_bodies_max_octets,
        description="How much such messages of each shard may take together; beyond it the oldest go first. When "
        "memory is short they all give way, before anything else.",
    )
    keep_keys: Duration = Field(
        default=BUILT_IN.keep_keys,
        description="How long an idempotency key is remembered; never shorter than its envelopes live. One that `send` "
        "made itself: 15 minutes, and as long as they live.",
    )
    keep_events: Duration = Field(
        default=BUILT_IN.keep_events, description="How long an event can be read. A reader further behind is told so."
    )
    keep_events_max: int = Field(
        default=BUILT_IN.keep_events_max,
        ge=1000,
        description="How many events each shard keeps, to one batch; beyond it the oldest go first.",
    )


class JobsSection(Section):
    """Where dramatiq's jobs are. They are hints: losing them delays mail and loses none."""

    url: JobsUrl = Field(
        default="",
        description="A Redis or Valkey of their own, or a database without mail. Empty: database 1 of the store's "
        "server (2 when the mail is in 1); where it has no other database, or our user may not go there, the namespace "
        "`sb:{jobs}` beside the mail; on a cluster the namespace `{jobs}`.",
    )


class IdentitySection(Section):
    """Who we are to the hosts that we deliver to."""

    hostname: Hostname = Field(
        default="",
        description="The name given in EHLO (RFC 5321 §4.1.1.1): fully qualified, and with a PTR record that leads "
        "back to it. Empty: the machine's own name. `up` refuses to mail with a name that is none to other hosts, such "
        "as `localhost` or a container's id; a playground needs none.",
    )
    addresses: OwnAddresses = Field(
        default=ROUTE.own_addresses,
        description="An MX host with one of these addresses, or named `hostname`, is ourselves: it and all that come "
        "after it are left out, and mail for a domain whose best host we are ends with 5.4.6 (RFC 5321 §5.1). "
        "`interfaces` stands for whatever the machine has, but for loopback. Add those of a NAT or proxy before it. "
        "Where another mail server of yours has the same address: `[]`.",
    )


class WorkerSection(Section):
    """The worker processes of one `up`."""

    processes: int = Field(default=2, ge=1, le=256, description="How many worker processes run.")
    sessions: int = Field(
        default=2000, ge=1, le=100_000, description="How many SMTP sessions one process may have open."
    )
    bodies: Size = Field(
        default=256 * 1024 * 1024,
        ge=1,
        description="How much of the messages' bodies one process holds in memory at a time. The largest message "
        "always fits, when it is the only one.",
    )
    drain: DurationOrZero = Field(
        default=timedelta(seconds=60),
        description="How long a stopping process may finish what it began. 0: it ends its sessions at once.",
    )
    lease: Lease = Field(
        default=timedelta(seconds=10),
        description="After so long without a sign of life a process counts as lost and its envelopes go to others. "
        "At least 1s.",
    )


class SchedulerSection(Section):
    """What decides when."""

    sweep: Duration = Field(
        default=timedelta(seconds=5),
        description="How often the store is swept: lapsed leases, closed windows, lanes with work and no worker.",
    )
    hold_pauses_window: bool = Field(
        default=BUILT_IN.hold_pauses_window,
        description="Whether a policy's window stands still while an operator holds an envelope.",
    )


class DnsSection(Section):
    """How names are looked up."""

    nameservers: Nameservers = Field(
        default=ROUTE.nameservers,
        description='The servers to ask, as in `"192.0.2.53"`, `"127.0.0.1:5300"` or `"[::1]:5300"`. Empty: those '
        "of the system (`/etc/resolv.conf`, followed when it changes).",
    )
    trusted: Addresses = Field(
        default=ROUTE.trusted,
        description="Addresses of those on other machines whose word on DNSSEC (the AD bit) is believed, and the "
        "network there. A resolver on 127.0.0.1 or ::1 is believed always. DANE is on where all servers are.",
    )
    timeout: Duration = Field(default=ROUTE.timeout, description="How long one lookup may take in all.")
    nxdomain_storm: float = Field(
        default=ROUTE.nxdomain_storm,
        ge=0.0,
        lt=1.0,
        description="When more than this share of the domains looked up lately, and at least 25, are said not to "
        "exist, that is not believed, for an hour at most: their mail waits. 0: always believed at once.",
    )

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """The nameservers as (address, port)."""
        return tuple(split_nameserver(text) for text in self.nameservers)


class SmtpTimeouts(Section):
    """How long each stage may stay without an answer before the attempt ends.

    From `greeting` to `end_of_data` the defaults are the minimums of RFC 5321 §4.5.3.2; EHLO has none there and gets
    that of MAIL. `connect`, `rset`, `quit` and `idle` bound what costs no mail when it is cut short.
    """

    connect: Duration = Field(default=_seconds(TIMEOUTS.connect), description="The TCP connection to one address.")
    greeting: Duration = Field(default=_seconds(TIMEOUTS.greeting), description="The 220 greeting (§4.5.3.2.1).")
    ehlo: Duration = Field(default=_seconds(TIMEOUTS.ehlo), description="The reply to EHLO or HELO.")
    starttls: Duration = Field(
        default=_seconds(TIMEOUTS.starttls),
        description="The reply to STARTTLS, and then the TLS handshake. Where mail may go in clear, it does so then.",
    )
    auth: Duration = Field(default=_seconds(TIMEOUTS.auth), description="Each reply to AUTH, at a smarthost.")
    mail: Duration = Field(default=_seconds(TIMEOUTS.mail), description="The reply to MAIL (§4.5.3.2.2).")
    rcpt: Duration = Field(default=_seconds(TIMEOUTS.rcpt), description="The reply to each RCPT (§4.5.3.2.3).")
    data: Duration = Field(default=_seconds(TIMEOUTS.data), description="The reply to DATA (§4.5.3.2.4).")
    block: Duration = Field(
        default=_seconds(TIMEOUTS.block),
        description="Each 64 KiB of the message that is being sent (§4.5.3.2.5). On the whole a host has to take 500 "
        "octets a second.",
    )
    end_of_data: Duration = Field(
        default=_seconds(TIMEOUTS.end_of_data),
        description="The reply to the final dot (§4.5.3.2.6). Cut short, it doubles mail.",
    )
    rset: Duration = Field(default=_seconds(TIMEOUTS.rset), description="The reply to RSET.")
    quit: Duration = Field(
        default=_seconds(TIMEOUTS.quit), description="The reply to QUIT, whose outcome does not matter."
    )
    idle: Duration = Field(
        default=_seconds(TIMEOUTS.idle), description="How long an open session waits for the lane's next message."
    )


class SmtpSection(Section):
    """How mail leaves."""

    port: int = Field(
        default=DIALLING.port, ge=1, le=LARGEST_PORT, description="The port that mail hosts are reached at."
    )
    allow_private_addresses: bool = Field(
        default=ROUTE.allow_private,
        description="Whether loopback, private and other non-public addresses may be dialled. Off, a stranger's MX "
        "record cannot make us speak to our own network.",
    )
    max_message: Size = Field(
        default=BUILT_IN.max_message_octets, description="The largest message that `send` accepts."
    )
    connections_per_address: int = Field(
        default=DIALLING.connections_per_address,
        ge=1,
        le=10_000,
        description="How many sessions a worker process has at one address, over all the sites whose hosts share it. A "
        "`[[lane]]` may allow more.",
    )
    tlsrpt: TextPath | None = Field(
        default=DIALLING.tlsrpt,
        description="The socket of a collector of TLS results on this machine (`tlsrpt-collectd`), which sends the "
        "reports that domains ask for (RFC 8460). Without one they are counted only (`softbounce tls`).",
    )
    transcripts: Transcripts = Field(
        default=DIALLING.transcripts,
        description="Which attempts keep what was said, for `show --transcript`: those that did not deliver, `all`, or "
        "`none`. An envelope keeps its last three. One takes half a KiB of the store, as a rule, and never more than "
        "six.",
    )
    timeouts: SmtpTimeouts = Field(default_factory=SmtpTimeouts)


class GatewaySection(Section):
    """The ways in and out besides the command line."""

    http: Endpoint = Field(
        default="127.0.0.1:8026",
        description="Where HTTP listens: the interface, and health. Beyond loopback it wants tokens. While another "
        "process listens at the default place it is waited for. Empty: nowhere.",
    )
    submission: Endpoint = Field(
        default="",
        description='Where apps hand over mail by SMTP, as in `"127.0.0.1:1587"`; encrypted by STARTTLS where there is '
        "a certificate. Beyond loopback it wants one, and tokens to log in with. Empty: nowhere.",
    )
    submissions: Endpoint = Field(
        default="",
        description='The same, encrypted from the first octet on (RFC 8314), as in `"0.0.0.0:465"`. Empty: nowhere.',
    )
    lmtp: Endpoint = Field(
        default="",
        description='Where a mail server hands over its queue by LMTP, as in `"127.0.0.1:1024"`. Empty: nowhere.',
    )
    returns: Endpoint = Field(
        default="",
        description="Where bounces and complaints come in by SMTP, to the domains of `[[returns]]`: their MX, as in "
        '`"0.0.0.0:25"`. Takes mail to return paths of ours only, from anybody, without a login. Empty: nowhere.',
    )
    returns_lmtp: Endpoint = Field(
        default="",
        description="The same by LMTP, where a mail server of yours is the MX of these domains and hands their mail "
        'on, as in `"127.0.0.1:1026"`. Empty: nowhere.',
    )
    tls_certificate: TextPath | None = Field(
        default=None,
        description="What is shown to clients that hand over mail: a PEM file, the intermediate certificates behind "
        "our own. Read again when it was renewed. Relative to the file it is named in.",
    )
    tls_key: TextPath | None = Field(default=None, description="The key of that certificate, in PEM, without password.")
    connections: int = Field(
        default=1000, ge=1, le=100_000, description="How many connections may be open at one time to hand over mail."
    )
    connections_per_client: int = Field(
        default=200, ge=1, le=100_000, description="How many of these from one address."
    )
    idle: Duration = Field(
        default=timedelta(minutes=5),
        description="How long a client may stay silent (RFC 5321 §4.5.3.2.7); when four of five connections are taken, "
        "ten seconds.",
    )
    incoming: Size = Field(
        default=128 * 1024 * 1024,
        ge=1,
        description="How much of messages that are coming in may be in memory at a time; beyond it clients are told to "
        "try again later.",
    )


class ClassifySection(Section):
    """The built-in rules that say what a reply means."""

    disabled_rules: Words = Field(
        default=BUILT_IN.disabled_rules,
        description="Built-in rules to switch off, by the name that `show` and `classify` print.",
    )
    rules: RulePack | None = Field(
        default=None,
        description="A rule pack of your own instead of the built-in one: `softbounce classify --rules` prints that. "
        "Each rule is tried on its own examples when it is read. Relative to the file it is named in.",
    )
