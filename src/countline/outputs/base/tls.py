"""The TLS context that an output's options lead to."""

from __future__ import annotations

import ssl
from pathlib import Path

from countline.errors import OutputError
from countline.outputs.base.options import TlsConfig, get_secret

__all__ = ["make_ssl_context"]


def make_ssl_context(tls: TlsConfig, *, where: str) -> ssl.SSLContext:
    """A client context. Raises OutputError naming the file that cannot be used; ``where`` as in ``output 'mqtt'``."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("tls.ca", tls.ca, error, where, "a PEM file with the certificate authority") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        for option, path in (("tls.cert", tls.cert), ("tls.key", tls.key)):
            if path and not Path(path).is_file():
                raise OutputError(f"{option}: no such file: {path}", where=where, fix="check the path")
        # Without a callback OpenSSL would ask for the password on the terminal.
        password = get_secret(tls.key_password) or ""
        try:
            context.load_cert_chain(tls.cert, tls.key, password=lambda: password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unusable(
                "tls.cert", tls.cert, error, where, "matching PEM files, and tls.key_password if the key has one"
            ) from None
    return context


def _unusable(option: str, path: str | None, error: Exception, where: str, wanted: str) -> OutputError:
    if isinstance(error, FileNotFoundError):
        return OutputError(f"{option}: no such file: {path}", where=where, fix="check the path")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return OutputError(f"{option}: {path} cannot be used: {reason}", where=where, fix=f"give {wanted}")
