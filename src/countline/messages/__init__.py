"""Messages: from analytics to bytes for a broker. Pure: no I/O, no clock, no threads."""

from countline.messages.base import BaseDefinition, MessageFailure
from countline.messages.functions import MessageFunction, message
from countline.messages.make import Tools, make

__all__ = [
    "BaseDefinition",
    "MessageFailure",
    "MessageFunction",
    "Tools",
    "make",
    "message",
]
