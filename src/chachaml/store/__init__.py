"""Where runs are kept: one protocol, several backends."""
