"""The journal: where every logged thing goes first, and how it reaches the store."""
