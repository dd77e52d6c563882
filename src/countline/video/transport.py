"""How RTP comes from a camera: over UDP or TCP."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Transport"]


class Transport:
    """How RTP comes: ``rtsp_transport: auto`` begins with UDP and goes over to TCP, for good, when too much is lost."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = dict(options)
        self.auto = self._options.get("rtsp_transport") == "auto"
        if self.auto:
            self._options["rtsp_transport"] = "udp"

    @property
    def may_fall_back(self) -> bool:
        """UDP is tried, and TCP was not."""
        return self.auto and self._options["rtsp_transport"] == "udp"

    def fall_back(self) -> None:
        """TCP from the next connection on."""
        self._options["rtsp_transport"] = "tcp"

    def options(self) -> dict[str, str]:
        """FFmpeg's options for the next connection."""
        return dict(self._options)
