"""The rules engine that counts right (docs/rules.md)."""

from countline.analytics.native.engine import NativeRules

__all__ = ["NativeRules"]
