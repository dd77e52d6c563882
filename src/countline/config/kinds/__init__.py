"""The kinds of rules: one file each for what a user can say of it. What it does stands in ``analytics.native.kinds``."""
