"""Where messages are delivered to: one small package per kind, each with ``config.Config`` and ``output.make(config)``.

An output of your own is a package of the same shape, or one module with both, named by an entry point of the group
``countline.outputs``. It needs no base class, only the methods of :class:`countline.protocols.Output`;
``countline.outputs.base`` is what countline's own are built on, and ``countline.testing.OutputContract`` is what all of them
promise, as tests.
"""
