"""Certificates of cameras and servers: options for FFmpeg, and in plain words why a connection was not trusted."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from countline.config.models import SourceTls
from countline.errors import SourceError
from countline.video.backoff import Cause
from countline.video.place import host_of, scheme_of

__all__ = ["PORTS", "TLS", "Unreachable", "diagnose", "tls_options"]

TLS = frozenset({"rtsps", "https", "rtmps", "tls"})
"""Schemes that are encrypted."""
PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that they trust; the TLS library inside PyAV's wheel knows of none of them."""
_LOOK = 3.0
"""Seconds that a look at what is wrong may take."""


class Unreachable(OSError):
    """A connection that failed, with the reason in plain words."""

    def __init__(self, what: str, fix: str, cause: Cause) -> None:
        super().__init__(what)
        self.what, self.fix, self.cause = what, fix, cause


def tls_options(location: str, tls: SourceTls, where: str) -> dict[str, str]:
    """FFmpeg's options for an address; empty where nothing is encrypted. Raises SourceError for a file that cannot be read."""
    if location.partition("://")[0].lower() not in TLS:
        return {}
    if not tls.verify:
        return {"tls_verify": "0"}
    if tls.ca is not None and not os.access(tls.ca, os.R_OK):
        raise SourceError(
            f"tls.ca: {tls.ca} cannot be read", where=where, fix="name a PEM file with the authority's certificate"
        )
    bundle = tls.ca or _bundle()
    return {"tls_verify": "1", **({"ca_file": str(bundle)} if bundle else {})}


def _bundle() -> str | None:
    named = os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES
    return next((path for path in named if path and Path(path).is_file()), None)


def diagnose(location: str, tls: SourceTls) -> Unreachable | None:
    """Why nothing can be had from an address of the network: name, TLS. None if neither explains it.

    Called after FFmpeg failed with an error that tells nothing; looks for a few seconds at most, except that the name
    look-up takes as long as the system's does.
    """
    scheme = scheme_of(location)
    parts = urlsplit(f"//{host_of(location)}")
    host = parts.hostname
    if not host:
        return None
    try:
        port = parts.port or PORTS.get(scheme, 554)
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError):
        fix = "check the name, and this machine's DNS"
        return Unreachable(f"the name '{host}' is not known (it does not resolve)", fix, "unreachable")
    if scheme not in TLS:
        return None
    try:
        context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else _bundle())
        if not tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((host, port), timeout=_LOOK) as plain:
            with context.wrap_socket(plain, server_hostname=host):
                return None
    except ssl.SSLCertVerificationError as error:
        return Unreachable(
            f"its certificate is not trusted: {error.verify_message or error.reason}",
            "name its authority with `tls: {ca: FILE.pem}` and call the host as the certificate does; "
            "`tls: {verify: false}` accepts anybody",
            "refused",
        )
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        fix = "check that this port speaks TLS, else write rtsp:// or http://"
        return Unreachable(f"no TLS connection: {words}", fix, "refused")
    except OSError:
        return None
