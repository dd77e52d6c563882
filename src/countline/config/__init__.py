"""What a user can say: pydantic models, YAML, DeepStream's files."""

from countline.config.models import Config, DetectorConfig, OutboxConfig, SourceConfig, TrackerConfig, checked, load

__all__ = ["Config", "DetectorConfig", "OutboxConfig", "SourceConfig", "TrackerConfig", "checked", "load"]
