"""Addresses that something listens at: HOST:PORT. Imports next to nothing, for commands that must be quick."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["address_text", "is_loopback", "split_address"]

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of an address.

    >>> split_address("127.0.0.1:9464"), split_address(":9464"), split_address("[::1]:9464"), split_address("9464")
    (('127.0.0.1', 9464), ('0.0.0.0', 9464), ('::1', 9464), ('127.0.0.1', 9464))

    Raises ValueError where it is none.
    """
    host, colon, port = str(text).strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ipaddress.ip_address(host).version != 6:
            raise ValueError(f"'{text}' is no address")
    elif host and not _HOST.match(host):
        raise ValueError(f"'{text}' is no address: write HOST:PORT, and an IPv6 address in brackets")
    if not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65535:
        raise ValueError(f"'{text}' is no address: write HOST:PORT, with a port from 0 to 65535")
    return (host or ("0.0.0.0" if colon else "127.0.0.1")), int(port)  # noqa: S104 - what ':9464' says


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_text(text: str) -> str:
    """The address written out. Raises ValueError where it is none.

    >>> address_text("9464"), address_text("[::1]:80")
    ('127.0.0.1:9464', '[::1]:80')
    """
    host, port = split_address(text)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
