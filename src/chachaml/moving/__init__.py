"""Moving in and out: between stores, from other tools, and into files that need no chachaml."""
