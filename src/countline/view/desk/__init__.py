"""What an operator does with a run: look at what was seen in the last minutes, ask why, draw rules, try them and apply them.

Without HTTP, and without the run itself: :class:`countline.view.desk.desk.Desk` is given what it needs of it.
"""

from countline.view.desk.changes import Edit
from countline.view.desk.desk import Desk
from countline.view.desk.memory import TrackMemory

__all__ = ["Desk", "Edit", "TrackMemory"]
