"""The page of a run: where it listens, who may read and who may change."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from countline.addresses import address_text, is_loopback, split_address
from countline.config.base import FileName, Model
from countline.config.faults import ConfigFault
from countline.secret_forms import uri_secrets

__all__ = ["DEFAULT", "WebConfig", "WebTls", "given_web"]

DEFAULT = "127.0.0.1:8787"
"""Where the page is unless an address is given."""
SHORTEST = 8
"""Characters of a password, at least."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?\Z")


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(
            "must be a name such as countline.example.org, with :PORT behind it where that is not the usual one"
        )
    return value.lower()


def _link(value: str) -> str:
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine:
        raise ValueError("must be an address such as https://cameras.example.org/stream.html?src=gate")
    return value


class WebTls(Model):
    """The certificate that the page shows."""

    cert: FileName
    """PEM file of the certificate, with those between it and the authority."""
    key: FileName
    """PEM file of its private key."""


class WebConfig(Model):
    """A page in the browser that shows the run, and where rules are drawn. Needs countline[web]."""

    listen: Annotated[str, BeforeValidator(_text), AfterValidator(address_text)] = DEFAULT
    """HOST:PORT. Only this machine reaches it unless another address is given, which takes `tls` or `behind_proxy`. Port 0 takes a
    free one, which the log tells."""
    password: SecretStr | None = None
    """What whoever changes something signs in with, e.g. "${file:/run/secrets/countline}"; 8 characters or more. Unless set, one is
    made at the first start, told once in the log, and kept as a hash beside the outbox."""
    tls: WebTls | None = None
    """Serve https. Needed where others than this machine reach it, unless a proxy does it."""
    behind_proxy: bool = False
    """A proxy before it does TLS, and is the only one that reaches it. Needs `hosts`."""
    hosts: list[Annotated[str, AfterValidator(_name)]] = []
    """Names under which browsers reach it, besides the address itself (and localhost), e.g. [countline.example.org]. Requests for
    other names are refused."""
    links: dict[str, Annotated[str, AfterValidator(_link)]] = {}
    """By source, where there is video of full rate to be seen (go2rtc, mediamtx): the page links to it."""
    fps: float = Field(default=5.0, ge=0.1, le=15)
    """Pictures a second of each source that the page shows, at most."""
    width: int = Field(default=960, ge=64, le=1920)
    """Pixels that its pictures are wide, at most."""

    memory: float = Field(default=600.0, ge=0, le=3600)
    """Seconds for which tracks are kept in memory, to explain what was counted and to try edits on; at most 256 MiB of them."""

    @property
    def read_openly(self) -> bool:
        """Whether whoever reaches it may read without signing in: programs of this machine alone."""
        return is_loopback(split_address(self.listen)[0]) and not self.behind_proxy

    @model_validator(mode="after")
    def _guarded(self) -> WebConfig:
        if not (self.read_openly or self.tls is not None or self.behind_proxy):
            raise ConfigFault(
                f"{self.listen} is reached from other machines, and what goes there would not be encrypted",
                fix="add `tls: {cert: FILE, key: FILE}`; or listen at 127.0.0.1 and put a proxy with TLS before it, with "
                "`behind_proxy: true` and `hosts: [its name]`",
                loc=("listen",),
            )
        if self.behind_proxy and not self.hosts:
            raise ConfigFault(
                "behind a proxy the page has another name than its address",
                fix="add `hosts: [countline.example.org]`, as it stands in the browser",
                loc=("behind_proxy",),
            )
        if self.password is not None and len(self.password.get_secret_value()) < SHORTEST:
            raise ConfigFault(
                f"the password has fewer than {SHORTEST} characters",
                fix="take a longer one, or none: then one is made",
                loc=("password",),
            )
        for name, address in self.links.items():
            if any(uri_secrets(address)):
                raise ConfigFault(
                    f"the link of '{name}' holds a password or a key, and the page would show it",
                    fix="let its server ask for the password",
                    loc=("links", name),
                )
        return self


def given_web(value: Any) -> Any:
    """``web: true``, and ``web: HOST:PORT``."""
    if isinstance(value, bool):
        return {} if value else None
    return {"listen": value} if isinstance(value, (str, int)) else value
