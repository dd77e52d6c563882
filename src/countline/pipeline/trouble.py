"""One trouble that comes and goes, as the log tells it; see :mod:`countline.observe.trouble`."""

from countline.observe.trouble import Trouble

__all__ = ["Trouble"]
