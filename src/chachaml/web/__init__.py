"""Pages: what the server shows to people."""
