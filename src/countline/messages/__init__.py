"""Messages: from analytics to bytes for a broker. Pure: no I/O, no clock, no threads."""

from countline.messages.base import BaseDefinition, MessageFailure
from countline.messages.context import Context
from countline.messages.faults import MessageFault
from countline.messages.functions import MessageFunction, message
from countline.messages.make import Tools, from_template, make

__all__ = [
    "BaseDefinition",
    "Context",
    "MessageFailure",
    "MessageFault",
    "MessageFunction",
    "Tools",
    "from_template",
    "make",
    "message",
]
