"""What is captured of where a run was made: code, machine, packages, what it printed, how busy it was."""
