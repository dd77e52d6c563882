"""countline's rules and tracks for a whole frame in one call. countline finds and uses it by itself; there is nothing to call here.

``INTERFACE`` is what a version of countline must know to use this one.
"""

from countline_kernels._kernel import (
    INTERFACE,
    Boundaries,
    ByteTrack,
    Columns,
    Grades,
    Jumps,
    LostTrack,
    Past,
    Refound,
    TrackHeight,
    TrackMemory,
    Twins,
    __version__,
    left_alone,
    look_up,
)

__all__ = [
    "INTERFACE",
    "Boundaries",
    "ByteTrack",
    "Columns",
    "Grades",
    "Jumps",
    "LostTrack",
    "Past",
    "Refound",
    "TrackHeight",
    "TrackMemory",
    "Twins",
    "__version__",
    "left_alone",
    "look_up",
]
