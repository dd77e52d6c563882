"""Models on inference servers: Triton, KServe and others that speak version 2 of the open inference protocol.

Preprocessing and decoding are those of a local network; only the inference is a request.
"""

from countline.detect.remote.detector import RemoteBatches, RemoteDetector, make_remote

__all__ = ["RemoteBatches", "RemoteDetector", "make_remote"]
