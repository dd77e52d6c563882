"""``python -m countline``."""

from countline.cli import main

main()
