"""What analysts ask of runs: how a curve went, what mattered, why two runs differ, what a file holds."""
