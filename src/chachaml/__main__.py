"""``python -m chachaml`` is the command ``chachaml``."""

from __future__ import annotations

import sys

from chachaml.surfaces.cli import main

if __name__ == "__main__":
    sys.exit(main())
