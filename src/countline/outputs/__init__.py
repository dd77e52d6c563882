"""Where messages are delivered to: one small package per kind, each with ``config.Config`` and ``output.make(config)``.

An output of your own is a package of the same shape, named by an entry point of the group ``countline.outputs``; it needs no
base class, only the methods of :class:`countline.protocols.Output`.
"""
