"""``--metrics HOST:PORT``, of every command that runs something."""

from __future__ import annotations

from countline.config import Config
from countline.config.loader import Document, validate
from countline.config.observe import MetricsConfig

__all__ = ["listening_at"]


def listening_at(config: Config, listen: str | None) -> Config:
    """The configuration, with metrics and health at this address if there is one. Raises ConfigError."""
    if not listen:
        return config
    metrics = validate(MetricsConfig, {"listen": listen}, Document({}, {}, "--metrics"))
    return config.model_copy(update={"metrics": metrics})
