"""All that knows NVIDIA's files, rule engine and payloads. The probe that runs in a pipeline is ``countline.deepstream``."""
