"""Where mail is taken in, and what has to be there before it may be: decided when the service starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from softbounce_config import Config
from softbounce_config.hosts import split_endpoint

from softbounce.errors import ConfigError
from softbounce_gateway.submission.house import Protocol

__all__ = ["Endpoint", "check_endpoints", "endpoints", "is_loopback", "return_endpoints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A place to listen at.

    :ivar name: the key of ``[gateway]``.
    :ivar is_tls: TLS from the first octet on (RFC 8314).
    """

    name: str
    text: str
    protocol: Protocol
    is_tls: bool

    @property
    def where(self) -> tuple[str, int]:
        """Host and port."""
        return split_endpoint(self.text)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine gets there."""
        return is_loopback(self.where[0])


def is_loopback(host: str) -> bool:
    """Whether this is an address that only this machine reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoints(config: Config) -> Iterator[Endpoint]:
    """Those that are asked for."""
    gateway = config.gateway
    for name, text, protocol, is_tls in (
        ("submission", gateway.submission, "smtp", False),
        ("submissions", gateway.submissions, "smtp", True),
        ("lmtp", gateway.lmtp, "lmtp", False),
    ):
        if text:
            yield Endpoint(name=name, text=text, protocol=protocol, is_tls=is_tls)  # type: ignore[arg-type]


def return_endpoints(config: Config) -> Iterator[Endpoint]:
    """Those for what comes back: nobody logs in there, for nothing is sent anywhere."""
    gateway = config.gateway
    if gateway.returns:
        yield Endpoint(name="returns", text=gateway.returns, protocol="smtp", is_tls=False)
    if gateway.returns_lmtp:
        yield Endpoint(name="returns_lmtp", text=gateway.returns_lmtp, protocol="lmtp", is_tls=False)


def check_endpoints(config: Config, *, has_token: bool) -> None:
    """Look whether one would be open to strangers, or have nothing to show them.

    :raises ConfigError: naming the key, and what to do.
    """
    has_certificate = config.gateway.tls_certificate is not None
    for one in endpoints(config):
        where = f"[gateway] {one.name} = {one.text!r}"
        if one.is_tls and not has_certificate:
            raise ConfigError(f"{where} is TLS from the first octet on: give [gateway] tls_certificate and tls_key")
        if one.is_loopback:
            continue
        if not has_token:
            raise ConfigError(
                f"{where} can be reached from other machines, and there is no token to log in with: anybody could send "
                "mail through it. Make one (`softbounce token new`), or listen on 127.0.0.1"
            )
        if not has_certificate:
            raise ConfigError(
                f"{where} can be reached from other machines, and tokens would go over the network in clear: give "
                "[gateway] tls_certificate and tls_key, or listen on 127.0.0.1"
            )
