"""What validators raise, so that an error can name place and fix."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

__all__ = ["ConfigFault", "Nested"]


class ConfigFault(ValueError):
    """Raise this in a pydantic validator to give a fix, and the path below the validated value."""

    def __init__(self, what: str, *, fix: str = "", loc: Sequence[str | int] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.loc = tuple(loc)


ConfigFault = ConfigFault
"""Its former name."""


class Nested(ValueError):
    """Carries the faults of a model that was validated inside a validator, at ``loc`` below the validated value."""

    def __init__(self, error: ValidationError, model: type[BaseModel], loc: Sequence[str | int]) -> None:
        super().__init__(str(error))
        self.error = error
        self.model = model
        self.loc = tuple(loc)
