"""The page, as commands have it: ``--web``, what ``countline check`` says of it, and a new password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from countline.commands.outbox import locate
from countline.config import Config, load
from countline.config.loader import Document, validate
from countline.config.web import WebConfig
from countline.errors import ConfigError, CountlineError, OutboxError
from countline.protocols import Check
from countline.terminal import echo
from countline.view.web.password import password_file, read, renew
from countline.view.web.server import certificate, listening, needed

__all__ = ["checks", "refuse_web", "web_of", "web_password_command"]


def web_of(config: Config, listen: str) -> WebConfig:
    """What ``--web HOST:PORT`` asks for, with all else that the configuration says of the page. Raises ConfigError."""
    known = {} if config.web is None else {name: getattr(config.web, name) for name in config.web.model_fields_set}
    return validate(WebConfig, {**known, "listen": listen}, Document({}, {}, "--web"))


def refuse_web(config: Config, where: str, fix: str) -> None:
    """Raise ConfigError where a page is wanted by what has several runs, of which it could show one."""
    if config.web is not None:
        raise ConfigError("the page shows a run of one process, and here are several", where=where, fix=fix)


def checks(config: Config, outbox: Path | None) -> Iterator[tuple[int, Check]]:
    """(exit code if it fails, check): what a run would refuse of its page. ``outbox``: its file; None: in memory."""
    if config.web is None:
        return
    try:
        needed()
        encrypted = certificate(config.web) is not None
        listening(config.web.listen).close()
        kept = _kept(config.web, outbox)
    except CountlineError as error:
        where = f"{error.where}: " if str(error.where) else ""
        yield error.exit_code, Check("page", False, where + error.what, error.fix)
        return
    scheme = "https" if encrypted else "http"
    yield 2, Check("page", True, f"{scheme}://{config.web.listen}/, password {kept}")


def _kept(web: WebConfig, outbox: Path | None) -> str:
    """Where the password comes from, in words. Raises ConfigError."""
    if web.password is not None:
        return "of the configuration"
    if outbox is None:
        return "made at each start (the outbox is in memory)"
    file = password_file(outbox)
    if not file.exists():
        return "made at the first start"
    read(file)
    return f"known by its hash in {file}"


def web_password_command(given: Mapping[str, Any]) -> int:
    """Make a new password and print it. Raises ConfigError, OutboxError."""
    place: Path | None = given["place"]
    if place is not None and place.suffix in (".yaml", ".yml"):
        web = load(place).web
        if web is not None and web.password is not None:
            raise ConfigError(
                "the password of the page is in the configuration",
                where=f"{place} [web.password]",
                fix="change it there",
            )
    try:
        outbox = locate(place, given["path"])
    except OutboxError as error:
        raise OutboxError(error.what, where=error.where, fix=error.fix or "name the configuration") from None
    file = password_file(outbox)
    password = renew(file)
    echo(password)
    if not given["quiet"]:
        echo(
            f"told this once; its hash is in {file}. Whoever is signed in with the old one no longer is, within a second.",
            err=True,
        )
    return 0
