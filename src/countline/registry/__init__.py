"""Schema registries with the Confluent API, through confluent-kafka's client."""

from countline.registry.ids import SchemaIds, subject_of

__all__ = ["SchemaIds", "subject_of"]
