"""The page, as commands have it: ``--web``, what ``countline check`` says of it, and a new password."""

from __future__ import annotations

from countline.config import Config
from countline.config.loader import Document, validate
from countline.config.web import WebConfig

__all__ = ["web_of"]


def web_of(config: Config, listen: str) -> WebConfig:
    """What ``--web HOST:PORT`` asks for, with all else that the configuration says of the page. Raises ConfigError."""
    known = {} if config.web is None else dict(config.web)
    return validate(WebConfig, {**known, "listen": listen}, Document({}, {}, "--web"))
