"""Bytes that belong to runs: where they are kept, how values become bytes, and who vouches for them."""
