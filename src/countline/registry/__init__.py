"""Registries: kinds by their names (``kinds``), and schemas by their ids, through confluent-kafka's client (``ids``)."""

from countline.registry.ids import SchemaIds, subject_of

__all__ = ["SchemaIds", "subject_of"]
