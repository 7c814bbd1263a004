"""Mail hosts that others wrote, each run with a configuration of the test's own, and what they keep read back.

Debian's Postfix, Exim, OpenSMTPD and Dovecot, with Postfix's postgrey; Haraka from npm and aiosmtpd from PyPI.
``script/receivers`` installs them, those that conflict with each other in a folder apart. They change users, so they
are started by root, and their folder is one that others may enter.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

__all__ = [
    "APART",
    "HOSTS",
    "Aiosmtpd",
    "Dovecot",
    "Exim",
    "Haraka",
    "OpenSmtpd",
    "Postfix",
    "Postgrey",
    "RealHost",
    "RelayingPostfix",
]

APART = Path(__file__).parents[1] / "var" / "receivers"
"""Where ``script/receivers`` puts what cannot be installed beside the others."""
DOMAINS = ("a.test", "b.test")
REFUSED = "nobody"
"""The local part that no host knows."""
USER, PASSWORD = "me", "s3cret"
MOST_OCTETS = 50_000_000
WITHIN = 20.0
NOBODY = "nobody"
BOUNCES = ("bounce", "defer:bounce", "trace:bounce")


class RealHost:
    """One of them. It takes mail for :data:`DOMAINS`, but to :data:`REFUSED`, and for all of whoever logs in.

    :param certificate: a file with a key and its certificate: it offers STARTTLS.
    :param mechanism: the one by which one logs in.
    :cvar knows_smtputf8: it offers SMTPUTF8.
    :cvar mechanisms: those that it can.
    :cvar has_tls: its STARTTLS works: that of Debian 12's OpenSMTPD (6.8) breaks in OpenSSL 3, whoever calls.
    """

    program: ClassVar[str]
    knows_smtputf8: ClassVar[bool] = True
    mechanisms: ClassVar[tuple[str, ...]] = ("PLAIN", "LOGIN")
    has_tls: ClassVar[bool] = True

    def __init__(self, certificate: Path | None = None, mechanism: str = "PLAIN") -> None:
        self.mechanism = mechanism
        self._made = tempfile.TemporaryDirectory(prefix="sb-host-", ignore_cleanup_errors=True)
        self.folder = Path(self._made.name)
        self.folder.chmod(0o755)
        self.kept = self.folder / "kept"
        self.kept.mkdir()
        self.kept.chmod(0o777)
        self.certificate: Path | None = None
        if certificate is not None:
            self.certificate = self.folder / "certificate.pem"
            shutil.copy(certificate, self.certificate)
            self.certificate.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its program is there."""
        return Path(cls.program).exists()

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file of its configuration."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def configure(self, address: str, port: int) -> list[str]:
        """Write its configuration; the command that runs it until it is terminated."""
        raise NotImplementedError

    async def listen(self, address: str, port: int) -> None:
        """Start it; it greets."""
        command = self.configure(address, port)
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        greeting = b""
        for _ in range(round(WITHIN / 0.05)):
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            with suppress(TimeoutError):
                greeting = await asyncio.wait_for(reader.readline(), 2)
            writer.close()
            if greeting.startswith(b"220"):
                return
        raise AssertionError(f"{type(self).__name__} does not greet\n{self.said()}")

    async def close(self) -> None:
        """End it, with all that it started."""
        process, self._process = self._process, None
        if process is not None:
            self.end(process)
            await asyncio.to_thread(process.wait, 20)
            self._made.cleanup()

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """It has a session of its own, and so have all its children."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)

    def said(self) -> str:
        """What it wrote of itself."""
        logs = [self.folder / "output", *self.folder.glob("log"), *self.folder.glob("logs/*")]
        return "\n".join(one.read_text(errors="replace")[-3000:] for one in logs if one.is_file())

    def mails(self) -> list[bytes]:
        """All messages that it keeps, with their lines as the file has them."""
        inboxes = [one for one in self.kept.rglob("*") if one.is_file() and one.parent.name not in {"tmp", "index"}]
        return [one.read_bytes() for one in inboxes if not one.name.startswith(("dovecot", "maildir", "."))]


class Postfix(RealHost):
    """Postfix, which asks Dovecot about logins, and a policy server about recipients where there is one.

    :param policy: the policy server's port on loopback.
    """

    program = "/usr/sbin/postfix"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def __init__(self, certificate: Path | None = None, mechanism: str = "PLAIN", *, policy: int | None = None) -> None:
        super().__init__(certificate, mechanism)
        self._policy = policy
        self._logins = Dovecot(mechanism=mechanism, folder=self.folder)

    def configure(self, address: str, port: int) -> list[str]:
        """Two files, and its queue in our folder."""
        f = self.folder
        queue, data = f / "queue", f / "data"
        for one in (queue, data):
            one.mkdir()
        shutil.chown(data, "postfix")
        unknown = " ".join(f"{{{REFUSED}@{one}=550 5.1.1 no such user}}" for one in DOMAINS)
        asked = [f"check_recipient_access inline:{{ {unknown} }}"]
        asked += [f"check_policy_service inet:127.0.0.1:{self._policy}"] if self._policy else []
        tls = f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {self.certificate}" if self.certificate else ""
        self.write(
            "main.cf",
            f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {f}/log
maillog_file_prefixes = {f}
inet_interfaces = 127.0.0.1
myhostname = mx1.a.test
mydestination =
alias_maps =
mynetworks = 192.0.2.1/32
virtual_mailbox_domains = {" ".join(DOMAINS)}
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {self.kept}
virtual_mailbox_limit = 0
virtual_uid_maps = static:{pwd.getpwnam(NOBODY).pw_uid}
virtual_gid_maps = static:{pwd.getpwnam(NOBODY).pw_gid}
default_transport = virtual
mailbox_size_limit = 0
message_size_limit = {MOST_OCTETS}
smtpd_recipient_limit = 1000
smtputf8_enable = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {f}/logins
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = {", ".join(asked)}, permit
{tls}
""",
        )
        lines = [f"{address}:{port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
        lines += ["cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "virtual unix - n n - - virtual"]
        for one in ("tlsmgr", "anvil"):
            lines.append(f"{one} unix - - n - 1 {one}")
        for one in ("rewrite:trivial-rewrite", "proxymap", "error", "retry:error", *BOUNCES):
            name, _, program = one.partition(":")
            lines.append(f"{name} unix - - n - {'0' if one in BOUNCES else '-'} {program or name}")
        self.write("master.cf", "\n".join(lines) + "\n")
        self._logins.start_logins()
        return [self.program, "-c", str(f), "start-fg"]

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """By its own command: its master has a session of its own."""
        del process
        subprocess.run([self.program, "-c", str(self.folder), "stop"], capture_output=True, check=False)  # noqa: S603
        self._logins.stop_logins()


class RelayingPostfix(RealHost):
    """Postfix as many machines have it: it takes what programs here send, and hands all of it on.

    :param transport: to where, as ``default_transport`` has it.
    :param more: lines for ``main.cf``.
    """

    program = Postfix.program

    def __init__(self, transport: str, more: str = "") -> None:
        super().__init__()
        self._transport = transport
        self._more = more

    def configure(self, address: str, port: int) -> list[str]:
        """Two files, and its queue in our folder."""
        f = self.folder
        queue, data = f / "queue", f / "data"
        for one in (queue, data):
            one.mkdir()
        shutil.chown(data, "postfix")
        self.write(
            "main.cf",
            f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {f}/log
maillog_file_prefixes = {f}
inet_interfaces = 127.0.0.1
myhostname = app.shop.test
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = {self._transport}
relay_transport = {self._transport}
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtp_dns_support_level = disabled
smtputf8_enable = yes
{self._more}""",
        )
        lines = [f"{address}:{port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
        lines += ["cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr"]
        lines += [f"{one} unix - - n - - {one}" for one in ("smtp", "lmtp")]
        lines += [f"{one} unix - - n - 1 {one}" for one in ("tlsmgr", "anvil", "scache")]
        for one in ("rewrite:trivial-rewrite", "proxymap", "error", "retry:error", *BOUNCES):
            name, _, program = one.partition(":")
            lines.append(f"{name} unix - - n - {'0' if one in BOUNCES else '-'} {program or name}")
        self.write("master.cf", "\n".join(lines) + "\n")
        return [self.program, "-c", str(f), "start-fg"]

    def flush(self) -> None:
        """Have it try all that waits: what its queue manager skipped once, "still being delivered", waits long else."""
        subprocess.run([self.program, "-c", str(self.folder), "flush"], capture_output=True, check=False)  # noqa: S603

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """By its own command: its master has a session of its own."""
        del process
        subprocess.run([self.program, "-c", str(self.folder), "stop"], capture_output=True, check=False)  # noqa: S603


class Exim(RealHost):
    """Exim, from a folder apart: beside Postfix it cannot be installed."""

    program = str(APART / "exim" / "usr" / "sbin" / "exim4")
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def configure(self, address: str, port: int) -> list[str]:
        """One file; what it starts needs no rights that it has given up."""
        f = self.folder
        for name in ("spool", "logs"):
            (f / name).mkdir()
            (f / name).chmod(0o777)
        tls = f"tls_advertise_hosts = *\ntls_certificate = {self.certificate}\ntls_privatekey = {self.certificate}"
        if self.certificate:
            self.certificate.chmod(0o644)
        logins = {
            "PLAIN": f"""plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2""",
            "LOGIN": f"""login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1""",
            "CRAM-MD5": f"""cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1""",
        }
        config = self.write(
            "exim.conf",
            f"""
exim_path = {self.program}
exim_user = {NOBODY}
exim_group = nogroup
never_users =
deliver_drop_privilege = true
primary_hostname = mx1.a.test
keep_environment =
daemon_smtp_ports = {port}
local_interfaces = {address}
spool_directory = {f}/spool
log_file_path = {f}/logs/%slog
host_lookup =
rfc1413_hosts =
smtp_accept_max = 500
smtp_accept_max_per_connection = 1000
smtp_accept_queue_per_connection = 0
recipients_max = 1000
message_size_limit = {MOST_OCTETS}
smtputf8_advertise_hosts = *
{tls if self.certificate else "tls_advertise_hosts ="}
domainlist ours = {" : ".join(DOMAINS)}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  deny message = no such user
       local_parts = {REFUSED}
  accept domains = +ours
  accept authenticated = *
  deny message = relay not permitted
data:
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {self.kept}
  maildir_format
  user = {NOBODY}
begin authenticators
{logins[self.mechanism]}
""",
        )
        return [
            self.program,
            "-C",
            str(config),
            "-bdf",
            "-oX",
            f"<; [{address}]:{port}" if ":" in address else f"{address}.{port}",
        ]


class OpenSmtpd(RealHost):
    """OpenSMTPD, from a folder apart. Its queue has one place on a machine: one runs at a time."""

    program = str(APART / "opensmtpd" / "usr" / "sbin" / "smtpd")
    knows_smtputf8 = False
    mechanisms = ("PLAIN",)
    has_tls = False

    def configure(self, address: str, port: int) -> list[str]:
        """One file, and a program that keeps what it is handed."""
        self._alone = (APART / "opensmtpd" / "lock").open("w")
        fcntl.flock(self._alone, fcntl.LOCK_EX)
        made = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, check=True)  # noqa: S603, S607
        hashed = made.stdout.decode().strip()
        pki, tls = "", ""
        if self.certificate:
            pki = f'pki here cert "{self.certificate}"\npki here key "{self.certificate}"'
            tls = "tls pki here"
        keep = self.write(
            "keep",
            f"#!/bin/sh\nf=$(mktemp {self.kept}/.XXXXXXXXXX)\ncat >$f && mv $f {self.kept}/$$.$(date +%N)\n",
            0o755,
        )
        config = self.write(
            "smtpd.conf",
            f"""
{pki}
table users {{ "@" = "{NOBODY}" }}
table logins {{ {USER} = "{hashed}" }}
smtp max-message-size "{MOST_OCTETS}"
listen on {address} port {port} hostname mx1.a.test {tls} {"auth-optional <logins>" if tls else ""}
action "keep" mda "{keep}" virtual <users>
match from any for rcpt-to regex {{ "^{REFUSED}@.*" }} reject
match from any for domain {{ {", ".join(f'"{one}"' for one in DOMAINS)} }} action "keep"
match auth from any for any action "keep"
""",
            0o600,
        )
        return [self.program, "-d", "-f", str(config)]

    async def close(self) -> None:
        """The next one may begin."""
        await super().close()
        self._alone.close()


class Haraka(RealHost):
    """Haraka, whose plugins are ours only where it keeps what it took."""

    program = str(APART / "haraka" / "node_modules" / "Haraka" / "bin" / "haraka")
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def configure(self, address: str, port: int) -> list[str]:
        """A folder of small files."""
        shutil.copytree(Path(self.program).parents[1] / "config", self.folder / "config")
        connection = self.folder / "config" / "connection.ini"  # else it breaks lines that RFC 5321 allows
        connection.write_text(connection.read_text().replace("data_line_length=992", "data_line_length=2000"))
        tls = ["tls"] if self.certificate else []
        plugins = [*tls, "auth/flat_file", "keep"]
        files = {
            "me": "mx1.a.test",
            "smtp.ini": f"listen={address}:{port}\nnodes=0\n[headers]\n",
            "plugins": "\n".join(plugins),
            "databytes": str(MOST_OCTETS),
            "max_unrecognized_commands": "10",
            "loglevel": "NOTICE",
            "auth_flat_file.ini": f"[core]\nmethods={self.mechanism}\n[users]\n{USER}={PASSWORD}\n",
            "tls.ini": f"key={self.certificate}\ncert={self.certificate}\n",
        }
        for name, text in files.items():
            self.write(f"config/{name}", text + "\n")
        ours = ", ".join(f"'{one}'" for one in DOMAINS)
        self.write(
            "plugins/keep.js",
            f"""
const fs = require('fs'); let number = 0;
exports.hook_rcpt = (next, connection, params) => {{
  if (params[0].user === '{REFUSED}') return next(DENY, 'no such user');
  if (connection.notes.auth_user || [{ours}].includes(params[0].host)) return next(OK);
  next(DENY, 'relay not permitted');
}};
exports.hook_queue = exports.hook_queue_outbound = (next, connection) => {{
  const name = `{self.kept}/${{number++}}`;
  const file = fs.createWriteStream(`${{name}}.part`);
  file.on('close', () => fs.rename(`${{name}}.part`, name, () => next(OK)));
  connection.transaction.message_stream.pipe(file, {{ line_endings: '\\n' }});
}};
""",
        )
        return ["node", self.program, "-c", str(self.folder)]


class Aiosmtpd(RealHost):
    """aiosmtpd, by a program of some lines."""

    program = sys.executable

    @classmethod
    def is_installed(cls) -> bool:
        """Whether the package is."""
        asked = subprocess.run([cls.program, "-c", "import aiosmtpd"], capture_output=True, check=False)  # noqa: S603
        return asked.returncode == 0

    def configure(self, address: str, port: int) -> list[str]:
        """Its handler."""
        tls = f"ssl.create_default_context(ssl.Purpose.CLIENT_AUTH); context.load_cert_chain({str(self.certificate)!r})"
        made = self.write(
            "host.py",
            f"""
import asyncio, itertools, ssl
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
numbers = itertools.count()
class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("{REFUSED}@"):
            return "550 5.1.1 no such user"
        if not session.authenticated and address.rpartition("@")[2] not in {DOMAINS!r}:
            return "550 5.7.1 relay not permitted"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"
    async def handle_DATA(self, server, session, envelope):
        with open(f"{self.kept}/{{next(numbers)}}", "wb") as file:
            file.write(envelope.original_content.replace(b"\\r\\n", b"\\n"))
        return "250 2.0.0 kept"
def who(server, session, envelope, mechanism, data):
    return AuthResult(handled=False, success=(data.login, data.password) == (b"{USER}", b"{PASSWORD}"))
context = {tls if self.certificate else "None"}
controller = Controller(Keep(), "{address}", {port}, server_hostname="mx1.a.test", enable_SMTPUTF8=True,
    server_kwargs=dict(data_size_limit={MOST_OCTETS}, tls_context=context, authenticator=who, auth_require_tls=False,
        auth_exclude_mechanism={{"PLAIN", "LOGIN"}} - {{"{self.mechanism}"}}))
controller.start()
asyncio.new_event_loop().run_forever()
""",
        )
        return [self.program, "-W", "ignore", str(made)]


class Dovecot(RealHost):
    """Dovecot: LMTP at a host's port or a socket, and the logins of Postfix.

    :param folder: of another host's, whose logins it judges.
    """

    program = "/usr/sbin/dovecot"
    knows_smtputf8 = False

    def __init__(
        self, certificate: Path | None = None, mechanism: str = "PLAIN", *, folder: Path | None = None
    ) -> None:
        super().__init__(certificate, mechanism)
        self._logins_of = folder

    @property
    def socket(self) -> Path:
        """Where it takes mail, beside its port."""
        return self.folder / "lmtp"

    def _config(self, protocols: str, services: str) -> list[str]:
        f = self.folder
        people = [REFUSED + "-not", *(f"u{number}" for number in range(100)), "r", "jörg"]
        ids = pwd.getpwnam(NOBODY)
        self.write(
            "users",
            "\n".join(
                f"{one}@{where}::{ids.pw_uid}:{ids.pw_gid}::{self.kept}/{one}" for one in people for where in DOMAINS
            ),
        )
        config = self.write(
            "dovecot.conf",
            f"""
protocols = {protocols}
base_dir = {f}/run
state_dir = {f}/run
log_path = {f}/log
ssl = no
mail_location = maildir:~
first_valid_uid = 1
auth_mechanisms = {self.mechanism.lower()}
disable_plaintext_auth = no
passdb {{
  driver = static
  args = user={USER} password={PASSWORD}
}}
userdb {{
  driver = passwd-file
  args = {f}/users
}}
{services}
""",
        )
        return [self.program, "-F", "-c", str(config)]

    def configure(self, address: str, port: int) -> list[str]:
        """LMTP, twice."""
        return self._config(
            "lmtp",
            f"""
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {port}
  }}
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
""",
        )

    def start_logins(self) -> None:
        """Judge the logins of the other host."""
        listener = f"unix_listener {self._logins_of}/logins {{\n    mode = 0666\n  }}"
        command = self._config("", f"service auth {{\n  {listener}\n}}\n")
        self._process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own command

    def stop_logins(self) -> None:
        """No more."""
        if self._process is not None:
            self.end(self._process)
            self._process.wait(20)
            self._made.cleanup()


class Postgrey:
    """Postfix's greylisting: who comes again after so many seconds is known."""

    program = "/usr/sbin/postgrey"

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its program is there."""
        return Path(cls.program).exists()

    def __init__(self, port: int, seconds: int) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="sb-grey-", ignore_cleanup_errors=True)
        shutil.chown(self._made.name, NOBODY)
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *(self.program, f"--inet=127.0.0.1:{port}", f"--delay={seconds}", f"--dbdir={self._made.name}"),
                *(f"--user={NOBODY}", "--group=nogroup", "--auto-whitelist-clients=0"),
            ],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)
        self._made.cleanup()


HOSTS: dict[str, type[RealHost]] = {
    "Postfix": Postfix,
    "Exim": Exim,
    "OpenSMTPD": OpenSmtpd,
    "Haraka": Haraka,
    "aiosmtpd": Aiosmtpd,
}
"""Those that speak SMTP, by the name that people know."""
