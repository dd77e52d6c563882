"""Real servers on loopback: free ports, temporary folders, ended by their own process id."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from countline.testing import free_port

START = 60.0
"""Seconds in which a server must answer."""


def need(binary: str, package: str) -> str:
    """Path of a server's program; skips with the name of the Debian package where it is not installed."""
    found = shutil.which(binary, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/lib/rabbitmq/bin")
    if found is None:
        pytest.skip(f"{binary} is not installed: apt-get install {package}")
    return found


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START) -> None:
    """Returns when ``condition`` holds; fails the test when it does not within ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Somebody takes connections on that port of 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


class ProcessServer:
    """A server that is one process."""

    def __init__(self, command: Sequence[str], folder: Path, port: int, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.folder = folder
        self.port = port
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.env, stdout=log, stderr=log)
        wait_until(self.answers, f"{self.command[0]} answers")

    def answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            log = (self.folder / "server.log").read_text(errors="replace")[-2000:]
            pytest.fail(f"{self.command[0]} ended with {self.process.returncode}:\n{log}")
        return listens(self.port)

    def stop(self) -> None:
        process, self.process = self.process, None
        for _ in range(60):
            if process is None:
                return
            process.send_signal(signal.SIGTERM)  # again and again: a server that is still starting may forget the first
            try:
                process.wait(0.5)
                return
            except subprocess.TimeoutExpired:
                continue
        assert process is not None
        process.kill()
        process.wait(30)

    def kill(self) -> None:
        """As a power cut would: no time to tidy up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


class Certificates:
    """A certificate authority, a server certificate for localhost and 127.0.0.1, and a client certificate."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self.cert, self.key = folder / "server.pem", folder / "server.key"
        self.client_cert, self.client_key = folder / "client.pem", folder / "client.key"
        self.other_ca = folder / "other-ca.pem"
        authority, authority_key = _certificate("countline test CA", None, None, self.ca, folder / "ca.key")
        _certificate("localhost", authority, authority_key, self.cert, self.key)
        _certificate("client", authority, authority_key, self.client_cert, self.client_key)
        _certificate("another CA", None, None, self.other_ca, folder / "other-ca.key")
        for file in folder.glob("*.key"):
            file.chmod(0o644)  # servers that drop to a user of their own must be able to read it


def _certificate(
    name: str, issuer: object, issuer_key: object, cert_file: Path, key_file: Path
) -> tuple[object, object]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)  # type: ignore[attr-defined]
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)  # type: ignore[attr-defined]
    )
    cert = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, key


__all__ = ["Certificates", "ProcessServer", "free_port", "listens", "need", "wait_until"]
