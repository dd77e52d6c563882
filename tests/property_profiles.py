"""How property tests choose their examples.

``steady`` (the default): the same examples wherever and whenever the same test runs, so that what has passed once passes again.
``random`` (``HYPOTHESIS_PROFILE=random``, ``make hunt``): others in every run, to find faults.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "steady")


def choose() -> None:
    """To be called before the first module of tests is imported."""
    # How long an example takes is the machine's affair: neither a deadline nor a check of the generation's speed.
    timeless = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("steady", timeless, derandomize=True)
    settings.register_profile("random", timeless, derandomize=False, database=None, print_blob=True, max_examples=500)
    settings.load_profile(PROFILE)
    if PROFILE == "steady":
        _forget_the_constants_of_modules()


def _forget_the_constants_of_modules() -> None:
    """Hypothesis tries numbers and words that stand in the project's own modules, those that are imported at that moment: its
    examples would depend on which tests ran before in the same process, and on every change of the code elsewhere. There is no
    setting for it. Where a later version has no such function, examples are only less steady."""
    if hasattr(providers, "_get_local_constants"):
        providers._get_local_constants = lambda: providers._local_constants
