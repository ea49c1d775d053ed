"""The server: everything over HTTP on one port."""
