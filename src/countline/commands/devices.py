"""``--device``."""

from __future__ import annotations

from countline.config import DetectorConfig
from countline.config.loader import Document, validate

__all__ = ["on_device"]


def on_device(settings: DetectorConfig, device: str) -> DetectorConfig:
    """The settings with another device. Raises ConfigError for one that cannot be."""
    data = settings.model_dump(exclude_unset=True) | {"device": device}
    if device.lower() != "cuda":
        data.pop("devices", None)
    return validate(DetectorConfig, data, Document(data, {}, "--device"))
