"""The password of a page: that of the configuration, or one made at the first start, stored as a hash in a private file."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from countline.errors import ConfigError
from countline.private_files import make_folder, open_private

__all__ = ["Password", "password_file", "renew"]

_N, _R, _P = 2**15, 8, 3
"""Parameters of scrypt: 32 MiB and about a third of a second for each attempt."""
_MEMORY = 64 * 1024 * 1024
LONGEST = 1024
"""Most characters of a password that is checked."""


def password_file(outbox: Path) -> Path:
    """Where the hash is kept: beside the outbox."""
    return outbox.with_name(outbox.name + ".web")


def _hash(password: str, salt: bytes, n: int = _N, r: int = _R, p: int = _P) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()


def _record(password: str) -> dict[str, Any]:
    salt = secrets.token_bytes(16)
    made = _hash(password, salt)
    return {
        "kind": "scrypt",
        "n": _N,
        "r": _R,
        "p": _P,
        "salt": salt.hex(),
        "hash": made.hex(),
        "made": int(time.time()),
    }


def renew(file: Path) -> str:
    """A new password, whose hash is written into the file; whoever is signed in with the old one no longer is. Raises ConfigError."""
    password = secrets.token_urlsafe(18)
    part = file.with_name(f".{file.name}.part")
    try:
        make_folder(file.parent)
        with open_private(part, "wb") as written:
            written.write(orjson.dumps(_record(password), option=orjson.OPT_INDENT_2) + b"\n")
        os.replace(part, file)
    except OSError as error:
        raise ConfigError(
            f"the hash of the page's password cannot be written: {error.strerror}",
            where=str(file),
            fix="choose another place for the outbox, or set `web: {password: ...}`",
        ) from None
    return password


class Password:
    """Checks passwords. From any thread; the server makes one check at a time.

    Parameters
    ----------
    given: that of the configuration; None: that of the file.
    file: where the hash is kept; None: nowhere, then a password is made for this run alone.

    Raises ConfigError where the file is none, or cannot be written.
    """

    def __init__(self, configured: str | None, file: Path | None) -> None:
        self.fresh = ""
        """A password that was made just now, to be shown once; '' otherwise."""
        self.file = file if configured is None else None
        self._lock = threading.Lock()
        self._version_of: tuple[int, ...] = ()
        self.generation = 0
        """Grows with every change of the password."""
        self._configured = None if configured is None else _digest(configured)
        self._stored: dict[str, Any] = {}
        if configured is not None:
            return
        if file is None:
            self.fresh = secrets.token_urlsafe(18)
            self._stored = _record(self.fresh)
        else:
            if not file.exists():
                self.fresh = renew(file)
            self._version_of, self._stored = _version_of(file), read(file)

    def look(self) -> int:
        """The generation of the password, after looking whether its file was renewed."""
        with self._lock:
            return self._look()

    def _look(self) -> int:
        if self.file is not None and _version_of(self.file) != self._version_of:
            self._version_of = _version_of(self.file)
            try:
                self._stored = read(self.file)
            except ConfigError:  # it is gone, or is no hash: nobody can sign in until there is one
                self._stored = {}
            self.generation += 1
        return self.generation

    def check(self, tried: str) -> int | None:
        """The generation of the password, if ``tried`` is it. Takes a third of a second."""
        if len(tried) > LONGEST:
            return None
        if self._configured is not None:  # it is in memory anyway: a slow hash would protect nothing
            return self.generation if hmac.compare_digest(_digest(tried), self._configured) else None
        with self._lock:  # not while it is hashed: whoever is signed in would wait for it
            generation, record = self._look(), self._stored
        if not record:
            return None
        made = _hash(tried, bytes.fromhex(record["salt"]), record["n"], record["r"], record["p"])
        return generation if hmac.compare_digest(made, bytes.fromhex(record["hash"])) else None


def _version_of(file: Path) -> tuple[int, ...]:
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(file: Path) -> dict[str, Any]:
    """The hash in a file. Raises ConfigError."""
    try:
        record = orjson.loads(file.read_bytes())
        fine = (
            record["kind"] == "scrypt"
            and len(bytes.fromhex(record["hash"])) == 32
            and bool(bytes.fromhex(record["salt"]))
            and 2 <= record["n"] <= 2**17
            and (record["r"], record["p"]) <= (8, 16)
            and 128 * record["n"] * record["r"] < _MEMORY
        )
    except OSError as error:
        raise ConfigError(
            f"the hash of the page's password cannot be read: {error.strerror}", where=str(file), fix=_ANEW
        ) from None
    except (ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        raise ConfigError("is no hash of a password", where=str(file), fix=_ANEW)
    made: dict[str, Any] = record
    return made


_ANEW = "make a new password: `countline web-password`"
