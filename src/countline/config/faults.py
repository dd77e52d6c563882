"""What validators raise, so that an error can name place and fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

__all__ = ["ConfigFault", "Nested", "validated"]


M = TypeVar("M", bound=BaseModel)


class ConfigFault(ValueError):
    """Raise this in a pydantic validator to give a fix, and the path below the validated value."""

    def __init__(self, what: str, *, fix: str = "", loc: Sequence[str | int] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.loc = tuple(loc)


class Nested(ValueError):
    """Carries the faults of a model that was validated inside a validator, at ``loc`` below the validated value."""

    def __init__(self, error: ValidationError, model: type[BaseModel], loc: Sequence[str | int]) -> None:
        super().__init__(str(error))
        self.error = error
        self.model = model
        self.loc = tuple(loc)


def validated(model: type[M], data: Any, loc: Sequence[str | int] = ()) -> M:
    """``data`` as another model says, inside a validator, at ``loc`` below its value. Raises :class:`Nested`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Nested(error, model, loc) from None
