"""Behind `chachaml.alerts`: judging runs, telling people, and whom may be told."""
