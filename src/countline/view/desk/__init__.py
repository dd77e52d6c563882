"""What an operator does with a run: look at what was seen in the last minutes, ask why, draw rules, try them and apply them.

Knows neither HTTP nor the run: :class:`countline.view.desk.desk.Desk` gets what it needs by its constructor.
"""

from countline.view.desk.changes import Edit
from countline.view.desk.desk import Desk
from countline.view.desk.memory import TrackMemory

__all__ = ["Desk", "Edit", "TrackMemory"]
