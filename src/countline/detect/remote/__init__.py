"""Models on inference servers: Triton, KServe and others that speak version 2 of the open inference protocol.

What a network is given and what its outputs mean is the same as for one that runs here; only the run itself is a request.
"""

from countline.detect.remote.detector import RemoteBatches, RemoteDetector, make_remote

__all__ = ["RemoteBatches", "RemoteDetector", "make_remote"]
