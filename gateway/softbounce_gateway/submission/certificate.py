"""The certificate that we show to clients: read when the service starts, and again when its file was renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from softbounce_config import Config

from softbounce.errors import ConfigError

__all__ = ["Certificate", "check_certificate", "configured"]


def configured(config: Config) -> Certificate | None:
    """The one that the configuration names.

    :raises ConfigError: it cannot be used.
    """
    certificate, key = config.gateway.tls_certificate, config.gateway.tls_key
    return None if certificate is None or key is None else Certificate(certificate, key)


def check_certificate(config: Config) -> None:
    """Look whether it can be used, before anything is started.

    :raises ConfigError: it cannot.
    """
    configured(config)


class Certificate:
    """A certificate with its key.

    :raises ConfigError: they cannot be used; naming the file.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self._seen = self._changed_at()
        self._load(self.context)

    def look(self) -> bool:
        """Load it anew where the files changed; whether it was.

        :raises ConfigError: the new ones cannot be used; the old ones are shown as before.
        """
        seen = self._changed_at()
        if seen == self._seen:
            return False
        self._seen = seen
        self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))  # half a pair would be shown, else
        self._load(self.context)
        return True

    def _changed_at(self) -> tuple[int, int]:
        try:
            return self._certificate.stat().st_mtime_ns, self._key.stat().st_mtime_ns
        except OSError as error:
            raise ConfigError(f"[gateway] tls_certificate, tls_key: {error.filename}: {error.strerror}") from None

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"[gateway] tls_certificate = {str(self._certificate)!r}, tls_key = {str(self._key)!r}: cannot be used "
                f"as a certificate and its key in PEM: {reason}"
            ) from None


def _no_password() -> str:
    raise ValueError("the key has a password, and there is nobody to ask for it")
