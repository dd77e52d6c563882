"""Numbers for the log that would come too often; see :mod:`countline.observe.told`."""

from countline.observe.told import EVERY, Repeated, Told

__all__ = ["EVERY", "Repeated", "Told"]
