"""NVIDIA GPUs: driver, memory, streams, and the kernels between decoder, network and tracker.

Nothing here is imported unless a configuration asks for ``device: cuda``. CuPy (extra ``cuda``) lives in :mod:`countline.gpu.cuda`
alone; what is above it speaks to :class:`countline.gpu.device.Gpu`, so that all but the speed runs without a GPU, too.
"""
